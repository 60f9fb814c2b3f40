package rfc2136

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// section prints the records of a message's section, sorted: "A" is the data of class IN, "A is there" and the like
// what has no data (RFC 2136, section 2.4 and 2.5).
func section(rrs []dns.RR, any, none string) []string {
	var out []string
	for _, rr := range rrs {
		h := rr.Header()
		text := dns.TypeToString[h.Rrtype]
		switch h.Class {
		case dns.ClassANY:
			text += " " + any
		case dns.ClassNONE:
			text += " " + none
		default:
			text += " " + strings.TrimPrefix(rr.String(), h.String())
		}
		if h.Ttl != 0 {
			text = fmt.Sprint(h.Ttl, " ", text)
		}
		out = append(out, text)
	}
	return out
}

// sent applies the change at a server that says yes to everything, and returns what its updates demand and do, in
// order.
func sent(t *testing.T, c plan.Change) (demands, does [][]string) {
	t.Helper()
	f := startFake(t, func(r *fakeReply) {
		if r.isUpdate() {
			r.send(dns.RcodeSuccess)
			return
		}
		r.send(dns.RcodeSuccess, rr(t, string(c.Name)+" 180 IN CNAME nginx.example.org."))
	})
	if err := apply(t, f.provider(t, nil), c)[0]; err != nil {
		t.Fatal(err)
	}
	for _, m := range f.requests() {
		if m.Opcode == dns.OpcodeUpdate {
			demands = append(demands, section(m.Answer, "exists", "does not exist"))
			does = append(does, section(m.Ns, "delete", "delete this"))
		}
	}
	return demands, does
}

var (
	twoA   = rrset("nginx", "A", "192.0.2.1", "192.0.2.2")
	aaaa   = rrset("nginx", "AAAA", "2001:db8::1")
	cname  = rrset("nginx", "CNAME", "nginx.example.org.")
	claim1 = rrset("_claim", "TXT", `"owner=test" "generation=1"`)
	claim2 = rrset("_claim", "TXT", `"owner=test" "generation=2"`)
)

// states are what a name of ours can have, but for claims.
var states = map[string][]federation.RRset{
	"nothing":    nil,
	"A":          {twoA},
	"AAAA":       {aaaa},
	"A and AAAA": {twoA, aaaa},
	"CNAME":      {cname},
}

func TestPrerequisites(t *testing.T) {
	full := map[string][]string{
		"A":     {"A 192.0.2.1", "A 192.0.2.2"},
		"AAAA":  {"AAAA 2001:db8::1"},
		"CNAME": {"CNAME nginx.example.org."},
	}
	for before, from := range states {
		for after, to := range states {
			if len(from)+len(to) == 0 {
				continue
			}
			t.Run("P6r prerequisites carry each type, from "+before+" to "+after, func(t *testing.T) {
				demands, _ := sent(t, plan.Change{Name: fqdn("nginx"), From: from, To: to})
				var want []string
				for _, typ := range []string{"A", "AAAA", "CNAME"} {
					if provider.Find(from, typ) == nil {
						want = append(want, typ+" does not exist")
						continue
					}
					want = append(want, full[typ]...)
				}
				if diff := cmp.Diff([][]string{want}, demands); diff != "" {
					t.Errorf("prerequisites of the updates (-want +got):\n%s", diff)
				}
			})
		}
	}
	t.Run("P6r prerequisites do not see TTLs", func(t *testing.T) {
		other := twoA
		other.TTL = 30
		first, _ := sent(t, plan.Change{Name: fqdn("nginx"), From: []federation.RRset{twoA}})
		second, _ := sent(t, plan.Change{Name: fqdn("nginx"), From: []federation.RRset{other}})
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("with TTL 180 and 30 (-first +second):\n%s", diff)
		}
	})
	t.Run("O2 a foreign TXT RRset is not asked for", func(t *testing.T) {
		demands, does := sent(t, creation("nginx", "A", "192.0.2.1"))
		if text := fmt.Sprint(demands, does); strings.Contains(text, "TXT") {
			t.Errorf("the update is %s", text)
		}
	})
	t.Run("O1a a claim is created only where there is no TXT", func(t *testing.T) {
		demands, does := sent(t, plan.Change{Name: claim1.Name, To: []federation.RRset{claim1}})
		want := [][]string{{"A does not exist", "AAAA does not exist", "CNAME does not exist", "TXT does not exist"}}
		if diff := cmp.Diff(want, demands); diff != "" {
			t.Errorf("prerequisites (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([][]string{{`180 TXT "owner=test" "generation=1"`}}, does); diff != "" {
			t.Errorf("updates (-want +got):\n%s", diff)
		}
	})
	t.Run("O3b a claim is rewritten only where the old one is", func(t *testing.T) {
		demands, _ := sent(t, plan.Change{Name: claim1.Name, From: []federation.RRset{claim1},
			To: []federation.RRset{claim2}})
		want := [][]string{{"A does not exist", "AAAA does not exist", "CNAME does not exist",
			`TXT "owner=test" "generation=1"`}}
		if diff := cmp.Diff(want, demands); diff != "" {
			t.Errorf("prerequisites (-want +got):\n%s", diff)
		}
	})
	t.Run("O3a every message of a batch asserts the claim", func(t *testing.T) {
		f := startFake(t, func(r *fakeReply) { r.send(dns.RcodeSuccess) })
		p := f.provider(t, func(c *Config) { c.MaxBatch = 1 })
		p.Apply(t.Context(), &claim1, []plan.Change{creation("a", "A", "192.0.2.1"), creation("b", "A", "192.0.2.1")})
		for i, m := range f.requests() {
			if got := section(m.Answer, "", ""); !slices.Contains(got, `TXT "owner=test" "generation=1"`) {
				t.Errorf("message %d demands %q", i, got)
			}
		}
	})
}

func TestUpdates(t *testing.T) {
	for before, from := range states {
		for after, to := range states {
			if before == after || len(from) == 0 {
				continue
			}
			t.Run("P6 one message deletes and adds, from "+before+" to "+after, func(t *testing.T) {
				_, does := sent(t, plan.Change{Name: fqdn("nginx"), From: from, To: to})
				if len(does) != 1 {
					t.Fatalf("%d messages: %q", len(does), does)
				}
				for _, set := range from {
					gone := set.Type + " delete"
					if kept := provider.Find(to, set.Type); (kept == nil) != slices.Contains(does[0], gone) {
						t.Errorf("the message does %q; deletion of %s: want %t", does[0], set.Type, kept == nil)
					}
				}
				for _, set := range to {
					added := slices.ContainsFunc(does[0],
						func(s string) bool { return strings.HasPrefix(s, "180 "+set.Type+" ") })
					if kept := provider.Find(from, set.Type); (kept == nil) != added {
						t.Errorf("the message does %q; addition of %s: want %t", does[0], set.Type, kept == nil)
					}
				}
			})
		}
	}
	t.Run("P6r a switch to CNAME deletes, adds and puts back, in this order", func(t *testing.T) {
		_, does := sent(t, plan.Change{Name: fqdn("nginx"), From: []federation.RRset{twoA, aaaa},
			To: []federation.RRset{cname}})
		want := [][]string{{
			"A delete", "AAAA delete", "180 CNAME nginx.example.org.",
			"180 A 192.0.2.1", "180 A 192.0.2.2", "180 AAAA 2001:db8::1",
		}}
		if diff := cmp.Diff(want, does); diff != "" {
			t.Errorf("updates (-want +got):\n%s", diff)
		}
	})
	t.Run("P5 another TTL replaces the RRset whole", func(t *testing.T) {
		next := twoA
		next.TTL = 60
		_, does := sent(t, plan.Change{Name: fqdn("nginx"), From: []federation.RRset{twoA},
			To: []federation.RRset{next}})
		want := [][]string{{"A delete", "60 A 192.0.2.1", "60 A 192.0.2.2"}}
		if diff := cmp.Diff(want, does); diff != "" {
			t.Errorf("updates (-want +got):\n%s", diff)
		}
	})
	t.Run("O2 deletions are of A, AAAA, CNAME and the claim's TXT only", func(t *testing.T) {
		for _, from := range append(slices.Collect(maps.Values(states)), []federation.RRset{claim1}) {
			if len(from) == 0 {
				continue
			}
			_, does := sent(t, plan.Change{Name: from[0].Name, From: from})
			var want []string
			for _, set := range from {
				want = append(want, set.Type+" delete")
			}
			if diff := cmp.Diff([][]string{want}, does); diff != "" {
				t.Errorf("updates (-want +got):\n%s", diff)
			}
		}
	})
}

func TestCaps(t *testing.T) {
	caps := startFake(t, func(*fakeReply) {}).provider(t, nil).Caps()
	t.Run("P6r prerequisites do not see TTLs, and Caps says so", func(t *testing.T) {
		if caps.CompareTTL {
			t.Error("Caps denies it")
		}
	})
}

func TestLimits(t *testing.T) {
	t.Run("N6 a label too long costs only its change", func(t *testing.T) {
		f := startFake(t, func(r *fakeReply) { r.send(dns.RcodeSuccess) })
		errs := apply(t, f.provider(t, nil), creation(strings.Repeat("x", 64), "A", "192.0.2.1"),
			creation("nginx", "A", "192.0.2.1"))
		if !errors.Is(errs[0], provider.ErrRefused) || errs[1] != nil {
			t.Errorf("errors are %v", errs)
		}
	})
}
