package inmem

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// Faults are what goes wrong. The zero value is a provider that works. The functions may be called by several
// goroutines at once and may block.
type Faults struct {
	// Before is called for each request of Apply; its error is the error of all changes of the request, and none is
	// made.
	Before func(ctx context.Context, claim *federation.RRset, changes []plan.Change) error
	// Refuse is called for each change; its error is the error of the change, which is not made. It should wrap
	// provider.ErrRefused where that is meant.
	Refuse func(c plan.Change) error
	// LoseReply is called for each change after it was made, with the provider locked; true gives the change
	// ErrUnknownOutcome all the same.
	LoseReply func(c plan.Change) bool
	// BeforeRead is called for each Get, List, SOA and Serves.
	BeforeRead func(ctx context.Context) error
	// Fail is called for each change, Get, List, SOA and Serves with its name, suffix or zone. Its error is that of the
	// change, which is not made, or of the read. It may count the attempts, as it is called for each.
	Fail func(ctx context.Context, op Op, name federation.FQDN) error
	// Latency is how long each request takes; it ends early with its ctx.
	Latency time.Duration
}

// Op is a set of operations.
type Op int

// The operations.
const (
	Apply Op = 1 << iota
	Get
	List
	SOA
	Serves
	// Reads are all operations that change nothing.
	Reads = Get | List | SOA | Serves
)

// Kind is a kind of error (X5a) as a provider may return it.
type Kind struct {
	Name string
	// Err is the kind; nil for an error that wraps none of the five.
	Err error
}

// Kinds returns the five kinds of errors and, last, the untyped one.
func Kinds() []Kind {
	return []Kind{
		{"conflict", provider.ErrConflict},
		{"refused", provider.ErrRefused},
		{"not sent", provider.ErrNotSent},
		{"unknown outcome", provider.ErrUnknownOutcome},
		{"unavailable", provider.ErrUnavailable},
		{"untyped", nil},
	}
}

// Error returns an error of the kind that says what it is about.
func (k Kind) Error(name federation.FQDN) error {
	if k.Err == nil {
		return fmt.Errorf("%q: something has failed", name)
	}
	return fmt.Errorf("%q: %w: injected", name, k.Err)
}

// FailNames returns a Fail function: these operations fail with the kind at exactly these names, all others work.
func FailNames(kind Kind, ops Op, names ...federation.FQDN) func(context.Context, Op, federation.FQDN) error {
	return func(_ context.Context, op Op, name federation.FQDN) error {
		if op&ops != 0 && slices.Contains(names, name) {
			return kind.Error(name)
		}
		return nil
	}
}

// fail is the error that Fail has for the name.
func (f Faults) fail(ctx context.Context, op Op, name federation.FQDN) error {
	if f.Fail == nil {
		return nil
	}
	return f.Fail(ctx, op, name)
}

// SetFaults replaces the faults; requests under way keep the old ones.
func (p *Provider) SetFaults(f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
}

func (p *Provider) currentFaults() Faults {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults
}

// RefuseName returns a Refuse function for exactly these names.
func RefuseName(names ...federation.FQDN) func(plan.Change) error {
	return func(c plan.Change) error {
		if slices.Contains(names, c.Name) {
			return fmt.Errorf("%w: the name %q is not taken", provider.ErrRefused, c.Name)
		}
		return nil
	}
}

// Put writes an RRset as another client would: it replaces the one with this name and type. The type may be a foreign
// one, such as "MX". It panics on what no server would accept: a name outside the zone, no data, a CNAME beside another
// type.
func (p *Provider) Put(set federation.RRset) {
	if !set.Name.In(p.zone) || len(set.Data) == 0 {
		panic(fmt.Sprintf("inmem: %q is not an RRset in zone %q", set.String(), p.zone))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	next := []federation.RRset{set}
	for _, other := range p.names[set.Name] {
		if other.Type == set.Type {
			continue
		}
		if other.Type == federation.TypeCNAME || set.Type == federation.TypeCNAME {
			panic(fmt.Sprintf("inmem: %q has a CNAME beside another RRset", set.Name))
		}
		next = append(next, other)
	}
	p.put(set.Name, next)
}

// Remove deletes an RRset as another client would.
func (p *Provider) Remove(name federation.FQDN, typ string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var next []federation.RRset
	for _, set := range p.names[name] {
		if set.Type != typ {
			next = append(next, set)
		}
	}
	p.put(name, next)
}

// FreezeReads makes Get, List and Serves show the zone as it is now, until FreezeReads(false), as a secondary does that
// forwards updates and is not refreshed.
func (p *Provider) FreezeReads(frozen bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shown = nil
	if frozen {
		p.shown = maps.Clone(p.names)
	}
}

// Restore replaces the zone by what RRsets once returned, as an admin does who restores a backup.
func (p *Provider) Restore(zone []federation.RRset) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := map[federation.FQDN][]federation.RRset{}
	for _, set := range zone {
		next[set.Name] = append(next[set.Name], set)
	}
	for name := range p.names {
		if next[name] == nil {
			p.put(name, nil)
		}
	}
	for name, sets := range next {
		p.put(name, sets)
	}
}

// SetSOA sets the negative TTL that SOA returns.
func (p *Provider) SetSOA(minimum uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.negative = minimum
}

// RRsets returns all RRsets of the zone, sorted by name and type.
func (p *Provider) RRsets() []federation.RRset {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []federation.RRset
	for _, sets := range p.names {
		out = append(out, sets...)
	}
	slices.SortFunc(out, federation.CompareRRsets)
	return out
}

// History returns the states that the name was in, oldest first; the empty state that every name begins with is not
// among them. Do not modify the states.
func (p *Provider) History(name federation.FQDN) [][]federation.RRset {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.history[name])
}

// Names returns all names that ever had an RRset, sorted.
func (p *Provider) Names() []federation.FQDN {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.history))
}

// Requests returns the counts since New.
func (p *Provider) Requests() Requests {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests
}
