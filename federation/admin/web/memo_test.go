package web

import (
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin/web/webtest"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/snapshot"
)

func TestMemo(t *testing.T) {
	t.Run("W2 the rule runs for a change, not for a look", func(t *testing.T) {
		w := webtest.New()
		w.Serve("shop", "web", "abc", "")
		w.Serve("shop", "pay", "abc", "")
		m := &memo{}
		details := func() *details {
			f := w.Snapshots()[0]
			return m.details(f, f.Views.Service(federation.ServiceName{Namespace: "shop", Name: "web"}))
		}
		// member publishes a change of member a.
		member := func(do func(*snapshot.Member)) {
			w.Change(func(f *snapshot.Federation) {
				a := *f.Members[0]
				do(&a)
				f.Members[0] = &a
			})
		}
		last := details()
		for _, step := range []struct {
			what   string
			change func()
			anew   bool
		}{
			{"nothing", func() {}, false},
			{"another service", func() { w.Serve("shop", "pay", "abc", "a") }, false},
			{"a probe", func() { member(func(a *snapshot.Member) { a.Contact.Since = time.Now() }) }, false},
			{"a shard of another service", func() { member(func(a *snapshot.Member) { a.Healthy++ }) }, false},
			{"the service", func() { w.Serve("shop", "web", "abc", "a") }, true},
			{"a loss", func() { member(func(a *snapshot.Member) { a.Reach.Standing = policy.Lost }) }, true},
			{"a drain", func() { member(func(a *snapshot.Member) { a.Drained = time.Now() }) }, true},
			{"a move", func() { member(func(a *snapshot.Member) { a.Topology.Region = "us" }) }, true},
			{"a level of others", func() {
				w.Change(func(f *snapshot.Federation) {
					f.Foreign = map[federation.FQDN]string{"eu.example.com.": "taken"}
				})
			}, true},
			{"nobody looks", m.clear, true},
		} {
			step.change()
			now := details()
			if anew := now != last; anew != step.anew {
				t.Errorf("%s: made anew: %t, want %t", step.what, anew, step.anew)
			}
			last = now
		}
	})
	t.Run("W2 what is kept is bounded", func(t *testing.T) {
		w := webtest.New()
		w.Many(maxKept + 10)
		m, f := &memo{}, w.Snapshots()[0]
		for _, s := range f.Views.List() {
			m.row(f, s)
		}
		if len(m.kept) > maxKept || len(m.kept) == 0 {
			t.Errorf("%d are kept", len(m.kept))
		}
	})
	t.Run("W2 a view that has not changed is not put into words again", func(t *testing.T) {
		w := webtest.New()
		w.Serve("shop", "web", "abc", "")
		s := NewServer(w, "")
		defer s.Close()
		for _, view := range []string{"/", "/services", "/services?q=web", "/service/fed/example.com/shop/web"} {
			w.Serve("shop", "web", "abc", "")
			first, err := s.render(view, nil)
			if err != nil {
				t.Fatal(err)
			}
			w.Change(func(*snapshot.Federation) {})
			if again, _ := s.render(view, first); again != first {
				t.Errorf("%s is rendered anew", view)
			}
			w.Serve("shop", "web", "abc", "a")
			if after, _ := s.render(view, first); after == first {
				t.Errorf("%s is not rendered after a change", view)
			}
		}
	})
}
