// Package webtest is a syncer as the page sees it, for tests: a federation of four members in two regions, whose
// services are published by the rule.
package webtest

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/snapshot"
)

// World implements web.Syncer. Its methods may be called concurrently, but for those that publish.
type World struct {
	mu      sync.Mutex
	leader  string
	current *snapshot.Federation
	views   snapshot.Views
}

var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// New returns a world without services: members a (eu, eu-1), b (eu, eu-2 and eu-3), c (us, us-1) and d (no place).
func New() *World {
	f := config.Federation{Federation: federation.Federation{
		Name: "fed", Domain: "example.com.", Naming: federation.Flat,
	}}
	w := &World{}
	w.current = &snapshot.Federation{Views: &w.views, Config: f, Claim: snapshot.Claim{Held: true}}
	for i, place := range []federation.Member{
		{Name: "a", Region: "eu", Zones: []federation.Label{"eu-1"}},
		{Name: "b", Region: "eu", Zones: []federation.Label{"eu-2", "eu-3"}},
		{Name: "c", Region: "us", Zones: []federation.Label{"us-1"}},
		{Name: "d"},
	} {
		w.current.Members = append(w.current.Members, &snapshot.Member{
			Name: place.Name, Topology: place, Version: "v1.37.2", Shards: 1, Healthy: 1,
			Reach: policy.Reach{
				Standing: policy.Present, Since: began.Add(time.Duration(i) * time.Minute), Observed: true,
			},
		})
	}
	var places []federation.Member
	for _, m := range w.current.Members {
		places = append(places, m.Topology)
	}
	w.current.Levels = federation.NewLevels(f.Federation, places, f.Options)
	w.views.Set(w.current)
	return w
}

// Snapshots implements web.Syncer.
func (w *World) Snapshots() []*snapshot.Federation {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.leader != "" {
		return nil
	}
	return []*snapshot.Federation{w.current}
}

// Leader implements web.Syncer.
func (w *World) Leader() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.leader
}

// StandBy has another replica write.
func (w *World) StandBy(leader string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leader = leader
}

// Change publishes a copy of the snapshot that do has changed.
func (w *World) Change(do func(f *snapshot.Federation)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := *w.current
	next.Members = slices.Clone(next.Members)
	do(&next)
	w.current = &next
	w.views.Set(w.current)
}

// Serve publishes a service with a shard in each of these members; those in ill are not healthy.
func (w *World) Serve(namespace, name string, members, ill string) {
	s := &snapshot.Service{Name: federation.ServiceName{Namespace: namespace, Name: name}}
	var shards []federation.Shard
	for _, m := range members {
		sh := federation.Shard{
			Member: string(m), Healthy: true,
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{203, 0, 113, byte(m - 'a' + 1)})},
		}
		reason, ready := federation.Reason(""), 3
		if slices.Contains([]rune(ill), m) {
			sh.Healthy, reason, ready = false, federation.ReasonNoReadyEndpoints, 0
		}
		shards = append(shards, sh)
		s.Shards = append(s.Shards, snapshot.Shard{Shard: sh, Listed: true, Reason: reason, Ready: ready})
	}
	s.Records, _ = w.current.Levels.RRsets(s.Name, shards, true)
	old := w.views.Service(s.Name)
	w.views.SetService(s)
	global := w.current.Config.OwnerName(s.Name, "example.com.")
	at := func(s *snapshot.Service) (sets []federation.RRset) {
		for _, set := range s.Records {
			if set.Name == global {
				sets = append(sets, set)
			}
		}
		return sets
	}
	c := snapshot.Change{At: began, Service: s.Name, Name: global, To: at(s), Latency: 21 * time.Millisecond}
	if old != nil {
		c.From = at(old)
	}
	w.views.AddChange(c)
}

// Many publishes n services.
func (w *World) Many(n int) {
	for i := range n {
		w.Serve(fmt.Sprintf("team-%d", i%100), fmt.Sprintf("s-%05d", i), "abcd", "")
	}
}

// Hostile fills every text that comes from a member with markup.
func (w *World) Hostile(text string) {
	w.Change(func(f *snapshot.Federation) {
		changed := *f.Members[0]
		m := &changed
		f.Members[0] = m
		m.Version, m.ProbeErr = text, errors.New(text)
		m.Reach.Standing = policy.Lost
		f.Problems = []federation.Problem{{Member: "a", Reason: federation.ReasonBadLabel, Detail: text}}
		f.Claim.Err = errors.New(text)
	})
}
