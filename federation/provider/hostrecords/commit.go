package hostrecords

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// maxTries is how often changes are made anew because another writer was faster.
const maxTries = 8

// commit makes the changes in one update of the head, and returns the error of each. The other error is why none was
// made; it wraps one of the provider's kinds.
func (p *Provider) commit(ctx context.Context, claim *federation.RRset, changes []plan.Change) ([]error, error) {
	if err := p.pace.WaitN(ctx, 1); err != nil {
		return nil, fmt.Errorf("%w: %w", provider.ErrNotSent, err)
	}
	release, err := p.take(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	for range maxTries {
		if err := p.refresh(ctx); err != nil {
			return nil, unsent(err)
		}
		t := &transaction{store: &p.store, domain: p.config.Domain, next: maps.Clone(p.store.head.records)}
		errs := make([]error, len(changes))
		for i, c := range changes {
			errs[i] = t.make(claim, c)
		}
		if !t.changed {
			return errs, nil
		}
		err := p.write(ctx, t.next)
		if err == nil {
			return errs, nil
		}
		if !errors.Is(err, errStale) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: another program writes the ConfigMaps of federation %q in namespace %q all the time",
		provider.ErrUnavailable, p.config.Federation, p.config.Host.Namespace)
}

// unsent is the error of changes that something else than their own update has failed for.
func unsent(err error) error {
	if errors.Is(err, provider.ErrUnknownOutcome) {
		return provider.Recast(provider.ErrUnavailable, err)
	}
	return err
}

// transaction is changes that are made together.
type transaction struct {
	*store
	domain  federation.FQDN
	next    records // of the head
	changed bool
}

// at returns the RRsets of a name after the changes so far.
func (t *transaction) at(name federation.FQDN) ([]federation.RRset, error) {
	text, ok := t.next[name]
	if !ok {
		text = t.inBucket(name)
	}
	return decodeSets(text)
}

// make makes one change, if it can be made.
func (t *transaction) make(claim *federation.RRset, c plan.Change) error {
	if err := provider.Check(t.domain, c); err != nil {
		return err
	}
	if claim != nil {
		have, err := t.at(claim.Name)
		if err != nil {
			return err
		}
		if is := provider.Find(have, federation.TypeTXT); is == nil || !is.Equal(*claim) {
			return fmt.Errorf("%w: the claim %q is another", provider.ErrConflict, claim.Name)
		}
	}
	now, err := t.at(c.Name)
	if err != nil {
		return err
	}
	to, err := provider.Swap(now, c)
	if err != nil {
		return err
	}
	if federation.EqualRRsets(now, to) {
		return nil
	}
	t.changed = true
	if t.next[c.Name] = encodeSets(to); len(to) == 0 && t.head.Buckets == 0 {
		delete(t.next, c.Name) // no bucket can have it
	}
	return nil
}

// write writes the head with the next records. If they have grown too large for it, what it had until now moves to the
// buckets before. errStale means that something was written by somebody else, and nothing was changed.
func (p *Provider) write(ctx context.Context, next records) error {
	s := &p.store
	buckets := s.head.Buckets
	if next.size() > p.limits.head && p.movable() > 0 {
		var err error
		if buckets, err = p.flush(ctx); err != nil {
			return err
		}
		// What has not changed in this transaction is in the buckets now.
		next = maps.Clone(next)
		maps.DeleteFunc(next, func(name federation.FQDN, text string) bool {
			was, had := s.head.records[name]
			return had && was == text && !p.stays(name)
		})
	}
	id := p.config.identity(s.head.Serial+1, buckets)
	version, err := p.put(ctx, p.config.HeadName(), s.head.version, id, next)
	if err != nil {
		return err
	}
	grown := buckets != s.head.Buckets
	s.head = object{version: version, identity: id, records: next}
	if grown {
		p.removeOld(ctx)
	}
	return nil
}

// stays reports whether a name stays in the head for good: each change asserts the main claim, and the head is what it
// asserts the version of.
func (p *Provider) stays(name federation.FQDN) bool { return name == p.claimName }

// movable is how many names of the head can move to the buckets.
func (p *Provider) movable() int {
	n := len(p.store.head.records)
	if _, ok := p.store.head.records[p.claimName]; ok {
		n--
	}
	return n
}

// put writes a ConfigMap and draws what that costs.
func (p *Provider) put(ctx context.Context, name, version string, id identity, r records) (string, error) {
	next, err := p.client.put(ctx, name, version, encode(id, r))
	if err == nil || errors.Is(err, provider.ErrUnknownOutcome) {
		p.pace.ReserveN(time.Now(), min(r.size()+writeCost, burstBytes))
	}
	return next, err
}
