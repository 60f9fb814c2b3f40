package web

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/snapshot"
)

const (
	// keepFor is how long what was made of a service is kept at least. What time alone changes, the loop publishes, so
	// that this bounds only how long something that it does not tell could be shown.
	keepFor = 10 * time.Second
	// maxKept bounds of how many services something is kept, as that keeps their views.
	maxKept = 1000
)

// memo keeps what the views show of a service until something changes that it was made from: the rule runs once for a
// change, not once for each look at it (W2). Its methods may be called concurrently.
type memo struct {
	mu      sync.Mutex
	grounds map[*snapshot.Views]*ground
	kept    map[memoKey]*kept
}

// memoKey is a service of one run of a loop.
type memoKey struct {
	views *snapshot.Views
	name  federation.ServiceName
}

// ground is what the services of a federation have in common.
type ground struct {
	of *snapshot.Federation
	// version is another one whenever the ground has changed.
	version int
}

// kept is what was made of a service.
type kept struct {
	service *snapshot.Service
	version int // of the ground
	until   time.Time

	row     *serviceRow
	details *details
}

// details are what the view of one service is made from, which is the dearest to make.
type details struct {
	status admin.ServiceStatus
	matrix []row
}

// row returns the row of a service in the list.
func (m *memo) row(f *snapshot.Federation, s *snapshot.Service) serviceRow {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.of(f, s)
	if k.row == nil {
		row := rowOf(f, s)
		k.row = &row
	}
	return *k.row
}

// details returns the details of a service, which must not be changed.
func (m *memo) details(f *snapshot.Federation, s *snapshot.Service) *details {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.of(f, s)
	if k.details == nil {
		status := f.Service(time.Now(), s)
		k.details = &details{status, matrix(f, status)}
	}
	return k.details
}

// of returns what is kept of a service, or an empty one that is kept from now on.
func (m *memo) of(f *snapshot.Federation, s *snapshot.Service) *kept {
	if m.kept == nil || len(m.kept) >= maxKept {
		m.grounds, m.kept = map[*snapshot.Views]*ground{}, map[memoKey]*kept{}
	}
	g := m.grounds[f.Views]
	if g == nil {
		g = &ground{of: f}
		m.grounds[f.Views] = g
	}
	if !f.SameGround(g.of) {
		g.version++
	}
	g.of = f
	key, now := memoKey{f.Views, s.Name}, time.Now()
	k := m.kept[key]
	if k == nil || k.service != s || k.version != g.version || now.After(k.until) {
		// Not all at the same moment, so that they are not made anew at one.
		k = &kept{service: s, version: g.version, until: now.Add(keepFor + rand.N(keepFor))}
		m.kept[key] = k
	}
	return k
}

// clear forgets everything: nobody looks.
func (m *memo) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.grounds, m.kept = nil, nil
}
