// Package hostrecords is the provider of a federation without a DNS provider (M7): it keeps the RRsets, the claims and
// the list of levels in ConfigMaps of the host cluster. Nobody resolves them. The members are told by their mirrors;
// the records here are what the syncer compares with, what a start begins with, and what says who may write.
//
// One ConfigMap, the head, has what has changed lately, as a zone file. Each change is one update of the head that
// asserts its resourceVersion, so that it is atomic, together with the claim that it asserts. When the head has grown,
// what it has moves to buckets, over which the names are spread by a hash. Until the head forgets a name, the head's
// word counts; a bucket says which state of the head it has taken in, and never takes in an older one. So a writer that
// stops half way, or goes on after another one has taken over, harms nothing.
package hostrecords

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/time/rate"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/host"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// NegativeTTL is for how many seconds resolvers cache that a name does not exist, at most: no zone says it, but the
// plugin, whose `ttl` is 5 s unless it is configured.
const NegativeTTL = 5

// Config is where a federation's records are.
type Config struct {
	// Host is the cluster, and the namespace there.
	Host host.Config
	// Federation and Domain say whose records they are. The domain is the zone.
	Federation federation.Label
	Domain     federation.FQDN
}

// Provider implements provider.Provider and provider.ClientView. It keeps what it has read, and reads a ConfigMap again
// only when it has changed.
type Provider struct {
	config Config
	client *client
	limits limits
	pace   *rate.Limiter
	// claimName is the name of the main claim.
	claimName federation.FQDN

	turn  chan struct{} // holds one token; its holder owns store
	store store
}

// New returns a provider, or an error if the configuration is incomplete. It does not connect.
func New(c Config) (*Provider, error) {
	if c.Host.Namespace == "" || !c.Host.InCluster && c.Host.Kubeconfig == "" {
		return nil, errors.New("the records are kept in the host cluster, and there is none")
	}
	f := federation.Federation{Name: c.Federation, Domain: c.Domain}
	return &Provider{
		config: c, claimName: f.ClaimName(c.Domain), client: &client{config: c}, limits: usualLimits,
		pace: newPace(), turn: make(chan struct{}, 1),
	}, nil
}

// Caps returns that TTLs are compared.
func (p *Provider) Caps() provider.Caps { return provider.Caps{CompareTTL: true} }

// Close closes idle connections, and forgets what was read.
func (p *Provider) Close() error {
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	p.client.close()
	p.store = store{}
	return nil
}

// Get returns the RRsets at the name; see provider.Provider.
func (p *Provider) Get(ctx context.Context, name federation.FQDN) ([]federation.RRset, error) {
	var sets []federation.RRset
	err := p.read(ctx, name, func(s *store) (err error) {
		sets, err = s.at(name)
		return err
	})
	return ours(sets), err
}

// List yields the RRsets of the subtree; see provider.Provider.
func (p *Provider) List(ctx context.Context, suffix federation.FQDN, yield func(federation.RRset) error) error {
	var sets []federation.RRset
	err := p.read(ctx, suffix, func(s *store) error {
		for name := range s.names() {
			if !name.In(suffix) {
				continue
			}
			at, err := s.at(name)
			if err != nil {
				return err
			}
			sets = append(sets, ours(at)...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, set := range sets {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%w: %w", provider.ErrNotSent, err)
		}
		if err := yield(set); err != nil {
			return err
		}
	}
	return nil
}

// NegativeTTL returns NegativeTTL, if the host answers.
func (p *Provider) NegativeTTL(ctx context.Context) (uint32, error) {
	err := p.read(ctx, p.config.Domain, func(*store) error { return nil })
	return NegativeTTL, err
}

// Serves goes by the records: what others may have put there; see provider.ClientView.
func (p *Provider) Serves(ctx context.Context, suffix federation.FQDN) (served provider.Served, err error) {
	err = p.read(ctx, suffix, func(s *store) error {
		served, err = provider.View(p.config.Domain, suffix, func(name federation.FQDN) (types []string, err error) {
			sets, err := s.at(name)
			for _, set := range sets {
				types = append(types, set.Type)
			}
			return types, err
		})
		return err
	})
	return served, err
}

// read calls f with the records as they are now. name is what the caller asks about.
func (p *Provider) read(ctx context.Context, name federation.FQDN, f func(*store) error) error {
	if !name.In(p.config.Domain) {
		return fmt.Errorf("%w: name %q is not in domain %q", provider.ErrRefused, name, p.config.Domain)
	}
	release, err := p.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := p.refresh(ctx); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	return f(&p.store)
}

// take waits for the turn, which the caller gives back.
func (p *Provider) take(ctx context.Context) (release func(), err error) {
	select {
	case p.turn <- struct{}{}:
		release = func() { <-p.turn }
		if err = ctx.Err(); err != nil {
			release()
		}
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", provider.ErrNotSent, err)
	}
	return release, nil
}

// Apply makes the changes; see provider.Provider. What is more than one update of the head can take is made in several.
func (p *Provider) Apply(ctx context.Context, claim *federation.RRset, changes []plan.Change) []error {
	errs := make([]error, 0, len(changes))
	if err := provider.CheckClaim(p.config.Domain, claim); err != nil {
		return slices.Repeat([]error{err}, len(changes))
	}
	var failed error // that of an earlier part
	for _, part := range p.limits.split(changes) {
		switch {
		case failed != nil:
			err := provider.Recast(provider.ErrNotSent, failed)
			errs = append(errs, slices.Repeat([]error{err}, len(part))...)
		default:
			var of []error
			of, failed = p.applyPart(ctx, claim, part)
			errs = append(errs, of...)
		}
	}
	return errs
}

// applyPart makes changes that fit into one update. The second value is what has failed for them all.
func (p *Provider) applyPart(ctx context.Context, claim *federation.RRset, changes []plan.Change) ([]error, error) {
	errs, err := p.commit(ctx, claim, changes)
	if err == nil {
		return errs, nil
	}
	errs = make([]error, len(changes))
	for i, c := range changes {
		if errs[i] = provider.Check(p.config.Domain, c); errs[i] == nil {
			errs[i] = fmt.Errorf("%q: %w", c.Name, err)
		}
	}
	return errs, err
}

// ours returns the RRsets of our types.
func ours(sets []federation.RRset) []federation.RRset {
	return slices.DeleteFunc(sets, func(s federation.RRset) bool { return !slices.Contains(provider.Types, s.Type) })
}

// limits bound the ConfigMaps.
type limits struct {
	head       int // bytes of records in the head above which they move to the buckets
	bucket     int // bytes of records in a bucket above which the number of buckets doubles
	maxBuckets int
	object     int // bytes of records that no ConfigMap exceeds
}

// usualLimits keep every ConfigMap below the 1 MiB that it may have, and most of them small enough to be read by eye.
var usualLimits = limits{head: 384 << 10, bucket: 256 << 10, maxBuckets: 256, object: 960 << 10}

// split splits changes into parts that fit into the head, in order.
func (l limits) split(changes []plan.Change) [][]plan.Change {
	var parts [][]plan.Change
	begin, size := 0, 0
	for i, c := range changes {
		n := len(c.Name)
		for _, s := range c.To {
			n += len(s.String())
		}
		if size += n; size > l.head && i > begin {
			parts = append(parts, changes[begin:i])
			begin, size = i, n
		}
	}
	return append(parts, changes[begin:])
}

// The pace of writes: an API server, and its etcd, have other users.
const (
	bytesPerSecond = 512 << 10
	burstBytes     = 16 << 20
	// writeCost is what a write costs beside its bytes: small ones are up to 16 a second, for long.
	writeCost = 32 << 10
)

// newPace returns the pace of a provider: each write draws what it costs once it is made, and the next change waits
// until that is paid.
func newPace() *rate.Limiter { return rate.NewLimiter(bytesPerSecond, burstBytes) }
