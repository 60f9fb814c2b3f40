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

// Faults are what goes wrong. The zero value is a provider that works. The
// functions may be called by several goroutines at once and may block.
type Faults struct {
	// Before is called for each request of Apply; its error is the error of
	// all changes of the request, and none is made.
	Before func(ctx context.Context, claim *federation.RRset, changes []plan.Change) error
	// Refuse is called for each change; its error is the error of the change,
	// which is not made. It should wrap provider.ErrRefused where that is meant.
	Refuse func(c plan.Change) error
	// LoseReply is called for each change after it was made, with the
	// provider locked; true gives the change an error all the same.
	LoseReply func(c plan.Change) bool
	// BeforeRead is called for each Get, List and SOA.
	BeforeRead func(ctx context.Context) error
	// Latency is how long each request takes; it ends early with its ctx.
	Latency time.Duration
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

// Put places an RRset as somebody else would who writes to the zone: it
// replaces the one of this name and type. The type may be a foreign one, "MX"
// for instance. It panics on what no server would take: a name outside the
// zone, no data, a CNAME beside another type.
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

// Remove takes the RRset of the name and type away, as somebody else would.
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

// History returns the states that the name was in, oldest first; the empty
// state that every name begins with is not among them. The states are not to
// be changed.
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
