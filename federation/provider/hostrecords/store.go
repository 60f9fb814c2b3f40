package hostrecords

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
)

// store is what was read of the ConfigMaps. The zero value has nothing.
type store struct {
	head    object
	buckets []object          // as many as the head says
	found   map[string]string // the versions of all that there are, by name
}

// object is a ConfigMap. A version of "" is one that is not there.
type object struct {
	version string
	identity
	records records
}

// at returns the RRsets at a name, of all types.
func (s *store) at(name federation.FQDN) ([]federation.RRset, error) {
	sets, err := decodeSets(s.text(name))
	if err != nil { // it was decoded before
		return nil, fmt.Errorf("%w: %w", provider.ErrRefused, err)
	}
	return sets, nil
}

// text returns the records of a name. Until the head forgets the name its word counts.
func (s *store) text(name federation.FQDN) string {
	if text, ok := s.head.records[name]; ok {
		return text
	}
	return s.inBucket(name)
}

// inBucket returns the records of a name that the head does not have.
func (s *store) inBucket(name federation.FQDN) string {
	if len(s.buckets) == 0 {
		return ""
	}
	return s.buckets[bucketOf(name, len(s.buckets))].records[name]
}

// names yields the names that have records, each once.
func (s *store) names() iter.Seq[federation.FQDN] {
	return func(yield func(federation.FQDN) bool) {
		for name, text := range s.head.records {
			if text != "" && !yield(name) {
				return
			}
		}
		for _, b := range s.buckets {
			for name := range b.records {
				if _, ok := s.head.records[name]; !ok && !yield(name) {
					return
				}
			}
		}
	}
}

// maxReads is how often the ConfigMaps are read that change meanwhile.
const maxReads = 5

// refresh reads the ConfigMaps that have changed, the head first: what it no longer has, the buckets have by then. The
// caller has the turn.
func (p *Provider) refresh(ctx context.Context) error {
	for range maxReads {
		settled, err := p.readChanged(ctx)
		if err != nil || settled {
			return err
		}
	}
	return fmt.Errorf("%w: the ConfigMaps in namespace %q changed while they were read, %d times",
		provider.ErrUnavailable, p.config.Host.Namespace, maxReads)
}

// readChanged reads what has changed, and reports whether that was all at one time.
func (p *Provider) readChanged(ctx context.Context) (settled bool, err error) {
	s := &p.store
	if s.found, err = p.client.list(ctx); err != nil {
		return false, err
	}
	name := p.config.HeadName()
	if version := s.found[name]; version == "" {
		s.head = p.withoutHead()
	} else if version != s.head.version {
		err := p.load(ctx, name, &s.head)
		return false, err // what the buckets had before it may be older than the head
	}
	if len(s.buckets) != s.head.Buckets {
		s.buckets = make([]object, s.head.Buckets)
	}
	for i := range s.buckets {
		b, name := &s.buckets[i], p.config.bucketName(i, s.head.Buckets)
		switch version := s.found[name]; version {
		case b.version:
		case "": // removed by hand
			*b = object{}
		default:
			if err := p.load(ctx, name, b); err != nil || b.version == "" {
				return false, err
			}
		}
	}
	if s.head.version == "" {
		for _, b := range s.buckets {
			s.head.Serial = max(s.head.Serial, b.Serial)
		}
	}
	return true, nil
}

// withoutHead returns what counts as the head while there is none. Buckets may be there all the same, if it was removed
// by hand.
func (p *Provider) withoutHead() object {
	count := 0
	for name := range p.store.found {
		if _, of, ok := p.bucketNamed(name); ok {
			count = max(count, of)
		}
	}
	return object{identity: p.config.identity(0, count), records: records{}}
}

// bucketNamed returns which bucket, of how many, has the name.
func (p *Provider) bucketNamed(name string) (i, count int, ok bool) {
	rest, ok := strings.CutPrefix(name, p.config.HeadName()+".")
	if !ok {
		return 0, 0, false
	}
	if n, err := fmt.Sscanf(rest, "%d-%d", &count, &i); err != nil || n != 2 {
		return 0, 0, false
	}
	valid := count > 0 && count&(count-1) == 0 && count <= p.limits.maxBuckets && i >= 0 && i < count
	return i, count, valid && p.config.bucketName(i, count) == name
}

// load reads one ConfigMap. It is empty afterwards if it has been removed meanwhile.
func (p *Provider) load(ctx context.Context, name string, o *object) error {
	*o = object{}
	data, version, err := p.client.get(ctx, name)
	switch {
	case errors.Is(err, errStale):
		return nil
	case err != nil:
		return err
	}
	id, r, err := p.config.decode(data)
	if err != nil {
		return fmt.Errorf("%w: host: ConfigMap %q in namespace %q cannot be read: %w "+
			"(delete it: the syncer writes it again)", provider.ErrRefused, name, p.config.Host.Namespace, err)
	}
	*o = object{version: version, identity: id, records: r}
	return nil
}
