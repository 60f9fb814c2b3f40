package inmem_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/inmem"
)

const zone = federation.FQDN("example.com.")

func creation(label, data string) plan.Change {
	name := federation.FQDN(label + ".ns.fed.svc." + string(zone))
	return plan.Change{Name: name, To: []federation.RRset{{Name: name, Type: "A", TTL: 180, Data: []string{data}}}}
}

func apply(t *testing.T, p *inmem.Provider, changes ...plan.Change) []error {
	t.Helper()
	return p.Apply(t.Context(), nil, changes)
}

func TestFaults(t *testing.T) {
	a, b := creation("a", "192.0.2.1"), creation("b", "192.0.2.2")
	down := errors.New("down")

	t.Run("Before fails the whole request", func(t *testing.T) {
		p := inmem.New(zone)
		p.SetFaults(inmem.Faults{Before: func(_ context.Context, claim *federation.RRset, changes []plan.Change) error {
			if claim != nil || len(changes) != 2 {
				t.Errorf("Before is called with %v, %v", claim, changes)
			}
			return down
		}})
		for _, err := range apply(t, p, a, b) {
			if !errors.Is(err, down) {
				t.Errorf("error is %v", err)
			}
		}
		if got := p.RRsets(); len(got) > 0 {
			t.Errorf("the zone has %v", got)
		}
	})
	t.Run("Refuse costs one name", func(t *testing.T) {
		p := inmem.New(zone)
		p.SetFaults(inmem.Faults{Refuse: inmem.RefuseName(a.Name)})
		errs := apply(t, p, a, b)
		if !errors.Is(errs[0], provider.ErrRefused) || errs[1] != nil {
			t.Errorf("errors are %v", errs)
		}
		if diff := cmp.Diff(b.To, p.RRsets()); diff != "" {
			t.Errorf("the zone (-want +got):\n%s", diff)
		}
	})
	t.Run("LoseReply makes the change all the same", func(t *testing.T) {
		p := inmem.New(zone)
		p.SetFaults(inmem.Faults{LoseReply: func(c plan.Change) bool { return c.Name == a.Name }})
		errs := apply(t, p, a, b)
		if !errors.Is(errs[0], provider.ErrUnknownOutcome) || errs[1] != nil {
			t.Errorf("errors are %v", errs)
		}
		if diff := cmp.Diff(append(a.To[:1:1], b.To...), p.RRsets()); diff != "" {
			t.Errorf("the zone (-want +got):\n%s", diff)
		}
	})
	t.Run("BeforeRead fails Get, List and SOA", func(t *testing.T) {
		p := inmem.New(zone)
		p.SetFaults(inmem.Faults{BeforeRead: func(context.Context) error { return down }})
		_, getErr := p.Get(t.Context(), a.Name)
		_, soaErr := p.NegativeTTL(t.Context())
		listErr := p.List(t.Context(), zone, func(federation.RRset) error { return nil })
		for _, err := range []error{getErr, soaErr, listErr} {
			if !errors.Is(err, down) {
				t.Errorf("error is %v", err)
			}
		}
	})
	for _, kind := range inmem.Kinds() {
		t.Run("X5a Fail costs one name, "+kind.Name, func(t *testing.T) {
			p := inmem.New(zone)
			p.SetFaults(inmem.Faults{Fail: inmem.FailNames(kind, inmem.Apply|inmem.Reads, a.Name, zone)})
			errs := apply(t, p, a, b)
			_, getErr := p.Get(t.Context(), a.Name)
			_, soaErr := p.NegativeTTL(t.Context())
			_, servesErr := p.Serves(t.Context(), a.Name)
			listErr := p.List(t.Context(), a.Name, func(federation.RRset) error { return nil })
			for _, err := range []error{errs[0], getErr, soaErr, servesErr, listErr} {
				if is := kindOf(err); err == nil || !errors.Is(is, kind.Err) {
					t.Errorf("error is %v, of kind %v", err, is)
				}
			}
			if got, err := p.Get(t.Context(), b.Name); errs[1] != nil || err != nil ||
				!federation.EqualRRsets(got, b.To) {
				t.Errorf("the other name: %v; %v, %v", errs[1], got, err)
			}
			if diff := cmp.Diff(b.To, p.RRsets()); diff != "" {
				t.Errorf("the zone (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("X5a Fail fails the operations that it is for", func(t *testing.T) {
		p := inmem.New(zone)
		p.SetFaults(inmem.Faults{Fail: inmem.FailNames(inmem.Kinds()[0], inmem.Get, a.Name)})
		_, err := p.Get(t.Context(), a.Name)
		if errs := apply(t, p, a); errs[0] != nil || err == nil {
			t.Errorf("Apply: %v, Get: %v", errs, err)
		}
	})
	t.Run("Latency ends with the context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := inmem.New(zone)
			p.SetFaults(inmem.Faults{Latency: time.Hour})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			begin := time.Now()
			err := p.Apply(ctx, nil, []plan.Change{a})[0]
			if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took != time.Minute {
				t.Errorf("error after %v is %v", took, err)
			}
			if got := p.Requests().Apply; got != 0 {
				t.Errorf("%d requests were counted", got)
			}
		})
	})
}

// kindOf returns which of the five kinds the error is of, nil for none.
func kindOf(err error) error {
	for _, kind := range inmem.Kinds() {
		if kind.Err != nil && errors.Is(err, kind.Err) {
			return kind.Err
		}
	}
	return nil
}

func TestReads(t *testing.T) {
	a, b := creation("a", "192.0.2.1"), creation("b", "192.0.2.2")
	get := func(t *testing.T, p *inmem.Provider, c plan.Change) int {
		t.Helper()
		sets, err := p.Get(t.Context(), c.Name)
		if err != nil {
			t.Error(err)
		}
		listed := 0
		if err := p.List(t.Context(), c.Name, func(federation.RRset) error { listed++; return nil }); err != nil ||
			listed != len(sets) {
			t.Errorf("List yields %d, %v, Get returns %v", listed, err, sets)
		}
		return len(sets)
	}
	t.Run("FreezeReads shows old data and compares with new", func(t *testing.T) {
		p := inmem.New(zone)
		apply(t, p, a)
		p.FreezeReads(true)
		errs := apply(t, p, b, plan.Change{Name: a.Name, From: a.To})
		if errs[0] != nil || errs[1] != nil || get(t, p, a) != 1 || get(t, p, b) != 0 {
			t.Errorf("frozen: %v, %d and %d RRsets", errs, get(t, p, a), get(t, p, b))
		}
		p.FreezeReads(false)
		if get(t, p, a) != 0 || get(t, p, b) != 1 {
			t.Errorf("not frozen: %d and %d RRsets", get(t, p, a), get(t, p, b))
		}
	})
	t.Run("Restore brings an earlier zone back", func(t *testing.T) {
		p := inmem.New(zone)
		apply(t, p, a)
		file := p.RRsets()
		apply(t, p, b, plan.Change{Name: a.Name, From: a.To})
		p.Restore(file)
		if diff := cmp.Diff(file, p.RRsets()); diff != "" {
			t.Errorf("the zone (-want +got):\n%s", diff)
		}
		if len(p.History(a.Name)) != 3 {
			t.Errorf("history %v", p.History(a.Name))
		}
	})
}

func TestRecord(t *testing.T) {
	t.Run("History has every state of a name", func(t *testing.T) {
		p := inmem.New(zone)
		a := creation("a", "192.0.2.1")
		alias := []federation.RRset{{Name: a.Name, Type: "CNAME", TTL: 180, Data: []string{"b.example.org."}}}
		changes := []plan.Change{a, {Name: a.Name, From: a.To, To: alias}, {Name: a.Name, From: alias, To: alias},
			{Name: a.Name, From: alias}}
		for _, err := range apply(t, p, changes...) {
			if err != nil {
				t.Error(err)
			}
		}
		if diff := cmp.Diff([][]federation.RRset{a.To, alias, {}}, p.History(a.Name)); diff != "" {
			t.Errorf("history (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]federation.FQDN{a.Name}, p.Names()); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
	})
	t.Run("P6 a switch has no state between", func(t *testing.T) {
		p := inmem.New(zone)
		a := creation("a", "192.0.2.1")
		six := federation.RRset{Name: a.Name, Type: "AAAA", TTL: 180, Data: []string{"2001:db8::1"}}
		both := append(slices.Clone(a.To), six)
		alias := []federation.RRset{{Name: a.Name, Type: "CNAME", TTL: 180, Data: []string{"b.example.org."}}}
		for _, err := range apply(t, p, plan.Change{Name: a.Name, To: both}, plan.Change{Name: a.Name, From: both,
			To: alias}, plan.Change{Name: a.Name, From: alias, To: both}) {
			if err != nil {
				t.Error(err)
			}
		}
		if diff := cmp.Diff([][]federation.RRset{both, alias, both}, p.History(a.Name)); diff != "" {
			t.Errorf("history (-want +got):\n%s", diff)
		}
	})
	t.Run("Requests counts batches", func(t *testing.T) {
		p := inmem.New(zone)
		var changes []plan.Change
		for i := range 1500 {
			changes = append(changes, creation(fmt.Sprintf("s%d", i), "192.0.2.1"))
		}
		apply(t, p, changes...)
		if _, err := p.Get(t.Context(), zone); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(inmem.Requests{Apply: 2, Get: 1, Changes: 1500}, p.Requests()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("Put and Remove are another's changes", func(t *testing.T) {
		p := inmem.New(zone)
		a := creation("a", "192.0.2.1")
		p.Put(a.To[0])
		if err := apply(t, p, a)[0]; !errors.Is(err, provider.ErrConflict) {
			t.Errorf("error is %v", err)
		}
		p.Remove(a.Name, "A")
		if err := apply(t, p, a)[0]; err != nil {
			t.Error(err)
		}
	})
	t.Run("SetSOA is what SOA returns", func(t *testing.T) {
		p := inmem.New(zone)
		p.SetSOA(3600)
		if got, err := p.NegativeTTL(t.Context()); got != 3600 || err != nil {
			t.Errorf("SOA returns %d, %v", got, err)
		}
	})
	for name, set := range map[string]federation.RRset{
		"outside":        {Name: "a.example.org.", Type: "A", Data: []string{"192.0.2.1"}},
		"no data":        {Name: "a.example.com.", Type: "A"},
		"CNAME beside A": {Name: "b.example.com.", Type: "CNAME", Data: []string{"a.example.org."}},
	} {
		t.Run("Put panics: "+name, func(t *testing.T) {
			p := inmem.New(zone)
			p.Put(federation.RRset{Name: "b.example.com.", Type: "A", Data: []string{"192.0.2.1"}})
			defer func() {
				if recover() == nil {
					t.Error("it did not")
				}
			}()
			p.Put(set)
		})
	}
}

func TestConcurrent(t *testing.T) {
	t.Run("O3a of many writers of one name one wins each round", func(t *testing.T) {
		p := inmem.New(zone)
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 16 {
			wg.Go(func() {
				if apply(t, p, creation("a", fmt.Sprintf("192.0.2.%d", i+1)))[0] == nil {
					mu.Lock()
					won++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if won != 1 || len(p.History(creation("a", "").Name)) != 1 {
			t.Errorf("%d writers have won, history %v", won, p.History(creation("a", "").Name))
		}
	})
}
