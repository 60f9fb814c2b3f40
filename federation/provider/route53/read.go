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

// maxPage is the most RRsets in one answer. A name has few: namePage is
// asked for to read one.
const (
	maxPage  = 300
	namePage = 20
)

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
	var all []types.ResourceRecordSet
	in := &sdk.ListResourceRecordSetsInput{HostedZoneId: aws.String(zone.ID), StartRecordName: aws.String(nameToOctal(string(name))), MaxItems: aws.Int32(namePage)}
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

func (p *Provider) page(ctx context.Context, kind budget.Kind, in *sdk.ListResourceRecordSetsInput) (out *sdk.ListResourceRecordSetsOutput, err error) {
	err = batch.Read(ctx, func() error {
		return p.call(ctx, kind, aws.ToString(in.HostedZoneId), "ListResourceRecordSets", func(ctx context.Context, api *sdk.Client) (err error) {
			out, err = api.ListResourceRecordSets(ctx, in)
			return err
		})
	})
	return out, err
}

// next asks for what follows an answer; nil if nothing does.
func next(zone cloud.Zone, in *sdk.ListResourceRecordSetsInput, out *sdk.ListResourceRecordSetsOutput) *sdk.ListResourceRecordSetsInput {
	if !out.IsTruncated || out.NextRecordName == nil {
		return nil
	}
	return &sdk.ListResourceRecordSetsInput{
		HostedZoneId: aws.String(zone.ID), MaxItems: in.MaxItems,
		StartRecordName: out.NextRecordName, StartRecordType: out.NextRecordType, StartRecordIdentifier: out.NextRecordIdentifier,
	}
}

// stateOf returns what the RRsets are to us.
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

// Serves goes by the delegations and wildcards in the hosted zone; see
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

// List reads the subtree page by page: as Route 53 sorts by the labels from
// the right, it is one run of the zone. It is not the state of one moment, but
// each name is. See provider.Provider.
func (p *Provider) List(ctx context.Context, suffix federation.FQDN, yield func(federation.RRset) error) error {
	zone, err := p.zone.Get(ctx)
	if err != nil {
		return fmt.Errorf("list of %q: %w", suffix, err)
	}
	if err := cloud.CheckIn(zone.Name, "suffix", suffix); err != nil {
		return err
	}
	in := &sdk.ListResourceRecordSetsInput{HostedZoneId: aws.String(zone.ID), StartRecordName: aws.String(nameToOctal(string(suffix))), MaxItems: aws.Int32(maxPage)}
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
			// The last name goes on in the next page: read it there as a whole.
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

// page takes an answer; done means that the subtree has ended.
func (l *lister) page(out *sdk.ListResourceRecordSetsOutput) (done bool, err error) {
	names := 0
	for i, set := range out.ResourceRecordSets {
		owner, err := nameFromOctal(aws.ToString(set.Name))
		if err != nil {
			continue // nobody can ask for it, and it is not ours
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
	zone, err := p.zone.Get(ctx)
	if err != nil {
		return 0, err
	}
	in := &sdk.ListResourceRecordSetsInput{HostedZoneId: aws.String(zone.ID), StartRecordName: aws.String(nameToOctal(string(zone.Name))), StartRecordType: types.RRTypeSoa, MaxItems: aws.Int32(1)}
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
