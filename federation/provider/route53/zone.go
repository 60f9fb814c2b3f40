package route53

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/internal/batch"
	"github.com/federation-dns/federation/federation/provider/internal/cloud"
)

// findZone returns the hosted zone that the configuration means.
func (p *Provider) findZone(ctx context.Context) (cloud.Zone, error) {
	search := cloud.Search{
		Domain: p.config.Domain, Visibility: p.config.Visibility,
		Service: "route53", Noun: "hosted zone", Named: "hosted zones named", Field: "hostedZoneID",
		None: fmt.Sprintf("the account has no hosted zone for domain %q or a parent of it: "+
			"create it, or check the account that the credentials belong to", p.config.Domain),
		NoneFits: fmt.Sprintf("no hosted zone for domain %q or a parent of it is %s",
			p.config.Domain, p.config.Visibility),
	}
	if p.config.HostedZoneID == "" {
		return search.Find(ctx, p.zonesNamed)
	}
	zone, err := p.zoneByID(ctx)
	if err == nil {
		err = search.Check(zone)
	}
	return zone, err
}

func (p *Provider) zoneByID(ctx context.Context) (cloud.Zone, error) {
	var out *sdk.GetHostedZoneOutput
	err := batch.Read(ctx, func() error {
		return p.call(ctx, budget.Change, p.config.HostedZoneID, "GetHostedZone",
			func(ctx context.Context, api *sdk.Client) (err error) {
				out, err = api.GetHostedZone(ctx, &sdk.GetHostedZoneInput{Id: aws.String(p.config.HostedZoneID)})
				return err
			})
	})
	if err != nil {
		return cloud.Zone{}, err
	}
	return asZone(*out.HostedZone)
}

func asZone(z types.HostedZone) (cloud.Zone, error) {
	name, err := nameFromOctal(aws.ToString(z.Name))
	if err != nil {
		return cloud.Zone{}, fmt.Errorf("%w: route53: %w", provider.ErrRefused, err)
	}
	visibility := "public"
	if z.Config != nil && z.Config.PrivateZone {
		visibility = "private"
	}
	id := strings.TrimPrefix(aws.ToString(z.Id), "/hostedzone/")
	return cloud.Zone{ID: id, Name: name, Visibility: visibility}, nil
}

// zonesNamed returns the hosted zones of exactly that name.
func (p *Provider) zonesNamed(ctx context.Context, name federation.FQDN) (all []cloud.Zone, err error) {
	in := &sdk.ListHostedZonesByNameInput{DNSName: aws.String(nameToOctal(string(name))), MaxItems: aws.Int32(100)}
	for {
		var out *sdk.ListHostedZonesByNameOutput
		err := batch.Read(ctx, func() error {
			return p.call(ctx, budget.Change, "", "ListHostedZonesByName",
				func(ctx context.Context, api *sdk.Client) (err error) {
					out, err = api.ListHostedZonesByName(ctx, in)
					return err
				})
		})
		if err != nil {
			return nil, err
		}
		for _, z := range out.HostedZones {
			zone, err := asZone(z)
			if err != nil || zone.Name != name {
				return all, err // sorted by name: nothing more can come
			}
			all = append(all, zone)
		}
		if !out.IsTruncated {
			return all, nil
		}
		in = &sdk.ListHostedZonesByNameInput{
			DNSName: out.NextDNSName, HostedZoneId: out.NextHostedZoneId, MaxItems: in.MaxItems,
		}
	}
}
