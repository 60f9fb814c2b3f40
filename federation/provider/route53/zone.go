package route53

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/internal/batch"
)

// hostedZone is the one that the provider writes to.
type hostedZone struct {
	id   string // without "/hostedzone/"
	name federation.FQDN
}

// findZone looks for the hosted zone that the configuration means.
func (p *Provider) findZone(ctx context.Context) (hostedZone, error) {
	if p.config.HostedZoneID != "" {
		return p.zoneByID(ctx)
	}
	var others []string // found on the way, of the other visibility
	for name := p.config.Domain; name != "" && name != "."; name = parent(name) {
		all, err := p.zonesNamed(ctx, name)
		if err != nil {
			return hostedZone{}, err
		}
		fit := slices.DeleteFunc(slices.Clone(all), func(z types.HostedZone) bool { return !p.visible(z) })
		switch len(fit) {
		case 0:
			others = append(others, describe(all)...)
		case 1:
			return asZone(fit[0])
		default:
			return hostedZone{}, fmt.Errorf("%w: route53: there are several hosted zones named %q: %s: say which is meant by hostedZoneID, or by visibility", provider.ErrRefused, name, strings.Join(describe(fit), ", "))
		}
	}
	if len(others) > 0 {
		return hostedZone{}, fmt.Errorf("%w: route53: no hosted zone for domain %q or a parent of it is %s, only %s: check visibility", provider.ErrRefused, p.config.Domain, p.config.Visibility, strings.Join(others, ", "))
	}
	return hostedZone{}, fmt.Errorf("%w: route53: the account has no hosted zone for domain %q or a parent of it: create it, or check the account that the credentials belong to", provider.ErrRefused, p.config.Domain)
}

func parent(name federation.FQDN) federation.FQDN {
	_, rest, _ := strings.Cut(string(name), ".")
	return federation.FQDN(rest)
}

func (p *Provider) zoneByID(ctx context.Context) (hostedZone, error) {
	var out *sdk.GetHostedZoneOutput
	err := batch.Read(ctx, func() error {
		return p.call(ctx, budget.Change, p.config.HostedZoneID, "GetHostedZone", func(ctx context.Context, api *sdk.Client) (err error) {
			out, err = api.GetHostedZone(ctx, &sdk.GetHostedZoneInput{Id: aws.String(p.config.HostedZoneID)})
			return err
		})
	})
	if err != nil {
		return hostedZone{}, err
	}
	zone, err := asZone(*out.HostedZone)
	switch {
	case err != nil:
		return zone, err
	case !p.config.Domain.In(zone.name):
		return zone, fmt.Errorf("%w: route53: hosted zone %s is %q, which does not hold domain %q: check hostedZoneID and domain", provider.ErrRefused, zone.id, zone.name, p.config.Domain)
	case !p.visible(*out.HostedZone):
		return zone, fmt.Errorf("%w: route53: hosted zone %s is not %s: check hostedZoneID and visibility", provider.ErrRefused, zone.id, p.config.Visibility)
	}
	return zone, nil
}

func asZone(z types.HostedZone) (hostedZone, error) {
	name, err := nameFromOctal(aws.ToString(z.Name))
	if err != nil {
		return hostedZone{}, fmt.Errorf("%w: route53: %w", provider.ErrRefused, err)
	}
	return hostedZone{id: strings.TrimPrefix(aws.ToString(z.Id), "/hostedzone/"), name: name}, nil
}

func (p *Provider) visible(z types.HostedZone) bool {
	return p.config.Visibility == "" || p.config.Visibility == visibility(z)
}

// zonesNamed returns the hosted zones of exactly that name.
func (p *Provider) zonesNamed(ctx context.Context, name federation.FQDN) (all []types.HostedZone, err error) {
	in := &sdk.ListHostedZonesByNameInput{DNSName: aws.String(nameToOctal(string(name))), MaxItems: aws.Int32(100)}
	for {
		var out *sdk.ListHostedZonesByNameOutput
		err := batch.Read(ctx, func() error {
			return p.call(ctx, budget.Change, "", "ListHostedZonesByName", func(ctx context.Context, api *sdk.Client) (err error) {
				out, err = api.ListHostedZonesByName(ctx, in)
				return err
			})
		})
		if err != nil {
			return nil, err
		}
		for _, z := range out.HostedZones {
			zone, err := asZone(z)
			if err != nil || zone.name != name {
				return all, err // sorted by name: nothing more can come
			}
			all = append(all, z)
		}
		if !out.IsTruncated {
			return all, nil
		}
		in = &sdk.ListHostedZonesByNameInput{DNSName: out.NextDNSName, HostedZoneId: out.NextHostedZoneId, MaxItems: in.MaxItems}
	}
}

// describe names hosted zones: "Z0123 (private)".
func describe(all []types.HostedZone) (texts []string) {
	for _, z := range all {
		texts = append(texts, strings.TrimPrefix(aws.ToString(z.Id), "/hostedzone/")+" ("+visibility(z)+")")
	}
	return texts
}

func visibility(z types.HostedZone) string {
	if z.Config != nil && z.Config.PrivateZone {
		return "private"
	}
	return "public"
}
