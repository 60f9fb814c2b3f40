// Package inmem is a provider that keeps its zone in memory, for tests of everything that writes through a provider. It
// is a real one: it compares and swaps, asserts claims, keeps CNAMEs exclusive and refuses what a server refuses. It
// can inject faults, and keeps the history of each name.
package inmem

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

const maxBatch = 1000

// Provider implements provider.Provider and provider.ClientView. All its methods may be called by several goroutines.
type Provider struct {
	zone federation.FQDN

	mu       sync.Mutex
	names    map[federation.FQDN][]federation.RRset // sorted by type; replaced, never changed
	shown    map[federation.FQDN][]federation.RRset // what reads show; nil is names
	history  map[federation.FQDN][][]federation.RRset
	faults   Faults
	requests Requests
	negative uint32
}

// Requests counts the calls to the provider.
type Requests struct {
	// Apply, Get and List are requests as a server would count them: a call of Apply is one for each batch.
	Apply, Get, List int
	// Changes is the sum of the changes in the Apply requests.
	Changes int
}

// New returns a provider of an empty zone.
func New(zone federation.FQDN) *Provider {
	return &Provider{
		zone:     zone,
		names:    map[federation.FQDN][]federation.RRset{},
		history:  map[federation.FQDN][][]federation.RRset{},
		negative: 60,
	}
}

// Close does nothing: there are no connections.
func (p *Provider) Close() error { return nil }

// Caps returns that it compares TTLs, and lists a subtree by itself.
func (p *Provider) Caps() provider.Caps {
	return provider.Caps{CompareTTL: true}
}

// Apply makes the changes; see provider.Provider.
func (p *Provider) Apply(ctx context.Context, claim *federation.RRset, changes []plan.Change) []error {
	errs := make([]error, 0, len(changes))
	for batch := range slices.Chunk(changes, maxBatch) {
		errs = append(errs, p.applyBatch(ctx, claim, batch)...)
	}
	return errs
}

func (p *Provider) applyBatch(ctx context.Context, claim *federation.RRset, changes []plan.Change) []error {
	faults := p.currentFaults()
	err := faults.pause(ctx)
	if err == nil {
		p.mu.Lock()
		p.requests.Apply++
		p.requests.Changes += len(changes)
		p.mu.Unlock()
		if faults.Before != nil {
			err = faults.Before(ctx, claim, changes)
		}
	}
	if err == nil {
		err = provider.CheckClaim(p.zone, claim)
	}
	errs := make([]error, len(changes))
	for i, c := range changes {
		if err != nil {
			errs[i] = err
			continue
		}
		if errs[i] = faults.fail(ctx, Apply, c.Name); errs[i] == nil {
			errs[i] = p.apply(faults, claim, c)
		}
	}
	return errs
}

// apply makes one change under the lock.
func (p *Provider) apply(faults Faults, claim *federation.RRset, c plan.Change) error {
	if faults.Refuse != nil {
		if err := faults.Refuse(c); err != nil {
			return err
		}
	}
	if err := provider.Check(p.zone, c); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if claim != nil {
		if is := provider.Find(p.names[claim.Name], federation.TypeTXT); is == nil || !is.Equal(*claim) {
			return fmt.Errorf("%w: the claim %q is another", provider.ErrConflict, claim.Name)
		}
	}
	next, err := provider.Swap(p.names[c.Name], c)
	if err != nil {
		return err
	}
	p.put(c.Name, next)
	if faults.LoseReply != nil && faults.LoseReply(c) {
		return fmt.Errorf("change of %q: %w: the reply was lost", c.Name, provider.ErrUnknownOutcome)
	}
	return nil
}

// put replaces the RRsets at the name. The lock is held.
func (p *Provider) put(name federation.FQDN, sets []federation.RRset) {
	next := make([]federation.RRset, 0, len(sets))
	for _, set := range sets {
		set.Data = slices.Clone(set.Data)
		next = append(next, set)
	}
	slices.SortFunc(next, federation.CompareRRsets)
	if federation.EqualRRsets(next, p.names[name]) {
		return
	}
	if len(next) == 0 {
		delete(p.names, name)
	} else {
		p.names[name] = next
	}
	p.history[name] = append(p.history[name], next)
}

// Get returns the RRsets at the name; see provider.Provider.
func (p *Provider) Get(ctx context.Context, name federation.FQDN) ([]federation.RRset, error) {
	if err := p.read(ctx, Get, name, func(r *Requests) { r.Get++ }); err != nil {
		return nil, err
	}
	if !name.In(p.zone) {
		return nil, fmt.Errorf("%w: name %q is not in zone %q", provider.ErrRefused, name, p.zone)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return ours(p.visible()[name]), nil
}

// List yields the RRsets of the subtree as they were at one moment; see provider.Provider.
func (p *Provider) List(ctx context.Context, suffix federation.FQDN, yield func(federation.RRset) error) error {
	if err := p.read(ctx, List, suffix, func(r *Requests) { r.List++ }); err != nil {
		return err
	}
	if !suffix.In(p.zone) {
		return fmt.Errorf("%w: suffix %q is not in zone %q", provider.ErrRefused, suffix, p.zone)
	}
	p.mu.Lock()
	names := maps.Clone(p.visible())
	p.mu.Unlock()
	for name, sets := range names {
		if !name.In(suffix) {
			continue
		}
		for _, set := range ours(sets) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := yield(set); err != nil {
				return err
			}
		}
	}
	return nil
}

// NegativeTTL returns 60 until SetSOA.
func (p *Provider) NegativeTTL(ctx context.Context) (minimum uint32, err error) {
	if err := p.read(ctx, SOA, p.zone, func(*Requests) {}); err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.negative, nil
}

// Serves goes by the delegations and wildcards that Put has placed; see provider.ClientView.
func (p *Provider) Serves(ctx context.Context, suffix federation.FQDN) (provider.Served, error) {
	if err := p.read(ctx, Serves, suffix, func(*Requests) {}); err != nil {
		return provider.Served{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return provider.View(p.zone, suffix, func(name federation.FQDN) (types []string, err error) {
		for _, set := range p.visible()[name] {
			types = append(types, set.Type)
		}
		return types, nil
	})
}

func (p *Provider) read(ctx context.Context, op Op, name federation.FQDN, count func(*Requests)) error {
	faults := p.currentFaults()
	if err := faults.pause(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	count(&p.requests)
	p.mu.Unlock()
	if faults.BeforeRead != nil {
		if err := faults.BeforeRead(ctx); err != nil {
			return err
		}
	}
	return faults.fail(ctx, op, name)
}

// visible is what reads show. The lock is held.
func (p *Provider) visible() map[federation.FQDN][]federation.RRset {
	if p.shown != nil {
		return p.shown
	}
	return p.names
}

// ours returns copies of the RRsets of our types.
func ours(sets []federation.RRset) []federation.RRset {
	var out []federation.RRset
	for _, set := range sets {
		if slices.Contains(provider.Types, set.Type) {
			set.Data = slices.Clone(set.Data)
			out = append(out, set)
		}
	}
	return out
}

// pause waits for the latency; it fails if ctx ends before.
func (f Faults) pause(ctx context.Context) error {
	if f.Latency > 0 {
		timer := time.NewTimer(f.Latency)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", provider.ErrNotSent, err)
	}
	return nil
}
