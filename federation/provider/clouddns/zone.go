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

// findZone returns the managed zone that the configuration means.
func (p *Provider) findZone(ctx context.Context) (cloud.Zone, error) {
	search := cloud.Search{
		Domain: p.config.Domain, Visibility: p.config.Visibility,
		Service: "clouddns", Noun: "managed zone", Named: "managed zones of", Field: "managedZone",
		None: fmt.Sprintf("the project has no managed zone of domain %q or a parent of it: "+
			"create it, or check project", p.config.Domain),
		NoneFits: fmt.Sprintf("no managed zone of domain %q or a parent of it fits", p.config.Domain),
	}
	if p.config.ManagedZone == "" {
		return search.Find(ctx, p.zonesOf)
	}
	zone, err := p.zoneByName(ctx)
	if err == nil {
		err = search.Check(zone)
	}
	return zone, err
}

func (p *Provider) zoneByName(ctx context.Context) (cloud.Zone, error) {
	var out *sdk.ManagedZone
	err := batch.Read(ctx, func() error {
		return p.client.Do(ctx, budget.Change, "", "managedZones.get",
			func(ctx context.Context, on *session) (err error) {
				out, err = on.api.ManagedZones.Get(on.project, p.config.ManagedZone).Context(ctx).Do()
				return err
			})
	})
	if err != nil {
		return cloud.Zone{}, err
	}
	return asZone(out)
}

func asZone(z *sdk.ManagedZone) (cloud.Zone, error) {
	name, err := provider.ParseName(z.DnsName)
	if err != nil {
		return cloud.Zone{}, fmt.Errorf("%w: clouddns: managed zone %s: %w", provider.ErrRefused, z.Name, err)
	}
	visibility := "public"
	if z.Visibility == "private" {
		visibility = "private"
	}
	return cloud.Zone{ID: z.Name, Name: name, Visibility: visibility, Purpose: purpose(z)}, nil
}

// purpose is what a managed zone without records of its own is for.
func purpose(z *sdk.ManagedZone) string {
	switch {
	case z.ForwardingConfig != nil:
		return "forwarding"
	case z.PeeringConfig != nil:
		return "peering"
	case z.ServiceDirectoryConfig != nil:
		return "Service Directory"
	}
	return ""
}

// zonesOf returns the managed zones of exactly that DNS name.
func (p *Provider) zonesOf(ctx context.Context, name federation.FQDN) (all []cloud.Zone, err error) {
	for token, more := "", true; more; {
		var out *sdk.ManagedZonesListResponse
		err := batch.Read(ctx, func() error {
			return p.client.Do(ctx, budget.Change, "", findAction, func(ctx context.Context, on *session) (err error) {
				out, err = on.api.ManagedZones.List(on.project).DnsName(string(name)).PageToken(token).Context(ctx).Do()
				return err
			})
		})
		if err != nil {
			return nil, err
		}
		for _, z := range out.ManagedZones {
			zone, err := asZone(z)
			if err != nil {
				return nil, err
			}
			all = append(all, zone)
		}
		token, more = out.NextPageToken, out.NextPageToken != ""
	}
	return all, nil
}
