package cloudtest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/test/fakecloud"
)

// Lists tests List. Beside that many RRsets of others, the list of 2001 of ours takes so many requests.
func (v Service) Lists(t *testing.T, foreign, requests int) {
	t.Run("X6 the subtree is yielded, in as few requests as can be", func(t *testing.T) {
		s, p := v.Claimed(t, nil)
		v.PutForeign(t, s, foreign)
		v.Put(t, s, Set("x"+Subtree, "A", "192.0.2.1")) // has the same suffix
		changes := Create(1000)
		Must(t, p, &Claim, changes...)
		s.Reset()
		want := []federation.RRset{Claim}
		for _, c := range changes {
			want = append(want, c.To...)
		}
		got := List(t, p, Subtree)
		slices.SortFunc(got, federation.CompareRRsets)
		slices.SortFunc(want, federation.CompareRRsets)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("List (-want +got):\n%s", diff)
		}
		if got := len(s.Requests()); got != requests {
			t.Errorf("it took %d requests, want %d", got, requests)
		}
	})
	t.Run("X6 it is streamed", func(t *testing.T) {
		s, p := v.Claimed(t, nil)
		Must(t, p, &Claim, Create(2000)...)
		s.Reset()
		enough := errors.New("enough")
		count := 0
		err := p.List(t.Context(), Subtree, func(federation.RRset) error {
			if count++; count == 100 {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) || len(s.Requests()) != 1 {
			t.Errorf("%v after %d requests", err, len(s.Requests()))
		}
	})
	t.Run("X5b nothing is yielded or requested after the context has ended", func(t *testing.T) {
		s, p := v.Claimed(t, nil)
		Must(t, p, &Claim, Create(2000)...)
		s.Reset()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		count := 0
		err := p.List(ctx, Subtree, func(federation.RRset) error { count++; cancel(); return nil })
		if !errors.Is(err, context.Canceled) || count != 1 || len(s.Requests()) != 1 {
			t.Errorf("%v after %d RRsets and %d requests", err, count, len(s.Requests()))
		}
	})
	t.Run("X6 a list that ends early is an error", func(t *testing.T) {
		for _, fate := range []fakecloud.Fate{v.Denied, v.Invalid} {
			s, p := v.Claimed(t, nil)
			Must(t, p, &Claim, Create(1000)...)
			calls := 0
			s.SetFaults(fakecloud.Faults{Fate: func(fakecloud.Request) fakecloud.Fate {
				if calls++; calls > 1 {
					return fate
				}
				return fakecloud.Fate{}
			}})
			err := p.List(t.Context(), Subtree, func(federation.RRset) error { return nil })
			Says(t, err, `"fed.svc.example.com."`, fate.Code)
			Is(t, err, provider.ErrRefused)
		}
	})
}
