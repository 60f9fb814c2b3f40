package snapshot

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/federation-dns/federation/federation"
)

// maxChanges is how many changes are kept for readers.
const maxChanges = 50

// Change is a change of the records that the provider has made.
type Change struct {
	At      time.Time
	Service federation.ServiceName
	Name    federation.FQDN
	// From and To are what the name had and has; none if it did, or does, not exist. They must not be changed.
	From, To []federation.RRset
	// Latency is the time since the first event that made it necessary; 0 if that is not known.
	Latency time.Duration
}

// changeLog holds the last changes. The zero value is empty.
type changeLog struct {
	mu   sync.Mutex
	last []Change // a ring once it is full
	next int
}

// AddChange notes a change.
func (v *Views) AddChange(c Change) {
	l := &v.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.last) < maxChanges {
		l.last = append(l.last, c)
		return
	}
	l.last[l.next] = c
	l.next = (l.next + 1) % maxChanges
}

// Changes returns the last changes, the newest first.
func (v *Views) Changes() (list []Change) {
	l := &v.log
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.last {
		list = append(list, l.last[(l.next+len(l.last)-1-i)%len(l.last)])
	}
	return list
}

// Describe puts the RRsets of one name into words.
func Describe(sets []federation.RRset) string {
	if len(sets) == 0 {
		return "nothing"
	}
	parts := make([]string, len(sets))
	for i, s := range sets {
		parts[i] = fmt.Sprintf("%s %d %v", s.Type, s.TTL, s.Data)
	}
	return strings.Join(parts, " ")
}
