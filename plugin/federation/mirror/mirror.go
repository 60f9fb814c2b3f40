package mirror

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	core "github.com/federation-dns/federation/federation"
	form "github.com/federation-dns/federation/federation/mirror"
)

// Mirror is a federation's mirror. Questions read it while it changes.
type Mirror struct {
	id   form.Identity
	view atomic.Pointer[view]

	mu    sync.Mutex // of what follows, which no question needs
	state *state
}

// New returns the mirror of a federation, of which nothing is known until a Reader has read it.
func New(f core.Federation) *Mirror {
	m := &Mirror{id: form.IdentityOf(f), state: newState(f)}
	m.show()
	return m
}

// Find looks for a service, whose key is "S.N", for nodes of a place. It does not wait, and does not allocate.
func (m *Mirror) Find(now time.Time, key string, name core.ServiceName, place core.Topology) Found {
	return m.view.Load().find(now, key, name, place)
}

// Standing is what can be said of a mirror as a whole.
type Standing struct {
	Known bool // there is a heartbeat
	// Fresh reports that it vouches for all buckets.
	Fresh bool
	// Age is the time since the heartbeat was seen to change, or negative if that was never seen.
	Age      time.Duration
	Services int
}

// Standing returns how the mirror stands.
func (m *Mirror) Standing(now time.Time) Standing {
	v := m.view.Load()
	s := Standing{Known: v.heartbeat != nil, Fresh: len(v.buckets) > 0, Age: -1}
	if !v.pulse.renewed.IsZero() {
		s.Age = now.Sub(v.pulse.renewed)
	}
	for i := range v.buckets {
		b := &v.buckets[i]
		s.Fresh = s.Fresh && v.fresh(b, now)
		if b.last != nil {
			s.Services += len(b.last.services)
		}
	}
	return s
}

// owns reports whether a ConfigMap with the name is of the mirror.
func (m *Mirror) owns(name string) bool {
	after, ok := strings.CutPrefix(name, m.id.HeartbeatName())
	return ok && (after == "" || after[0] == '.')
}

// List takes the mirror's ConfigMaps at a time, by name: these are all. An error says what of them is not used.
func (m *Mirror) List(now time.Time, objects map[string]map[string]string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.show()
	return m.state.list(now, objects)
}

// Change takes the data of one of the mirror's ConfigMaps that was seen to change, or nil if it was seen to be deleted.
// An error says why it is not used.
func (m *Mirror) Change(now time.Time, name string, data map[string]string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.show()
	return m.state.change(now, name, data)
}

// show lets the questions see the state.
func (m *Mirror) show() { m.view.Store(m.state.view()) }

// takeOver makes the mirror what another one of the same federation is.
func (m *Mirror) takeOver(other *Mirror) {
	other.mu.Lock()
	s := other.state.clone()
	other.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = s
	m.show()
}
