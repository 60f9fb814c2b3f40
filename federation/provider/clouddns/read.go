package clouddns

import (
	"context"
	"fmt"

	sdk "google.golang.org/api/dns/v1"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/internal/batch"
	"github.com/federation-dns/federation/federation/provider/internal/cloud"
)

// maxPage is how many RRsets a page of a list is asked to have. Cloud DNS may
// answer with fewer.
const maxPage = 1000

// Get reads one name; see provider.Provider.
func (p *Provider) Get(ctx context.Context, name federation.FQDN) ([]federation.RRset, error) {
	zone, err := p.zone.Get(ctx)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	if err := cloud.CheckIn(zone.Name, "name", name); err != nil {
		return nil, err
	}
	state, err := p.read(ctx, budget.Change, zone, name)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	return state.Sets, nil
}

// read returns what is at the name, usually by one request.
func (p *Provider) read(ctx context.Context, kind budget.Kind, zone cloud.Zone, name federation.FQDN) (batch.State, error) {
	var all []*sdk.ResourceRecordSet
	err := p.pages(ctx, kind, zone, name, func(page []*sdk.ResourceRecordSet) error {
		for _, set := range page {
			if owner, err := provider.ParseName(set.Name); err == nil && owner == name {
				all = append(all, set)
			}
		}
		return nil
	})
	return stateOf(name, all), err
}

// pages calls f for each page of the zone, or of what is at the name.
func (p *Provider) pages(ctx context.Context, kind budget.Kind, zone cloud.Zone, name federation.FQDN, f func([]*sdk.ResourceRecordSet) error) error {
	for token, more := "", true; more; {
		var out *sdk.ResourceRecordSetsListResponse
		err := batch.Read(ctx, func() error {
			return p.call(ctx, kind, zone.ID, "resourceRecordSets.list", func(ctx context.Context, on *session) (err error) {
				list := on.api.ResourceRecordSets.List(on.project, zone.ID).MaxResults(maxPage).Context(ctx)
				if name != "" {
					list.Name(string(name))
				}
				if token != "" {
					list.PageToken(token)
				}
				out, err = list.Do()
				return err
			})
		})
		if err != nil {
			return err
		}
		if err := f(out.Rrsets); err != nil {
			return err
		}
		token, more = out.NextPageToken, out.NextPageToken != ""
	}
	return nil
}

// Serves goes by the delegations and wildcards in the managed zone; see
// provider.ClientView.
func (p *Provider) Serves(ctx context.Context, suffix federation.FQDN) (provider.Served, error) {
	zone, err := p.zone.Get(ctx)
	if err != nil {
		return provider.Served{}, err
	}
	return provider.View(zone.Name, suffix, func(name federation.FQDN) ([]string, error) {
		state, err := p.read(ctx, budget.List, zone, name)
		return state.Types(), err
	})
}

// List reads the whole zone page by page, as Cloud DNS finds only single names.
// It is not the state of one moment, but each RRset is. See provider.Provider.
func (p *Provider) List(ctx context.Context, suffix federation.FQDN, yield func(federation.RRset) error) error {
	zone, err := p.zone.Get(ctx)
	if err != nil {
		return fmt.Errorf("list of %q: %w", suffix, err)
	}
	if err := cloud.CheckIn(zone.Name, "suffix", suffix); err != nil {
		return err
	}
	var ended error // by the caller
	err = p.pages(ctx, budget.List, zone, "", func(page []*sdk.ResourceRecordSet) error {
		for _, set := range page {
			owner, err := provider.ParseName(set.Name)
			if err != nil || !owner.In(suffix) {
				continue // nobody can ask for it, or it is not asked for
			}
			for _, one := range stateOf(owner, []*sdk.ResourceRecordSet{set}).Sets {
				if ended = ctx.Err(); ended == nil {
					ended = yield(one)
				}
				if ended != nil {
					return ended
				}
			}
		}
		return nil
	})
	if err != nil && ended == nil {
		return fmt.Errorf("list of %q: %w", suffix, err)
	}
	return err
}

// NegativeTTL reads the managed zone's SOA record; see provider.Provider.
func (p *Provider) NegativeTTL(ctx context.Context) (minimum uint32, err error) {
	zone, err := p.zone.Get(ctx)
	if err != nil {
		return 0, err
	}
	found := false
	err = p.pages(ctx, budget.Change, zone, zone.Name, func(page []*sdk.ResourceRecordSet) error {
		for _, set := range page {
			if set.Type != "SOA" || len(set.Rrdatas) != 1 {
				continue
			}
			if ttl, ok := cloud.NegativeTTL(set.Ttl, set.Rrdatas[0]); ok {
				minimum, found = ttl, true
			}
		}
		return nil
	})
	if err == nil && !found {
		err = fmt.Errorf("%w: clouddns: managed zone %s has no SOA record that can be read", provider.ErrRefused, zone.ID)
	}
	return minimum, err
}
