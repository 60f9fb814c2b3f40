package cloudtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/test/fakecloud"
)

// Most is how many requests something may take, at the size of docs/providers.md and at a tenth of it.
type Most struct{ Tenth, Full int }

// Figures tests what docs/providers.md says of requests and octets, and logs them. start and list are what the start of
// the syncer and a list of all RRsets of ours may take.
func (v Service) Figures(t *testing.T, full bool, start, list Most) {
	s, p := v.Claimed(t, nil)
	s.Observe(nil) // what is sent is checked by the other tests
	others, count, bad := 10_000, 1000, 678
	if full {
		others, count, bad = 100_000, 10_000, 6789
	}
	v.PutForeign(t, s, others)
	one, all := Create(1)[0], Create(count)
	alias := []federation.RRset{Set(one.Name, "CNAME", string("nginx."+Subtree))}
	apply := func(changes ...plan.Change) func() { return func() { Must(t, p, &Claim, changes...) } }
	for _, tt := range []struct {
		name string
		run  func()
		most Most
	}{
		{"O3a one change: creation of A and AAAA", apply(one), Most{1, 1}},
		{"P6 one change: switch to CNAME", apply(plan.Change{Name: one.Name, From: one.To, To: alias}), Most{1, 1}},
		{"O3a one change: deletion", apply(plan.Change{Name: one.Name, From: alias}), Most{1, 1}},
		{"X6 start against foreign RRsets, 5 levels", func() { v.startUp(t, s) }, start},
		{"X5b many changes: creation", apply(all...), Most{3, 21}},
		{"X6 list of all RRsets of ours", func() { List(t, p, Subtree) }, list},
		{"X5b many changes: deletion", apply(Undo(all)...), Most{3, 21}},
		{"X5a many changes with one refused", func() { v.oneRefused(t, s, p, count, bad) }, Most{30, 49}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.Reset()
			begin := time.Now()
			tt.run()
			took := time.Since(begin)
			requests := s.Requests()
			most := tt.most.Tenth
			if full {
				most = tt.most.Full
			}
			if len(requests) > most {
				t.Errorf("%d requests, want at most %d", len(requests), most)
			}
			t.Log(tt.name+":", figures(requests), took.Round(time.Millisecond))
		})
	}
}

// startUp reads what the syncer does at its start.
func (v Service) startUp(t *testing.T, s *fakecloud.Server) {
	p := v.Connect(t, s, nil)
	if _, err := p.NegativeTTL(t.Context()); err != nil {
		t.Error(err)
	}
	if p.Caps().ListsWholeZone {
		List(t, p, Domain)
		return
	}
	for _, level := range []string{"", "us-central1.", "us-central1-a.", "europe-west1.", "europe-west1-b."} {
		List(t, p, federation.FQDN("fed.svc."+level)+Domain)
	}
}

// figures adds the requests up. Octets are those of bodies.
func figures(requests []fakecloud.Request) string {
	sent, received := 0, 0
	for _, r := range requests {
		sent, received = sent+r.Octets, received+r.Replied
	}
	return fmt.Sprintf("%d requests, %d octets sent, %d received, %.1f s at 5 requests per second,",
		len(requests), sent, received, float64(max(0, len(requests)-5))/5)
}
