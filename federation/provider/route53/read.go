package route53

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/internal/batch"
	"github.com/federation-dns/federation/federation/provider/internal/cloud"
)

// maxPage is the most RRsets in one answer. A name has few: namePage is asked for to read one.
const (
	maxPage  = 300
	namePage = 20
)

// Get reads one name; see provider.Provider.
func (p *Provider) Get(ctx context.Context, name federation.FQDN) ([]federation.RRset, error) {
	return p.names.Get(ctx, name)
}

// Serves goes by the delegations and wildcards in the hosted zone; see provider.ClientView.
func (p *Provider) Serves(ctx context.Context, suffix federation.FQDN) (provider.Served, error) {
	return p.names.Serves(ctx, suffix)
}

// read returns what is at the name, usually by one request.
func (p *Provider) read(
	ctx context.Context, kind budget.Kind, zone cloud.Zone, name federation.FQDN,
) (batch.State, error) {
	var all []types.ResourceRecordSet
	in := startAt(zone, name, namePage)
	for in != nil {
		out, err := p.page(ctx, kind, in)
		if err != nil {
			return batch.State{}, err
		}
		in = next(zone, in, out)
		for _, set := range out.ResourceRecordSets {
			if owner, err := nameFromOctal(aws.ToString(set.Name)); err != nil || owner != name {
				in = nil
				break
			}
			all = append(all, set)
		}
	}
	return stateOf(name, all), nil
}

// startAt requests a page that starts at the name.
func startAt(zone cloud.Zone, name federation.FQDN, size int32) *sdk.ListResourceRecordSetsInput {
	start := nameToOctal(string(name))
	return &sdk.ListResourceRecordSetsInput{
		HostedZoneId: aws.String(zone.ID), StartRecordName: aws.String(start), MaxItems: aws.Int32(size),
	}
}

func (p *Provider) page(
	ctx context.Context, kind budget.Kind, in *sdk.ListResourceRecordSetsInput,
) (out *sdk.ListResourceRecordSetsOutput, err error) {
	err = batch.Read(ctx, func() error {
		return p.call(ctx, kind, aws.ToString(in.HostedZoneId), "ListResourceRecordSets",
			func(ctx context.Context, api *sdk.Client) (err error) {
				out, err = api.ListResourceRecordSets(ctx, in)
				return err
			})
	})
	return out, err
}

// next requests the page that follows an answer; nil if none does.
func next(
	zone cloud.Zone, in *sdk.ListResourceRecordSetsInput, out *sdk.ListResourceRecordSetsOutput,
) *sdk.ListResourceRecordSetsInput {
	if !out.IsTruncated || out.NextRecordName == nil {
		return nil
	}
	return &sdk.ListResourceRecordSetsInput{
		HostedZoneId: aws.String(zone.ID), MaxItems: in.MaxItems,
		StartRecordName: out.NextRecordName, StartRecordType: out.NextRecordType,
		StartRecordIdentifier: out.NextRecordIdentifier,
	}
}

// stateOf sorts the RRsets at a name into ours and foreign ones.
func stateOf(name federation.FQDN, all []types.ResourceRecordSet) batch.State {
	sets := make([]cloud.RRset, len(all))
	for i, set := range all {
		sets[i] = cloud.RRset{Type: string(set.Type), TTL: aws.ToInt64(set.TTL)}
		switch {
		case set.AliasTarget != nil:
			sets[i].Special = "alias"
		case set.SetIdentifier != nil:
			sets[i].Special = "routing policy"
		case set.TrafficPolicyInstanceId != nil:
			sets[i].Special = "traffic policy"
		}
		for _, r := range set.ResourceRecords {
			sets[i].Data = append(sets[i].Data, fromOctal(aws.ToString(r.Value)))
		}
	}
	return cloud.State(name, sets)
}

// List reads the subtree page by page: as Route 53 sorts by the labels from the right, it is one run of the zone. It is
// not the state of one moment, but each name is. See provider.Provider.
func (p *Provider) List(ctx context.Context, suffix federation.FQDN, yield func(federation.RRset) error) error {
	zone, err := p.names.Subtree(ctx, suffix)
	if err != nil {
		return err
	}
	in := startAt(zone, suffix, maxPage)
	l := lister{ctx: ctx, suffix: suffix, yield: yield}
	for {
		out, err := p.page(ctx, budget.List, in)
		if err != nil {
			return fmt.Errorf("list of %q: %w", suffix, err)
		}
		done, err := l.page(out)
		if err != nil {
			return err
		}
		if done {
			return nil
		}
		if in = next(zone, in, out); in == nil {
			break
		}
		if following, err := nameFromOctal(aws.ToString(in.StartRecordName)); err == nil && !following.In(suffix) {
			break // the subtree ends with the page
		}
		if l.restart {
			// The last name continues in the next page: read it there as a whole.
			in.StartRecordType, in.StartRecordIdentifier = "", nil
		}
	}
	return l.flush()
}

// lister gathers the RRsets of a name until it is complete.
type lister struct {
	ctx     context.Context
	suffix  federation.FQDN
	yield   func(federation.RRset) error
	name    federation.FQDN
	all     []types.ResourceRecordSet
	restart bool
}

// page adds an answer; done means that the subtree has ended.
func (l *lister) page(out *sdk.ListResourceRecordSetsOutput) (done bool, err error) {
	names := 0
	for i, set := range out.ResourceRecordSets {
		owner, err := nameFromOctal(aws.ToString(set.Name))
		if err != nil {
			continue // no client can query it, and it is not ours
		}
		if i == 0 || owner != l.name {
			names++
		}
		if owner != l.name {
			if err := l.flush(); err != nil {
				return false, err
			}
			if !owner.In(l.suffix) {
				return true, nil
			}
			l.name = owner
		}
		l.all = append(l.all, set)
	}
	l.restart = false
	if out.IsTruncated && names > 1 {
		if following, err := nameFromOctal(aws.ToString(out.NextRecordName)); err == nil && following == l.name {
			l.restart, l.name, l.all = true, "", nil
		}
	}
	return false, nil
}

// flush yields the name that is complete.
func (l *lister) flush() error {
	sets := stateOf(l.name, l.all).Sets
	l.name, l.all = "", nil
	for _, set := range sets {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		if err := l.yield(set); err != nil {
			return err
		}
	}
	return nil
}

// NegativeTTL reads the hosted zone's SOA record; see provider.Provider.
func (p *Provider) NegativeTTL(ctx context.Context) (minimum uint32, err error) {
	zone, err := p.names.Zone.Get(ctx)
	if err != nil {
		return 0, err
	}
	in := startAt(zone, zone.Name, 1)
	in.StartRecordType = types.RRTypeSoa
	out, err := p.page(ctx, budget.Change, in)
	if err != nil {
		return 0, err
	}
	for _, set := range out.ResourceRecordSets {
		if set.Type != types.RRTypeSoa || len(set.ResourceRecords) != 1 {
			continue
		}
		if minimum, ok := cloud.NegativeTTL(aws.ToInt64(set.TTL), aws.ToString(set.ResourceRecords[0].Value)); ok {
			return minimum, nil
		}
	}
	return 0, fmt.Errorf("%w: route53: hosted zone %s has no SOA record that can be read", provider.ErrRefused, zone.ID)
}
