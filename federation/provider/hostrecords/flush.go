package hostrecords

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/federation-dns/federation/federation/provider"
)

// writesAtOnce is how many buckets are written at a time.
const writesAtOnce = 4

// flush has the buckets take in what the head has, and returns how many there are then: more, if one would have grown
// too large. The head is not written: until then its word counts, and if that fails nothing is lost.
func (p *Provider) flush(ctx context.Context) (count int, err error) {
	s := &p.store
	count = s.head.Buckets
	next := p.merged(max(count, 1))
	for largest(next) > p.limits.bucket && len(next) < p.limits.maxBuckets {
		next = p.merged(2 * len(next))
	}
	if n := largest(next); n > p.limits.object {
		return 0, fmt.Errorf("%w: host: the records of federation %q take %d bytes in each of %d ConfigMaps, "+
			"and %d are allowed: a federation of this size needs a DNS provider", provider.ErrRefused,
			p.config.Federation, n, len(next), p.limits.object)
	}
	grows := len(next) != count
	written := make([]object, len(next))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(writesAtOnce)
	for i := range next {
		if !grows && !p.concerns(i) {
			written[i] = s.buckets[i]
			continue
		}
		g.Go(func() (err error) {
			written[i], err = p.writeBucket(ctx, i, len(next), next[i])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return 0, unsent(err) // the changes themselves were not made
	}
	if !grows {
		s.buckets = written
	}
	return len(next), nil
}

// merged returns the records of count buckets after they have taken in the head.
func (p *Provider) merged(count int) []records {
	s := &p.store
	next := make([]records, count)
	for i := range next {
		next[i] = records{}
	}
	for name := range s.names() {
		if _, inHead := s.head.records[name]; !inHead || !p.stays(name) {
			next[bucketOf(name, count)][name] = s.text(name)
		}
	}
	return next
}

// concerns reports whether the head has a name of the bucket, which has not taken that in.
func (p *Provider) concerns(i int) bool {
	s := &p.store
	if b := s.buckets[i]; b.version != "" && b.Serial >= s.head.Serial {
		return false
	}
	for name := range s.head.records {
		if !p.stays(name) && bucketOf(name, len(s.buckets)) == i {
			return true
		}
	}
	return false
}

// writeBucket writes bucket i of count. It never replaces one that has taken in a later head: then the head has been
// written since it was read, and errStale is returned.
func (p *Provider) writeBucket(ctx context.Context, i, count int, r records) (object, error) {
	s := &p.store
	name := p.config.bucketName(i, count)
	id := p.config.identity(s.head.Serial, count)
	version := s.found[name]
	if count == s.head.Buckets {
		version = s.buckets[i].version
	} else if version != "" { // left behind by a writer that stopped, or of one that goes on
		var left object
		if err := p.load(ctx, name, &left); err != nil {
			return object{}, err
		}
		if version = left.version; left.Serial > id.Serial {
			return object{}, errStale
		}
	}
	version, err := p.put(ctx, name, version, id, r)
	return object{version: version, identity: id, records: r}, err
}

func largest(all []records) (n int) {
	for _, r := range all {
		n = max(n, r.size())
	}
	return n
}

// removeOld removes the buckets of the set before. Those that cannot be removed now are when the set grows again: they
// mean nothing.
func (p *Provider) removeOld(ctx context.Context) {
	for name, version := range p.store.found {
		if _, count, ok := p.bucketNamed(name); ok && count < p.store.head.Buckets {
			_ = p.client.remove(ctx, name, version)
		}
	}
}
