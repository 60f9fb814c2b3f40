package batch_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/internal/batch"
)

func TestSplit(t *testing.T) {
	t.Run("X5b the claim counts in each request", func(t *testing.T) {
		s := claimed(100)
		for i, err := range batch.Apply(t.Context(), s, zone, &claim, many(197)) {
			if err != nil {
				t.Errorf("change %d: %v", i, err)
			}
		}
		if want := []int{98, 98, 1}; !slices.Equal(s.sent, want) || len(s.reads) > 0 {
			t.Errorf("requests of %v changes and %d reads, want %v and none", s.sent, len(s.reads), want)
		}
	})
	t.Run("X5b what goes counts too", func(t *testing.T) {
		s := newServer(10)
		var changes []plan.Change
		for i := range 4 {
			n := name("s%d", i)
			s.names[n] = address(n, 1, 2)
			changes = append(changes, plan.Change{Name: n, From: address(n, 1, 2), To: address(n, 1, 2, 3)})
		}
		batch.Apply(t.Context(), s, zone, nil, changes)
		if want := []int{2, 2}; !slices.Equal(s.sent, want) {
			t.Errorf("requests of %v changes, want %v", s.sent, want)
		}
	})
	t.Run("X5a a change that is too heavy costs only itself", func(t *testing.T) {
		s := claimed(10)
		n := name("heavy")
		errs := batch.Apply(t.Context(), s, zone, &claim, []plan.Change{
			create(name("a")), {Name: n, To: address(n, 1, 2, 3, 4, 5, 6, 7, 8, 9)}, create(name("b")),
		})
		fails(t, errs[0], nil)
		fails(t, errs[1], provider.ErrRefused)
		fails(t, errs[2], nil)
		if want := []int{2}; !slices.Equal(s.sent, want) {
			t.Errorf("requests of %v changes, want %v", s.sent, want)
		}
	})
	t.Run("X5b changes of one name come one after the other", func(t *testing.T) {
		s := newServer(100)
		n := name("a")
		errs := batch.Apply(t.Context(), s, zone, nil, []plan.Change{
			create(n), {Name: n, From: address(n, 1), To: address(n, 2)}, create(name("b")),
			{Name: n, From: address(n, 2)},
		})
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
		if want := []int{1, 2, 1}; !slices.Equal(s.sent, want) {
			t.Errorf("requests of %v changes, want %v", s.sent, want)
		}
	})
}

func TestClaim(t *testing.T) {
	next := claim
	next.Data = []string{`"owner=test generation=2"`}
	rewrite := plan.Change{Name: claim.Name, From: []federation.RRset{claim}, To: []federation.RRset{next}}
	t.Run("O3a another claim costs one request and one read", func(t *testing.T) {
		s := newServer(100)
		s.names[claim.Name] = []federation.RRset{next}
		for _, err := range batch.Apply(t.Context(), s, zone, &claim, many(300)) {
			fails(t, err, provider.ErrConflict)
		}
		if len(s.sent) != 1 || len(s.reads) != 1 {
			t.Errorf("%d requests and %d reads", len(s.sent), len(s.reads))
		}
	})
	t.Run("O3b the claim's own change comes alone and without the claim beside it", func(t *testing.T) {
		s := claimed(100)
		errs := batch.Apply(t.Context(), s, zone, &claim, []plan.Change{create(name("a")), rewrite, create(name("b"))})
		fails(t, errs[0], nil)
		fails(t, errs[1], nil)
		fails(t, errs[2], provider.ErrConflict)
		if want := []int{1, 1, 1}; !slices.Equal(s.sent, want) {
			t.Errorf("requests of %v changes, want %v", s.sent, want)
		}
		if want := []bool{true, false, true}; !slices.Equal(s.under, want) {
			t.Errorf("requests under the claim: %v, want %v", s.under, want)
		}
	})
	t.Run("O3a a change of the claim that contradicts it is not sent", func(t *testing.T) {
		s := claimed(100)
		fails(t, batch.Apply(t.Context(), s, zone, &next, []plan.Change{rewrite})[0], provider.ErrConflict)
		if len(s.sent) > 0 {
			t.Errorf("%d requests", len(s.sent))
		}
	})
	t.Run("O3a a change without From and To compares only", func(t *testing.T) {
		s := claimed(100)
		s.names[name("b")] = address(name("b"), 1)
		changes := []plan.Change{{Name: name("a")}, {Name: name("b")}}
		errs := batch.Apply(t.Context(), s, zone, &claim, changes)
		fails(t, errs[0], nil)
		fails(t, errs[1], provider.ErrConflict)
		for _, err := range batch.Apply(t.Context(), s, zone, &next, changes) {
			fails(t, err, provider.ErrConflict)
		}
		if len(s.sent) > 0 {
			t.Errorf("%d requests", len(s.sent))
		}
	})
	t.Run("O2 a claim that is none", func(t *testing.T) {
		s := newServer(100)
		bad := claim
		bad.Type = "A"
		fails(t, batch.Apply(t.Context(), s, zone, &bad, many(1))[0], provider.ErrRefused)
		if len(s.sent) > 0 {
			t.Errorf("%d requests", len(s.sent))
		}
	})
}
