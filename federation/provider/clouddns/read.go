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

// maxPage is how many RRsets a page of a list is asked to have. Cloud DNS may answer with fewer.
const maxPage = 1000

// Get reads one name; see provider.Provider.
func (p *Provider) Get(ctx context.Context, name federation.FQDN) ([]federation.RRset, error) {
	return p.names.Get(ctx, name)
}

// Serves goes by the delegations and wildcards in the managed zone; see provider.ClientView.
func (p *Provider) Serves(ctx context.Context, suffix federation.FQDN) (provider.Served, error) {
	return p.names.Serves(ctx, suffix)
}

// read returns what is at the name, usually by one request.
func (p *Provider) read(
	ctx context.Context, kind budget.Kind, zone cloud.Zone, name federation.FQDN,
) (batch.State, error) {
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
func (p *Provider) pages(
	ctx context.Context, kind budget.Kind, zone cloud.Zone, name federation.FQDN,
	f func([]*sdk.ResourceRecordSet) error,
) error {
	for token, more := "", true; more; {
		var out *sdk.ResourceRecordSetsListResponse
		err := batch.Read(ctx, func() error {
			return p.client.Do(ctx, kind, zone.ID, "resourceRecordSets.list",
				func(ctx context.Context, on *session) (err error) {
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

// List reads the whole zone page by page, as Cloud DNS finds only single names. It is not the state of one moment, but
// each RRset is. See provider.Provider.
func (p *Provider) List(ctx context.Context, suffix federation.FQDN, yield func(federation.RRset) error) error {
	zone, err := p.names.Subtree(ctx, suffix)
	if err != nil {
		return err
	}
	var ended error // by the caller
	err = p.pages(ctx, budget.List, zone, "", func(page []*sdk.ResourceRecordSet) error {
		for _, set := range page {
			owner, err := provider.ParseName(set.Name)
			if err != nil || !owner.In(suffix) {
				continue // no client can query it, or it is outside of the suffix
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
	zone, err := p.names.Zone.Get(ctx)
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
		err = fmt.Errorf("%w: clouddns: managed zone %s has no SOA record that can be read", provider.ErrRefused,
			zone.ID)
	}
	return minimum, err
}
