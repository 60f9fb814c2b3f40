package clouddns_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sdk "google.golang.org/api/dns/v1"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/clouddns"
	standin "github.com/federation-dns/federation/test/clouddns"
	"github.com/federation-dns/federation/test/fakecloud"
)

var claim = set("_claim.fed.svc."+zone, "TXT", `"heritage=federation-dns" "owner=test" "generation=1"`)

// claimed is a stand-in that has the claim, and a provider that has found the
// managed zone.
func claimed(t *testing.T, change func(*clouddns.Config)) (*standin.Server, *clouddns.Provider) {
	t.Helper()
	s := start(t)
	p := connect(t, s, change)
	must(t, p, nil, plan.Change{Name: claim.Name, To: []federation.RRset{claim}})
	s.Reset()
	return s, p
}

// must makes the changes, which must all succeed.
func must(t testing.TB, p provider.Provider, claim *federation.RRset, changes ...plan.Change) {
	t.Helper()
	for i, err := range p.Apply(t.Context(), claim, changes) {
		if err != nil {
			t.Fatalf("change %d of %d: %v", i, len(changes), err)
		}
	}
}

// has checks what is at the name.
func has(t testing.TB, p provider.Provider, n federation.FQDN, want ...federation.RRset) {
	t.Helper()
	got, err := p.Get(t.Context(), n)
	if err != nil || !federation.EqualRRsets(got, want) {
		t.Errorf("at %q is %v, %v, want %v", n, got, err, want)
	}
}

// actions are the requests since the last Reset, as "changes.create" or
// "changes.create 429 rateLimitExceeded".
func actions(s *standin.Server) (out []string) {
	for _, r := range s.Requests() {
		action := r.Action
		if r.Code != "" {
			action += fmt.Sprintf(" %d %s", r.Status, r.Code)
		}
		out = append(out, action)
	}
	return out
}

// create creates addresses at that many names.
func create(count int) (changes []plan.Change) {
	for i := range count {
		n := name(fmt.Sprintf("service-%d", i))
		changes = append(changes, plan.Change{Name: n, To: []federation.RRset{
			set(n, "A", fmt.Sprintf("192.0.2.%d", i%250+1)), set(n, "AAAA", fmt.Sprintf("2001:db8::%x", i+1)),
		}})
	}
	return changes
}

// changeOf returns what a request changes, as "-A name" and "+A name".
func changeOf(t *testing.T, body []byte) (out []string) {
	t.Helper()
	var c sdk.Change
	if err := json.Unmarshal(body, &c); err != nil {
		t.Fatal(err)
	}
	for _, set := range c.Deletions {
		out = append(out, fmt.Sprintf("-%s %s", set.Type, set.Name))
	}
	for _, set := range c.Additions {
		out = append(out, fmt.Sprintf("+%s %s", set.Type, set.Name))
	}
	return out
}

func TestChange(t *testing.T) {
	n := name("nginx")
	addresses := []federation.RRset{set(n, "A", "192.0.2.1", "192.0.2.2"), set(n, "AAAA", "2001:db8::1")}
	alias := []federation.RRset{set(n, "CNAME", "nginx.ns.fed.svc.example.com.")}
	t.Run("P6 a switch is one Change: the claim, the old RRsets, the new", func(t *testing.T) {
		s, p := claimed(t, nil)
		must(t, p, &claim, plan.Change{Name: n, To: addresses})
		bodies := record(t, s)
		must(t, p, &claim, plan.Change{Name: n, From: addresses, To: alias})
		must(t, p, &claim, plan.Change{Name: n, From: alias, To: addresses})
		const was, is = "-TXT _claim.fed.svc.example.com.", "+TXT _claim.fed.svc.example.com."
		want := [][]string{
			{was, "-A " + string(n), "-AAAA " + string(n), is, "+CNAME " + string(n)},
			{was, "-CNAME " + string(n), is, "+A " + string(n), "+AAAA " + string(n)},
		}
		var got [][]string
		for _, body := range bodies() {
			got = append(got, changeOf(t, body))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
	t.Run("O3a what the change leaves as it is is asserted too", func(t *testing.T) {
		s, p := claimed(t, nil)
		must(t, p, &claim, plan.Change{Name: n, To: addresses})
		next := []federation.RRset{set(n, "A", "192.0.2.9"), addresses[1]}
		put(t, s, set(n, "AAAA", "2001:db8::f"))
		err := p.Apply(t.Context(), &claim, []plan.Change{{Name: n, From: addresses, To: next}})[0]
		says(t, err, `"nginx.ns.fed.svc.example.com."`, "A 180 192.0.2.1, 192.0.2.2", "AAAA 180 2001:db8::f")
		if !errors.Is(err, provider.ErrConflict) {
			t.Errorf("error is %v", err)
		}
		has(t, p, n, addresses[0], set(n, "AAAA", "2001:db8::f"))
	})
	t.Run("O3a a TTL of 0 is a TTL", func(t *testing.T) {
		_, p := claimed(t, nil)
		zero := set(n, "A", "192.0.2.1")
		zero.TTL = 0
		must(t, p, &claim, plan.Change{Name: n, To: []federation.RRset{zero}})
		has(t, p, n, zero)
		must(t, p, &claim, plan.Change{Name: n, From: []federation.RRset{zero}})
	})
	t.Run("O3a an address RRset of the other type is left alone", func(t *testing.T) {
		s, p := claimed(t, nil)
		must(t, p, &claim, plan.Change{Name: n, To: addresses[:1]})
		foreign := set(n, "AAAA", "2001:db8::f")
		put(t, s, foreign)
		next := set(n, "A", "192.0.2.9")
		must(t, p, &claim, plan.Change{Name: n, From: addresses[:1], To: []federation.RRset{next}})
		has(t, p, n, next, foreign)
		must(t, p, &claim, plan.Change{Name: n, From: []federation.RRset{next}})
		has(t, p, n, foreign)
		if !p.Caps().MissesOtherTypes {
			t.Error("Caps does not say so")
		}
	})
	t.Run("O3a nothing is made beside a routing policy of the type, or in its place", func(t *testing.T) {
		s, p := claimed(t, nil)
		label := name("policy")
		if err := s.Load(zoneName, policy(label, "A")); err != nil {
			t.Fatal(err)
		}
		before := len(s.RRsets(zoneName))
		old := set(label, "A", "192.0.2.99")
		old.TTL = 60
		for _, c := range []plan.Change{
			{Name: label, To: []federation.RRset{set(label, "A", "192.0.2.1")}},
			{Name: label, To: []federation.RRset{set(label, "CNAME", "nginx.example.org.")}},
		} {
			err := p.Apply(t.Context(), &claim, []plan.Change{c})[0]
			if !errors.Is(err, provider.ErrRefused) {
				t.Errorf("error is %v", err)
			}
			says(t, err, "A (routing policy)", "remove it")
		}
		if err := p.Apply(t.Context(), &claim, []plan.Change{{Name: label, From: []federation.RRset{old}}})[0]; !errors.Is(err, provider.ErrConflict) {
			t.Errorf("error of its deletion is %v", err)
		}
		has(t, p, label)
		if got := list(t, p, zone); len(got) != 1 {
			t.Errorf("List yields %v", got)
		}
		if got := len(s.RRsets(zoneName)); got != before {
			t.Errorf("the zone has %d RRsets, want %d", got, before)
		}
	})
}

func TestRequests(t *testing.T) {
	t.Run("O3a a change is one request, however large the zone is", func(t *testing.T) {
		s, p := claimed(t, nil)
		foreign(t, s, 100_000)
		changes := create(1)
		must(t, p, &claim, changes[0])
		must(t, p, &claim, plan.Change{Name: changes[0].Name, From: changes[0].To})
		if diff := cmp.Diff([]string{"changes.create", "changes.create"}, actions(s)); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
	t.Run("X5a 10,000 names with one refused: one fails, under 50 requests", func(t *testing.T) {
		const bad = 6789
		s, p := claimed(t, nil)
		changes := create(10_000)
		put(t, s, set(changes[bad].Name, "MX", "10 mail.example.org."))
		changes[bad].To = []federation.RRset{set(changes[bad].Name, "CNAME", "nginx.example.org.")}
		begin := time.Now()
		for i, err := range p.Apply(t.Context(), &claim, changes) {
			if i == bad && !errors.Is(err, provider.ErrRefused) || i != bad && err != nil {
				t.Errorf("change %d: %v", i, err)
			}
		}
		requests := s.Requests()
		if len(requests) >= 50 {
			t.Errorf("it took %d requests", len(requests))
		}
		t.Logf("%d requests, %v", len(requests), time.Since(begin).Round(time.Millisecond))
		if got, want := len(s.RRsets(zoneName)), 2+1+1+2*(len(changes)-1); got != want {
			t.Errorf("the zone has %d RRsets, want %d", got, want)
		}
	})
	t.Run("X5b a request has at most 1000 additions and 1000 deletions", func(t *testing.T) {
		s, p := claimed(t, nil)
		changes := create(1200)
		must(t, p, &claim, changes...)
		var next, back []plan.Change
		for _, c := range changes {
			alias := []federation.RRset{set(c.Name, "CNAME", "www.example.org.")}
			next = append(next, plan.Change{Name: c.Name, From: c.To, To: alias})
			back = append(back, plan.Change{Name: c.Name, From: alias})
		}
		must(t, p, &claim, next...)
		must(t, p, &claim, back...)
		var got [][2]int
		for _, r := range s.Requests() {
			got = append(got, [2]int{r.Additions, r.Deletions})
		}
		want := [][2]int{{999, 1}, {999, 1}, {405, 1}, {500, 999}, {500, 999}, {203, 405}, {1, 1000}, {1, 202}} // 1 of each is the claim
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("additions and deletions (-want +got):\n%s", diff)
		}
	})
	t.Run("X5b a request has at most 100,000 octets of data", func(t *testing.T) {
		s, p := claimed(t, nil)
		target := strings.Repeat(strings.Repeat("x", 62)+".", 3) + "example.org."
		var changes []plan.Change
		for i := range 990 {
			n := name(fmt.Sprintf("s%d", i))
			changes = append(changes, plan.Change{Name: n, To: []federation.RRset{set(n, "CNAME", target)}})
		}
		must(t, p, &claim, changes...)
		for _, r := range s.Requests() {
			if r.Data > 100_000 || r.Code != "" {
				t.Errorf("a request of %d octets: %q", r.Data, r.Code)
			}
		}
		want := 1 + len(changes)/((100_000-2*(len(claim.Data[0])+1))/(len(target)+1))
		if got := len(s.Requests()); got != want {
			t.Errorf("%d requests, want %d", got, want)
		}
	})
	t.Run("X5b short text of long data counts as data", func(t *testing.T) {
		s, p := claimed(t, nil)
		var changes []plan.Change
		for i := range 900 {
			n := name(fmt.Sprintf("s%d", i))
			var data []string
			for j := range 16 {
				data = append(data, fmt.Sprintf("::%x", j+1))
			}
			changes = append(changes, plan.Change{Name: n, To: []federation.RRset{set(n, "AAAA", data...)}})
		}
		must(t, p, &claim, changes...)
		for _, r := range s.Requests() {
			if octets := (r.Additions - 1) * 16 * 16; octets > 100_000 {
				t.Errorf("a request of %d octets on the wire", octets)
			}
		}
	})
	t.Run("X5a a full zone refuses only what does not fit", func(t *testing.T) {
		s, p := claimed(t, nil)
		s.SetLimits(fakecloud.Limits{RRsets: 3 + 20})
		made := 0
		for i, err := range p.Apply(t.Context(), &claim, create(50)) {
			switch {
			case err == nil:
				made++
			case !errors.Is(err, provider.ErrRefused):
				t.Errorf("change %d: %v", i, err)
			default:
				says(t, err, "quotaExceeded", "resource record sets per managed zone", "raised")
			}
		}
		if made != 10 {
			t.Errorf("%d changes were made, 10 fit", made)
		}
	})
}

func TestCancel(t *testing.T) {
	t.Run("X5b no request starts after the context has ended", func(t *testing.T) {
		s, p := claimed(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		changes := create(3000)
		calls, ended := 0, time.Time{}
		s.SetFaults(fakecloud.Faults{Fate: func(fakecloud.Request) fakecloud.Fate {
			if calls++; calls == 3 {
				ended = time.Now()
				cancel()
				return fakecloud.Fate{Delay: time.Minute}
			}
			return fakecloud.Fate{}
		}})
		errs := p.Apply(ctx, &claim, changes)
		if took := time.Since(ended); took > 2*time.Second {
			t.Errorf("it took %v to notice", took)
		}
		made := slices.IndexFunc(errs, func(err error) bool { return err != nil })
		if made != 2*499 {
			t.Errorf("%d changes were made", made)
		}
		for _, err := range errs[made:] {
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("error is %v", err)
			}
		}
		has(t, p, changes[len(changes)-1].Name) // a request of its own: what came before it is there
		if got := s.Count("changes.create"); got != 3 {
			t.Errorf("%d requests, want 3", got)
		}
	})
	t.Run("X5b a server that does not answer", func(t *testing.T) {
		s, _ := claimed(t, nil)
		p := connect(t, s, func(c *clouddns.Config) { c.Timeout = 200 * time.Millisecond })
		has(t, p, name("nothing"))
		s.SetFaults(fakecloud.Faults{Fate: func(fakecloud.Request) fakecloud.Fate { return fakecloud.Fate{Delay: time.Minute} }})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		err := p.Apply(ctx, &claim, create(1))[0]
		if took := time.Since(begin); took > 3*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", took, err)
		}
		if errors.Is(err, provider.ErrRefused) || errors.Is(err, provider.ErrConflict) {
			t.Errorf("error %v does not leave the outcome open", err)
		}
	})
	t.Run("X5b a token that does not come", func(t *testing.T) {
		s := start(t)
		s.SetTokenFaults(standin.TokenFaults{Takes: time.Minute})
		p := connect(t, s, nil)
		go func() { // it has the token's lock
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			_, _ = p.Get(ctx, name("first"))
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		begin := time.Now()
		err := p.Apply(ctx, nil, create(1))[0]
		if took := time.Since(begin); took > 2*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", took, err)
		}
		if len(s.Requests()) > 0 {
			t.Errorf("requests %v", actions(s))
		}
	})
}
