// Package clouddns is the provider for managed zones of Google Cloud DNS, public and private.
//
// A change is the deletion of exactly its From and the addition of exactly its To in one Change, never a patch: a
// Change that holds one that does not fit is refused as a whole, so nobody else's RRset is ever overwritten. The claim
// of a batch is asserted by the deletion and addition of the identical TXT RRset in the same Change.
//
// What is there besides From and To cannot be asserted: a foreign AAAA RRset beside an A RRset of ours is left alone,
// and found by the audit.
//
// RRsets with a routing policy are of no type that we handle: they are not read, never changed, and no RRset of their
// type is made beside them.
package clouddns

import (
	"context"
	"fmt"

	sdk "google.golang.org/api/dns/v1"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/internal/batch"
	"github.com/federation-dns/federation/federation/provider/internal/cloud"
	"github.com/federation-dns/federation/federation/provider/internal/last"
	"github.com/federation-dns/federation/federation/provider/internal/lookup"
)

// The limits of a Change.
const (
	maxAdditions = 1000
	maxDeletions = 1000
	maxData      = 100_000
)

// changeAction is the only method that changes something, findAction is for the search for the managed zone.
const (
	changeAction = "changes.create"
	findAction   = "managedZones.list"
)

// Provider implements provider.Provider and provider.ClientView.
type Provider struct {
	config Config
	client *cloud.Client[*session]
	names  cloud.Names
	last   last.Names
}

// New returns the provider of a managed zone, or says which field of the configuration is wrong. It does not connect,
// and looks for no credentials.
func New(config Config) (*Provider, error) {
	config, err := config.checked()
	if err != nil {
		return nil, fmt.Errorf("clouddns: %w", err)
	}
	p := &Provider{config: config}
	p.client = &cloud.Client[*session]{
		Service: "clouddns", Change: changeAction, TrustedBy: "SSL_CERT_FILE",
		Timeout: config.Timeout, Budget: config.Budget, Session: &cloud.Session[*session]{Load: config.load},
		NotLoaded: p.notLoaded, Answered: p.answered,
	}
	p.names = cloud.Names{Zone: lookup.New(p.findZone), Read: p.read}
	return p, nil
}

// Close closes idle connections.
func (p *Provider) Close() error { return p.client.Session.Close() }

// Caps says what Cloud DNS can do.
func (p *Provider) Caps() provider.Caps {
	return provider.Caps{CompareTTL: true, MissesOtherTypes: true, ListsWholeZone: true}
}

// Apply makes the changes in as few requests as the limits allow; see provider.Provider.
func (p *Provider) Apply(ctx context.Context, claim *federation.RRset, changes []plan.Change) []error {
	zone, err := p.names.Zone.Get(ctx)
	if err != nil {
		return cloud.FailAll(changes, err)
	}
	return batch.Apply(ctx, &server{p, zone}, zone.Name, claim, changes)
}

// server is the batch.Server of one call of Apply.
type server struct {
	p    *Provider
	zone cloud.Zone
}

// Limits are those of changes.create.
func (s *server) Limits() [3]batch.Limit {
	return [3]batch.Limit{{Max: maxAdditions, What: "additions"}, {Max: maxDeletions, What: "deletions"},
		{Max: maxData, What: "octets of data"}}
}

// Weigh counts RRsets and the octets of their data, deleted and added. Whether Cloud DNS counts the text or the wire
// form is not documented: the larger one counts.
func (s *server) Weigh(c plan.Change) batch.Weight {
	w := batch.Weight{len(c.To), len(c.From), 0}
	for _, sets := range [][]federation.RRset{c.From, c.To} {
		for _, set := range sets {
			for _, data := range set.Data {
				w[2] += max(len(data)+1, 16)
			}
		}
	}
	return w
}

// Last are the names that have failed.
func (s *server) Last() *last.Names { return &s.p.last }

// Send makes one request.
func (s *server) Send(ctx context.Context, claim *federation.RRset, changes []plan.Change) error {
	in := &sdk.Change{}
	if claim != nil {
		in.Deletions = append(in.Deletions, toSDK(*claim))
		in.Additions = append(in.Additions, toSDK(*claim))
	}
	for _, c := range changes {
		for _, set := range c.From {
			in.Deletions = append(in.Deletions, toSDK(set))
		}
		for _, set := range c.To {
			in.Additions = append(in.Additions, toSDK(set))
		}
	}
	return s.p.client.Do(ctx, budget.Change, s.zone.ID, changeAction, func(ctx context.Context, on *session) error {
		_, err := on.api.Changes.Create(on.project, s.zone.ID, in).Context(ctx).Do()
		return err
	})
}

func toSDK(set federation.RRset) *sdk.ResourceRecordSet {
	return &sdk.ResourceRecordSet{
		Name: string(set.Name), Type: set.Type, Ttl: int64(set.TTL), Rrdatas: set.Data,
		ForceSendFields: []string{"Ttl"}, // 0 too
	}
}

// Read returns the state of the name.
func (s *server) Read(ctx context.Context, name federation.FQDN) (batch.State, error) {
	return s.p.read(ctx, budget.Change, s.zone, name)
}
