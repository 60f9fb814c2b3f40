package cloudtest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/test/cloudzone"
	"github.com/federation-dns/federation/test/fakecloud"
)

// Changes tests the requests that changes become.
func (v Service) Changes(t *testing.T) {
	n := Name("nginx")
	addresses := []federation.RRset{Set(n, "A", "192.0.2.1", "192.0.2.2"), Set(n, "AAAA", "2001:db8::1")}
	alias := []federation.RRset{Set(n, "CNAME", "nginx.ns.fed.svc.example.com.")}
	t.Run("P6 a switch is one request: the claim, the old RRsets, the new", func(t *testing.T) {
		s, p := v.Claimed(t, nil)
		Must(t, p, &Claim, plan.Change{Name: n, To: addresses})
		s.Reset()
		Must(t, p, &Claim, plan.Change{Name: n, From: addresses, To: alias})
		Must(t, p, &Claim, plan.Change{Name: n, From: alias, To: addresses})
		want := [][]string{v.elements(addresses, alias), v.elements(alias, addresses)}
		var got [][]string
		for _, r := range s.Requests() {
			got = append(got, r.Elements)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
	t.Run("O3a an unchanged RRset of the change is asserted too", func(t *testing.T) {
		s, p := v.Claimed(t, nil)
		Must(t, p, &Claim, plan.Change{Name: n, To: addresses})
		next := []federation.RRset{Set(n, "A", "192.0.2.9"), addresses[1]}
		v.Put(t, s, Set(n, "AAAA", "2001:db8::f"))
		err := p.Apply(t.Context(), &Claim, []plan.Change{{Name: n, From: addresses, To: next}})[0]
		Says(t, err, `"nginx.ns.fed.svc.example.com."`, "A 180 192.0.2.1, 192.0.2.2", "AAAA 180 2001:db8::f")
		Is(t, err, provider.ErrConflict)
		Has(t, p, n, addresses[0], Set(n, "AAAA", "2001:db8::f"))
	})
	t.Run("O3a a TTL of 0 is a TTL", func(t *testing.T) {
		_, p := v.Claimed(t, nil)
		zero := Set(n, "A", "192.0.2.1")
		zero.TTL = 0
		Must(t, p, &Claim, plan.Change{Name: n, To: []federation.RRset{zero}})
		Has(t, p, n, zero)
		Must(t, p, &Claim, plan.Change{Name: n, From: []federation.RRset{zero}})
	})
	t.Run("O3a an address RRset of the other type is left alone", func(t *testing.T) {
		s, p := v.Claimed(t, nil)
		Must(t, p, &Claim, plan.Change{Name: n, To: addresses[:1]})
		foreign := Set(n, "AAAA", "2001:db8::f")
		v.Put(t, s, foreign)
		next := Set(n, "A", "192.0.2.9")
		Must(t, p, &Claim, plan.Change{Name: n, From: addresses[:1], To: []federation.RRset{next}})
		Has(t, p, n, next, foreign)
		Must(t, p, &Claim, plan.Change{Name: n, From: []federation.RRset{next}})
		Has(t, p, n, foreign)
		if !p.Caps().MissesOtherTypes {
			t.Error("Caps does not say so")
		}
	})
	for kind, special := range v.Special {
		t.Run("O3a nothing is made beside an RRset that is special, or in its place: "+kind, func(t *testing.T) {
			v.besideSpecial(t, kind, special)
		})
	}
	t.Run("O3a a change is one request, however large the zone is", func(t *testing.T) {
		s, p := v.Claimed(t, nil)
		v.PutForeign(t, s, 100_000)
		changes := Create(1)
		Must(t, p, &Claim, changes[0])
		Must(t, p, &Claim, Undo(changes)...)
		if diff := cmp.Diff([]string{v.Change, v.Change}, Actions(s)); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
	t.Run("X5a 10,000 names with one refused: one fails, under 50 requests", func(t *testing.T) {
		s, p := v.Claimed(t, nil)
		begin := time.Now()
		v.oneRefused(t, s, p, 10_000, 6789)
		requests := len(s.Requests())
		if requests >= 50 {
			t.Errorf("it took %d requests", requests)
		}
		t.Logf("%d requests, %v", requests, time.Since(begin).Round(time.Millisecond))
	})
	t.Run("X5a a full zone refuses only what does not fit", func(t *testing.T) {
		s, p := v.Claimed(t, nil)
		s.SetLimits(fakecloud.Limits{RRsets: 3 + 20})
		made := 0
		for _, err := range p.Apply(t.Context(), &Claim, Create(50)) {
			if err == nil {
				made++
				continue
			}
			Is(t, err, provider.ErrRefused)
			Says(t, err, v.Full...)
		}
		if made != 10 {
			t.Errorf("%d changes were made, 10 fit", made)
		}
	})
}

// elements of a change request that deletes and adds the RRsets and asserts the claim.
func (v Service) elements(from, to []federation.RRset) (out []string) {
	add := func(verb string, sets ...federation.RRset) {
		for _, set := range sets {
			out = append(out, fmt.Sprintf("%s %s %s", verb, set.Type, set.Name))
		}
	}
	add("DELETE", Claim)
	if v.InOrder {
		add(v.Addition, Claim)
	}
	add("DELETE", from...)
	if !v.InOrder {
		add(v.Addition, Claim)
	}
	add(v.Addition, to...)
	return out
}

// besideSpecial tries to change a name with an RRset that the service does not answer as it is.
func (v Service) besideSpecial(t *testing.T, kind string, special cloudzone.Set) {
	s, p := v.Claimed(t, nil)
	n := Name("special")
	special.Name, special.Type, special.TTL, special.Data = string(n), "A", 60, []string{"192.0.2.99"}
	if err := s.Load(v.Zone, special); err != nil {
		t.Fatal(err)
	}
	before := len(s.RRsets(v.Zone))
	for _, to := range []federation.RRset{Set(n, "A", "192.0.2.1"), Set(n, "CNAME", "nginx.example.org.")} {
		err := p.Apply(t.Context(), &Claim, []plan.Change{{Name: n, To: []federation.RRset{to}}})[0]
		Is(t, err, provider.ErrRefused)
		Says(t, err, "A ("+kind+")", "remove it")
	}
	old := federation.RRset{Name: n, Type: "A", TTL: 60, Data: special.Data}
	err := p.Apply(t.Context(), &Claim, []plan.Change{{Name: n, From: []federation.RRset{old}}})[0]
	Is(t, err, provider.ErrConflict)
	Has(t, p, n)
	if got := List(t, p, Domain); len(got) != 1 {
		t.Errorf("List yields %v", got)
	}
	if got := len(s.RRsets(v.Zone)); got != before {
		t.Errorf("the zone has %d RRsets, want %d", got, before)
	}
}

// oneRefused creates that many names, one of which the service refuses.
func (v Service) oneRefused(t *testing.T, s *fakecloud.Server, p provider.Provider, count, bad int) {
	t.Helper()
	changes := Create(count)
	v.Put(t, s, Set(changes[bad].Name, "MX", "10 mail.example.org."))
	changes[bad].To = []federation.RRset{Set(changes[bad].Name, "CNAME", "nginx.example.org.")}
	before := len(s.RRsets(v.Zone))
	for i, err := range p.Apply(t.Context(), &Claim, changes) {
		if i == bad && !errors.Is(err, provider.ErrRefused) || i != bad && err != nil {
			t.Errorf("change %d: %v", i, err)
		}
	}
	if got, want := len(s.RRsets(v.Zone)), before+2*(count-1); got != want {
		t.Errorf("the zone has %d RRsets, want %d", got, want)
	}
}

// Large is a change of a thousand names with one refused in a real zone, which place writes to as another client would.
// It shows how the account throttles large batches.
func Large(t *testing.T, p provider.Provider, suffix federation.FQDN, place func(federation.RRset)) {
	const bad = 678
	changes := Create(1000)
	for i := range changes {
		n := federation.FQDN(fmt.Sprintf("s%d.%s", i, suffix))
		changes[i].Name, changes[i].To[0].Name, changes[i].To[1].Name = n, n, n
	}
	place(Set(changes[bad].Name, "MX", "10 mail.example.org."))
	changes[bad].To = []federation.RRset{Set(changes[bad].Name, "CNAME", "nginx.example.org.")}
	begin := time.Now()
	errs := p.Apply(t.Context(), nil, changes)
	t.Logf("%d changes took %v", len(changes), time.Since(begin))
	for i, err := range errs {
		if i == bad && !errors.Is(err, provider.ErrRefused) || i != bad && err != nil {
			t.Errorf("change %d: %v", i, err)
		}
	}
	if got := len(List(t, p, suffix)); got != 2*(len(changes)-1) {
		t.Errorf("List yields %d RRsets", got)
	}
	Must(t, p, nil, Undo(slices.Delete(changes, bad, bad+1))...)
}
