package snapshot

import (
	"sync"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/mirror"
)

// Mirror is what the members' mirrors need to know of a federation, beside its services (M).
type Mirror struct {
	// Levels are those of all members, also where the zone has them not.
	Levels *federation.Levels
	// Ready reports that the services' answers are complete: all members have been listed or given up (X1), and nobody
	// has deposed the loop.
	Ready bool
	// Settled reports that every answer is by the levels and members of this snapshot, and At when that was last so: a
	// loop that has stood still since does not vouch for anything (M4).
	Settled bool
	At      time.Time
	// Generation is that of the main claim.
	Generation uint64
	// Unclaimed reports that this run has not had the claim yet, as the provider does not answer. What the mirrors say
	// is then asked for (Views.FoundMirror), and only those that are this syncer's already are kept (M1).
	Unclaimed bool
}

// MirrorState is the state of one member's mirror, for readers.
type MirrorState struct {
	// Fresh reports that the mirror is complete and renewed, and Renewed when that was last so; zero if never.
	Fresh   bool
	Renewed time.Time
	// Services is how many services it has, of them Upstream as too large (M2), in how many Buckets.
	Services, Upstream, Buckets int
	// Bytes is how much was written into it since the start, in how many Writes.
	Bytes, Writes uint64
	// Repaired is how often somebody else had changed or deleted something of it.
	Repaired uint64
	// Reason is why it is not fresh, or not complete; Detail says more, with what to do. Both are empty if it is.
	Reason federation.Reason
	Detail string
}

// maxFeed is how many changes of services are kept for followers.
const maxFeed = 20_000

// feed is the last changes of services, in order. The zero value is empty.
type feed struct {
	mu    sync.Mutex
	names []federation.ServiceName
	first uint64 // the number of names[0]
}

func (f *feed) add(name federation.ServiceName) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.names) >= 2*maxFeed {
		f.names = append([]federation.ServiceName(nil), f.names[maxFeed:]...)
		f.first += maxFeed
	}
	f.names = append(f.names, name)
}

// Since returns the services whose state was published or removed after the position, and the position after them; the
// first position is 0. If that is too long ago, all is true, and any service may have changed.
func (v *Views) Since(position uint64) (names []federation.ServiceName, next uint64, all bool) {
	f := &v.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	next = f.first + uint64(len(f.names))
	if position < f.first {
		return nil, next, true
	}
	return append(names, f.names[position-f.first:]...), next, false
}

// FoundMirror notes what a member's mirror said when it was first read; nil if there is none of this syncer's. Any
// goroutine may call it.
func (v *Views) FoundMirror(member string, c *mirror.Contents) { v.found.Store(member, c) }

// FoundMirrors returns what FoundMirror has noted, by member.
func (v *Views) FoundMirrors() map[string]*mirror.Contents {
	found := map[string]*mirror.Contents{}
	v.found.Range(func(member, c any) bool {
		found[member.(string)] = c.(*mirror.Contents)
		return true
	})
	return found
}

// ForgetFound drops what FoundMirror has noted.
func (v *Views) ForgetFound() { v.found.Clear() }

// SetMirror notes the state of a member's mirror. Any goroutine may call it.
func (v *Views) SetMirror(member string, s MirrorState) { v.mirrors.Store(member, s) }

// ForgetMirror drops the state of a member's mirror.
func (v *Views) ForgetMirror(member string) { v.mirrors.Delete(member) }

// MirrorOf returns the state of a member's mirror; ok is false if it has none.
func (v *Views) MirrorOf(member string) (s MirrorState, ok bool) {
	state, ok := v.mirrors.Load(member)
	if !ok {
		return s, false
	}
	return state.(MirrorState), true
}
