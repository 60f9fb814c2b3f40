package reconcile

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider/inmem"
)

// TestEvidence asks for one level again and again.
func TestEvidence(t *testing.T) {
	type answer struct {
		after   time.Duration
		problem string
		err     error
	}
	failed := errors.New("no answer")
	for name, test := range map[string]struct {
		answers []answer
		proven  bool
		again   time.Duration // at least; 0: at the next audit
	}{
		"O5 all is right":        {[]answer{{0, "", nil}}, false, 0},
		"O5 once is no evidence": {[]answer{{0, "wildcard", nil}}, false, evidenceApart},
		"O5 twice, too soon": {[]answer{{0, "wildcard", nil},
			{59 * time.Second, "wildcard", nil}}, false, time.Second},
		"O5 twice, 60 s apart": {[]answer{{0, "wildcard", nil},
			{60 * time.Second, "wildcard", nil}}, true, foreignRetry},
		"O5 two problems are evidence": {[]answer{{0, "wildcard", nil},
			{60 * time.Second, "delegated", nil}}, true, foreignRetry},
		"O5 a right answer between them begins anew": {[]answer{{0, "wildcard", nil}, {50 * time.Second, "", nil},
			{50 * time.Second, "wildcard", nil}}, false, evidenceApart},
		"O5 errors are no evidence": {[]answer{{0, "", failed}, {time.Hour, "", failed},
			{time.Hour, "", failed}}, false, minUnasked},
		"O5 nor the second one": {[]answer{{0, "wildcard", nil}, {time.Hour, "", failed}}, false,
			minUnasked * 9 / 10},
		"O5 they take no evidence away": {[]answer{{0, "wildcard", nil}, {time.Minute, "wildcard", nil},
			{time.Hour, "", failed}}, true, minUnasked * 9 / 10},
		"O5 it is over": {[]answer{{0, "wildcard", nil}, {time.Minute, "wildcard", nil},
			{time.Hour, "", nil}}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var e evidence
			now := time.Now()
			var again time.Time
			for _, a := range test.answers {
				now = now.Add(a.after)
				again = e.update(now, a.problem, a.err)
			}
			if e.proven != test.proven || again.IsZero() != (test.again == 0) ||
				!again.IsZero() && again.Sub(now) < test.again*8/10 {
				t.Errorf("proven %t, again in %s", e.proven, again.Sub(now))
			}
		})
	}
}

// problems are those of the status with the reason.
func (w *world) problems(reason federation.Reason) (details []string) {
	for _, p := range w.status().Problems {
		if p.Reason == string(reason) {
			details = append(details, p.Detail)
		}
	}
	return details
}

func TestServed(t *testing.T) {
	const suffix federation.FQDN = "fed.svc.east.example.com."
	ns := federation.RRset{Name: suffix, Type: "NS", TTL: 60, Data: []string{"ns.example.net."}}
	for name, set := range map[string]federation.RRset{
		"a delegation": ns,
		"a delegation further up": {Name: "east.example.com.", Type: "NS", TTL: 60,
			Data: []string{"ns.example.net."}},
		"a wildcard of the type A":     {Name: "*." + suffix, Type: "A", TTL: 60, Data: []string{"192.0.2.1"}},
		"a wildcard of the type CNAME": {Name: "*." + suffix, Type: "CNAME", TTL: 60, Data: []string{"x.example.net."}},
	} {
		for _, when := range []string{"from the start", "while it runs"} {
			bubble(t, "O5 a level with "+name+" "+when+" is left alone, "+
				"and taken back when that is gone", func(t *testing.T) {
				w := three(t)
				if when == "from the start" {
					w.provider.Put(set)
				}
				w.start()
				w.after(30 * time.Second)
				w.wantAt("web.shop.fed.svc.east.example.com.", "203.0.113.1") // once is no evidence
				if when != "from the start" {
					w.provider.Put(set)
				}
				w.after(15 * time.Minute)
				if got := w.foreignLevels(); !slices.Equal(got, []federation.FQDN{"east.example.com."}) {
					t.Fatalf("left alone: %v\n%s", got, w.log)
				}
				if got := w.problems(federation.ReasonNotServed); len(got) != 1 ||
					!strings.Contains(got[0], string(suffix)) {
					t.Errorf("problems %q", got)
				}
				w.logged("level is not served as it is written, nothing more is written there")
				w.set("a", web, false)
				w.after(time.Minute)
				w.wantAt("web.shop.fed.svc.east.example.com.", "203.0.113.1")                     // it stays as it is
				w.wantAt("web.shop.fed.svc.east-1.example.com.", "web.shop.fed.svc.example.com.") // past it (P2a)
				w.after(30 * time.Minute)                                                         // audits
				if got := w.gathered()["audit_drift_total"]; got != "" {
					t.Errorf("drift %s\n%s", got, w.log)
				}
				w.provider.Remove(set.Name, set.Type)
				w.after(3 * time.Minute)
				if got := w.foreignLevels(); len(got) > 0 {
					t.Errorf("left alone: %v", got)
				}
				w.want(withoutA...)
				w.neverEmpty()
			})
		}
	}
	bubble(t, "O5 what is wrong for less than a minute is nothing", func(t *testing.T) {
		w := three(t)
		w.provider.Put(ns)
		w.start()
		w.after(30 * time.Second)
		w.provider.Remove(ns.Name, ns.Type)
		w.after(time.Hour)
		if got := w.foreignLevels(); len(got) > 0 || strings.Contains(w.log.String(), "not served") {
			t.Errorf("left alone: %v\n%s", got, w.log)
		}
	})
	for _, kind := range inmem.Kinds() {
		bubble(t, "O5 a level that cannot be asked for, "+kind.Name+", is written like all others", func(t *testing.T) {
			w := three(t)
			w.provider.Put(ns)
			w.provider.SetFaults(inmem.Faults{Fail: inmem.FailNames(kind, inmem.Serves, suffix)})
			w.start()
			w.after(2 * time.Hour)
			w.set("a", web, false)
			w.after(time.Minute)
			if got := w.foreignLevels(); len(got) > 0 {
				t.Errorf("left alone: %v", got)
			}
			w.wantAt("web.shop.fed.svc.east.example.com.", global)
		})
	}
	bubble(t, "O5 a level stays so when the main claim is made again", func(t *testing.T) {
		w := three(t)
		w.provider.Put(ns)
		w.start()
		w.after(5 * time.Minute)
		w.provider.Remove(mainClaim, "TXT")
		w.set("a", web, false)
		w.after(30 * time.Second)
		if w.claim().Generation < 2 {
			t.Errorf("the claim is %+v", w.claim())
		}
		w.wantAt("web.shop.fed.svc.east.example.com.", "203.0.113.1")
		if got := w.foreignLevels(); len(got) != 1 {
			t.Errorf("left alone: %v", got)
		}
	})
	bubble(t, "O5 a wildcard at the domain is a problem of no level, said once", func(t *testing.T) {
		w := three(t)
		w.provider.Put(federation.RRset{Name: "*.example.com.", Type: "A", TTL: 60, Data: []string{"192.0.2.1"}})
		w.start()
		w.after(time.Hour)
		if got := w.problems(federation.ReasonNotServed); len(got) != 1 || len(w.foreignLevels()) > 0 {
			t.Errorf("problems %q, left alone %v", got, w.foreignLevels())
		}
		if n := strings.Count(w.log.String(), "names of the domain are not served as they are written"); n != 1 {
			t.Errorf("said %d times", n)
		}
		w.provider.Remove("*.example.com.", "A")
		w.after(15 * time.Minute)
		if got := w.problems(federation.ReasonNotServed); len(got) > 0 {
			t.Errorf("problems %q", got)
		}
	})
}
