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

// lookupKey is all that the answer of a lookup depends on, unless it also depends on the client (lookups.perClient).
type lookupKey struct {
	server   any // whose server blocks are asked; one block may be at several
	name     string
	qtype    uint16
	do, cd   bool
	tcp, ip6 bool // how the client asks: what fits, and whether dns64 has work
	depth    int  // lookupDepth: a lookup must not wait for itself
}

// lookups are those in flight. Equal ones are one (Q8a).
type lookups struct {
	upstream lookuper
	// perClient is set if answers may depend on the client: then nothing is shared or kept (Q8c).
	perClient bool

	mu            sync.Mutex
	running       map[lookupKey]*lookup
	slots         int // in use
	slotsByClient map[string]int
}

// lookup is one in flight. Its result is set once done is closed, and not changed after that: it has many readers.
type lookup struct {
	done chan struct{}
	msg  *dns.Msg
	err  error
}

func newLookups(u lookuper) *lookups {
	return &lookups{upstream: u, running: map[lookupKey]*lookup{}, slotsByClient: map[string]int{}}
}

// start returns the lookup in flight for the key, or runs ask as a new one, which holds a slot until it returns,
// whether or not anybody still waits for it. It returns nil if the client may not have another slot.
//
// A client address may hold as many slots as are free. So one that asks for a thousand names stops at half of them, a
// second such client at a third, and there is always room for others.
func (l *lookups) start(key lookupKey, client string, ask func() (*dns.Msg, error)) *lookup {
	l.mu.Lock()
	defer l.mu.Unlock()
	if lk := l.running[key]; lk != nil {
		return lk
	}
	if l.slotsByClient[client] >= maxLookups-l.slots {
		return nil
	}
	l.slots++
	l.slotsByClient[client]++
	lk := &lookup{done: make(chan struct{})}
	if !l.perClient {
		l.running[key] = lk
	}
	go func() {
		lk.msg, lk.err = ask()
		l.end(key, client)
		close(lk.done)
	}()
	return lk
}

func (l *lookups) end(key lookupKey, client string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.perClient {
		delete(l.running, key)
	}
	l.slots--
	if l.slotsByClient[client]--; l.slotsByClient[client] == 0 {
		delete(l.slotsByClient, client)
	}
}

// negatives are chains without data, kept for a moment, as the cache plugin does not cache a CNAME with NXDOMAIN (Q8c).
// It is safe for concurrent use.
type negatives struct {
	mu   sync.Mutex
	kept map[lookupKey]negative
}

type negative struct {
	until time.Time
	chain *chain
}

func newNegatives() *negatives { return &negatives{kept: map[lookupKey]negative{}} }

// get returns the chain that is kept, or nil.
func (n *negatives) get(key lookupKey, now time.Time) *chain {
	n.mu.Lock()
	defer n.mu.Unlock()
	if kept, ok := n.kept[key]; ok && now.Before(kept.until) {
		return kept.chain
	}
	return nil
}

// add keeps the chain, in place of any other one if there is no room.
func (n *negatives) add(key lookupKey, c *chain, until time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.kept[key]; !ok && len(n.kept) >= maxNegatives {
		for other := range n.kept {
			delete(n.kept, other)
			break
		}
	}
	n.kept[key] = negative{until: until, chain: c}
}

// recheckAfter is how long after a failure of the upstream it is not waited for again (RFC 8767, section 5).
const recheckAfter = 30 * time.Second

// failures are what the upstream has lately failed to answer. It is safe for concurrent use.
type failures struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func newFailures() *failures { return &failures{until: map[string]time.Time{}} }

// recent reports whether there was a failure less than recheckAfter ago.
func (f *failures) recent(key string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return now.Before(f.until[key])
}

// add remembers a failure, in place of any other one if there is no room.
func (f *failures) add(key string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.until[key]; !ok && len(f.until) >= maxNegatives {
		for other := range f.until {
			delete(f.until, other)
			break
		}
	}
	f.until[key] = now.Add(recheckAfter)
}

func (f *failures) forget(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.until, key)
}
