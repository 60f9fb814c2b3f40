package clouddns

import (
	"context"
	"fmt"
	"slices"
	"strings"

	sdk "google.golang.org/api/dns/v1"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/internal/batch"
)

// managedZone is the one that the provider writes to.
type managedZone struct {
	name    string
	dnsName federation.FQDN
}

// findZone looks for the managed zone that the configuration means.
func (p *Provider) findZone(ctx context.Context) (managedZone, error) {
	if p.config.ManagedZone != "" {
		return p.zoneByName(ctx)
	}
	var others []string // found on the way, but of no use
	for name := p.config.Domain; name != "" && name != "."; name = parent(name) {
		all, err := p.zonesOf(ctx, name)
		if err != nil {
			return managedZone{}, err
		}
		fit := slices.DeleteFunc(slices.Clone(all), func(z *sdk.ManagedZone) bool { return !p.visible(z) || elsewhere(z) != "" })
		switch len(fit) {
		case 0:
			others = append(others, describe(all)...)
		case 1:
			return asZone(fit[0])
		default:
			return managedZone{}, fmt.Errorf("%w: clouddns: there are several managed zones of %q: %s: say which is meant by managedZone, or by visibility", provider.ErrRefused, name, strings.Join(describe(fit), ", "))
		}
	}
	if len(others) > 0 {
		return managedZone{}, fmt.Errorf("%w: clouddns: no managed zone of domain %q or a parent of it fits, only there are %s: check visibility", provider.ErrRefused, p.config.Domain, strings.Join(others, ", "))
	}
	return managedZone{}, fmt.Errorf("%w: clouddns: the project has no managed zone of domain %q or a parent of it: create it, or check project", provider.ErrRefused, p.config.Domain)
}

func parent(name federation.FQDN) federation.FQDN {
	_, rest, _ := strings.Cut(string(name), ".")
	return federation.FQDN(rest)
}

func (p *Provider) zoneByName(ctx context.Context) (managedZone, error) {
	var out *sdk.ManagedZone
	err := batch.Read(ctx, func() error {
		return p.call(ctx, budget.Change, "", "managedZones.get", func(ctx context.Context, on *session) (err error) {
			out, err = on.api.ManagedZones.Get(on.project, p.config.ManagedZone).Context(ctx).Do()
			return err
		})
	})
	if err != nil {
		return managedZone{}, err
	}
	zone, err := asZone(out)
	switch {
	case err != nil:
		return zone, err
	case !p.config.Domain.In(zone.dnsName):
		return zone, fmt.Errorf("%w: clouddns: managed zone %s is of %q, which does not hold domain %q: check managedZone and domain", provider.ErrRefused, zone.name, zone.dnsName, p.config.Domain)
	case !p.visible(out):
		return zone, fmt.Errorf("%w: clouddns: managed zone %s is not %s: check managedZone and visibility", provider.ErrRefused, zone.name, p.config.Visibility)
	case elsewhere(out) != "":
		return zone, fmt.Errorf("%w: clouddns: managed zone %s holds no records, it is for %s: check managedZone", provider.ErrRefused, zone.name, elsewhere(out))
	}
	return zone, nil
}

func asZone(z *sdk.ManagedZone) (managedZone, error) {
	name, err := parseName(z.DnsName)
	if err != nil {
		return managedZone{}, fmt.Errorf("%w: clouddns: managed zone %s: %w", provider.ErrRefused, z.Name, err)
	}
	return managedZone{name: z.Name, dnsName: name}, nil
}

func (p *Provider) visible(z *sdk.ManagedZone) bool {
	return p.config.Visibility == "" || p.config.Visibility == visibility(z)
}

// elsewhere says what a managed zone without records of its own is for.
func elsewhere(z *sdk.ManagedZone) string {
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
func (p *Provider) zonesOf(ctx context.Context, name federation.FQDN) (all []*sdk.ManagedZone, err error) {
	for token, more := "", true; more; {
		var out *sdk.ManagedZonesListResponse
		err := batch.Read(ctx, func() error {
			return p.call(ctx, budget.Change, "", findAction, func(ctx context.Context, on *session) (err error) {
				out, err = on.api.ManagedZones.List(on.project).DnsName(string(name)).PageToken(token).Context(ctx).Do()
				return err
			})
		})
		if err != nil {
			return nil, err
		}
		all = append(all, out.ManagedZones...)
		token, more = out.NextPageToken, out.NextPageToken != ""
	}
	return all, nil
}

// describe names managed zones: "example-com (private)".
func describe(all []*sdk.ManagedZone) (texts []string) {
	for _, z := range all {
		text := visibility(z)
		if to := elsewhere(z); to != "" {
			text += ", for " + to
		}
		texts = append(texts, z.Name+" ("+text+")")
	}
	return texts
}

func visibility(z *sdk.ManagedZone) string {
	if z.Visibility == "private" {
		return "private"
	}
	return "public"
}
