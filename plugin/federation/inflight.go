package federation

import (
	"context"
	"sync"
	"time"

	"github.com/coredns/coredns/request"

	"github.com/miekg/dns"
)

// lookuper resolves a name through CoreDNS itself. *upstream.Upstream is one.
type lookuper interface {
	Lookup(ctx context.Context, state request.Request, name string, typ uint16) (*dns.Msg, error)
}

// lookupKey is all that the answer of a lookup depends on, unless it depends on
// who asks, too (lookups.alone).
type lookupKey struct {
	server   any // whose server blocks are asked; one block may be at several
	name     string
	qtype    uint16
	do, cd   bool
	tcp, ip6 bool // how the client asks: what fits, and whether dns64 has work
	depth    int  // reentrances: a lookup must not wait for itself
}

// lookups are those that run now. Equal ones are one (Q8a).
type lookups struct {
	upstream lookuper
	// alone says that the answers may depend on who asks: nothing is shared then,
	// and nothing kept (Q8c).
	alone bool

	mu      sync.Mutex
	running map[lookupKey]*lookup
	slots   int            // in use
	held    map[string]int // slots by client address
}

// lookup is one that runs. Its result is read once done is closed, and not
// changed, as many may read it.
type lookup struct {
	done chan struct{}
	msg  *dns.Msg
	err  error
}

func newLookups(u lookuper) *lookups {
	return &lookups{upstream: u, running: map[lookupKey]*lookup{}, held: map[string]int{}}
}

// start returns the running lookup for the key, or runs ask as a new one, which
// holds a slot until it returns, whether or not anybody still waits for it. It
// returns nil if the client may not have another slot.
//
// A client address may hold as many slots as are free. So one that asks for a
// thousand names stops at half of them, a second such one at a third, and there
// is always room for others.
func (l *lookups) start(key lookupKey, client string, ask func() (*dns.Msg, error)) *lookup {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := l.running[key]; at != nil {
		return at
	}
	if l.held[client] >= maxLookups-l.slots {
		return nil
	}
	l.slots++
	l.held[client]++
	at := &lookup{done: make(chan struct{})}
	if !l.alone {
		l.running[key] = at
	}
	go func() {
		at.msg, at.err = ask()
		l.end(key, client)
		close(at.done)
	}()
	return at
}

func (l *lookups) end(key lookupKey, client string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.alone {
		delete(l.running, key)
	}
	l.slots--
	if l.held[client]--; l.held[client] == 0 {
		delete(l.held, client)
	}
}

// negatives are answers without data, each kept for a moment, as the cache
// plugin keeps no CNAME with NXDOMAIN (Q8c). It may be used by many at once.
type negatives struct {
	mu   sync.Mutex
	size int
	kept map[lookupKey]negative
}

type negative struct {
	until time.Time
	found *found
}

func newNegatives(size int) *negatives {
	return &negatives{size: size, kept: map[lookupKey]negative{}}
}

// get returns the answer that is kept, nil if there is none.
func (n *negatives) get(key lookupKey, now time.Time) *found {
	n.mu.Lock()
	defer n.mu.Unlock()
	if kept, ok := n.kept[key]; ok && now.Before(kept.until) {
		return kept.found
	}
	return nil
}

// add keeps the answer, instead of any other one if there is no room.
func (n *negatives) add(key lookupKey, f *found, until time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.kept[key]; !ok && len(n.kept) >= n.size {
		for other := range n.kept {
			delete(n.kept, other)
			break
		}
	}
	n.kept[key] = negative{until: until, found: f}
}
