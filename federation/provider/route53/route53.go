// Package route53 is the provider for hosted zones of Amazon Route 53, public and private.
//
// A change is the deletion of exactly its From and the creation of exactly its To, never an UPSERT: a request that
// holds one that does not fit is refused as a whole, so nobody else's RRset is ever overwritten. The claim of a batch
// is asserted by the deletion and creation of the identical TXT RRset in the same request.
//
// What is there besides From and To cannot be asserted: Route 53 refuses a request that creates and deletes the same
// RRset. A foreign AAAA RRset beside an A RRset of ours is left alone, and found by the audit.
//
// Aliases and RRsets with a routing policy are of no type that we handle: they are not read, never changed, and no
// RRset of their type is made beside them.
package route53

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/internal/batch"
	"github.com/federation-dns/federation/federation/provider/internal/cloud"
	"github.com/federation-dns/federation/federation/provider/internal/last"
	"github.com/federation-dns/federation/federation/provider/internal/lookup"
)

// The limits of a request.
const (
	maxValues     = 1000
	maxCharacters = 32000
)

// Provider implements provider.Provider and provider.ClientView.
type Provider struct {
	config Config
	client *cloud.Client[*sdk.Client]
	names  cloud.Names
	last   last.Names
}

// New returns the provider of a hosted zone, or says which field of the configuration is wrong. It does not connect,
// and looks for no credentials.
func New(config Config) (*Provider, error) {
	config, err := config.checked()
	if err != nil {
		return nil, fmt.Errorf("route53: %w", err)
	}
	p := &Provider{config: config}
	p.client = &cloud.Client[*sdk.Client]{
		Service: "route53", Change: changeAction, TrustedBy: "AWS_CA_BUNDLE",
		Timeout: config.Timeout, Budget: config.Budget, Session: &cloud.Session[*sdk.Client]{Load: config.load},
		NotLoaded: notLoaded, Answered: p.answered,
	}
	p.names = cloud.Names{Zone: lookup.New(p.findZone), Read: p.read}
	return p, nil
}

// Close closes idle connections.
func (p *Provider) Close() error { return p.client.Session.Close() }

// Caps says what Route 53 can do.
func (p *Provider) Caps() provider.Caps {
	return provider.Caps{CompareTTL: true, MissesOtherTypes: true}
}

// Apply makes the changes in as few requests as the limits allow; see provider.Provider.
func (p *Provider) Apply(ctx context.Context, claim *federation.RRset, changes []plan.Change) []error {
	zone, err := p.names.Zone.Get(ctx)
	if err != nil {
		return cloud.FailAll(changes, err)
	}
	s := &server{p: p, zone: zone}
	errs := batch.Apply(ctx, s, zone.Name, claim, changes)
	if p.config.WaitInSync && len(s.sent) > 0 {
		// One change is enough to report the problem, and costs the caller one read of a name.
		if err := p.waitInSync(ctx, s.sent); err != nil {
			first := slices.Index(errs, nil)
			errs[first] = fmt.Errorf("%q: %w", changes[first].Name, err)
		}
	}
	return errs
}

// server is the batch.Server of one call of Apply.
type server struct {
	p    *Provider
	zone cloud.Zone

	mu   sync.Mutex
	sent []string // IDs of the changes that Route 53 accepted
}

// Limits are those of ChangeResourceRecordSets.
func (s *server) Limits() [3]batch.Limit {
	return [3]batch.Limit{{Max: maxValues, What: "values"}, {Max: maxCharacters, What: "characters"}}
}

// Weigh counts values and characters, deleted and added.
func (s *server) Weigh(c plan.Change) (w batch.Weight) {
	for _, sets := range [][]federation.RRset{c.From, c.To} {
		for _, set := range sets {
			for _, data := range set.Data {
				w[0]++
				w[1] += len(toOctal(set.Type, data))
			}
		}
	}
	return w
}

// Last are the names that have failed.
func (s *server) Last() *last.Names { return &s.p.last }

// Send makes one request.
func (s *server) Send(ctx context.Context, claim *federation.RRset, changes []plan.Change) error {
	var elements []types.Change
	if claim != nil {
		elements = append(elements,
			element(types.ChangeActionDelete, *claim), element(types.ChangeActionCreate, *claim))
	}
	for _, c := range changes {
		for _, set := range c.From {
			elements = append(elements, element(types.ChangeActionDelete, set))
		}
		for _, set := range c.To {
			elements = append(elements, element(types.ChangeActionCreate, set))
		}
	}
	in := &sdk.ChangeResourceRecordSetsInput{
		HostedZoneId: aws.String(s.zone.ID),
		ChangeBatch:  &types.ChangeBatch{Changes: elements},
	}
	return s.p.call(ctx, budget.Change, s.zone.ID, changeAction, func(ctx context.Context, api *sdk.Client) error {
		out, err := api.ChangeResourceRecordSets(ctx, in)
		if err == nil && out.ChangeInfo != nil {
			s.mu.Lock()
			s.sent = append(s.sent, aws.ToString(out.ChangeInfo.Id))
			s.mu.Unlock()
		}
		return err
	})
}

func element(action types.ChangeAction, set federation.RRset) types.Change {
	out := &types.ResourceRecordSet{
		Name: aws.String(nameToOctal(string(set.Name))),
		Type: types.RRType(set.Type),
		TTL:  aws.Int64(int64(set.TTL)),
	}
	for _, data := range set.Data {
		out.ResourceRecords = append(out.ResourceRecords,
			types.ResourceRecord{Value: aws.String(toOctal(set.Type, data))})
	}
	return types.Change{Action: action, ResourceRecordSet: out}
}

// Read returns the state of the name.
func (s *server) Read(ctx context.Context, name federation.FQDN) (batch.State, error) {
	return s.p.read(ctx, budget.Change, s.zone, name)
}
