package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/clouddns"
	"github.com/federation-dns/federation/federation/provider/hostrecords"
	"github.com/federation-dns/federation/federation/provider/rfc2136"
	"github.com/federation-dns/federation/federation/provider/route53"
	"github.com/federation-dns/federation/federation/resolve"
)

// Provider is the DNS provider of a federation, or that it has none. One of its pointers is set.
type Provider struct {
	RFC2136  *rfc2136.Config
	Route53  *route53.Config
	CloudDNS *clouddns.Config
	// None keeps the records in the host cluster: no zone has them (M7).
	None *hostrecords.Config
	// RequestsPerSecond is the budget of the account, which all its federations share. RFC 2136 servers have none, nor
	// has the host.
	RequestsPerSecond int
}

// Account identifies the account whose budget the provider shares, or is empty if there is none.
func (p Provider) Account() string {
	switch {
	case p.Route53 != nil:
		return p.Route53.BudgetKey()
	case p.CloudDNS != nil:
		return p.CloudDNS.BudgetKey()
	}
	return ""
}

// Open returns the provider, or an error if its configuration is invalid. It does not connect. The budget may be nil.
func (p Provider) Open(b *budget.Budget) (provider.Provider, error) {
	switch {
	case p.RFC2136 != nil:
		return rfc2136.New(*p.RFC2136)
	case p.Route53 != nil:
		c := *p.Route53
		c.Budget = b
		return route53.New(c)
	case p.CloudDNS != nil:
		c := *p.CloudDNS
		c.Budget = b
		return clouddns.New(c)
	case p.None != nil:
		return hostrecords.New(*p.None)
	}
	return nil, errors.New("no provider")
}

// provider validates the only provider of a federation. The packages of the providers check what only they know.
func (p *parser) provider(c *Config, here fieldPath, in fileProvider, f federation.Federation) (out Provider) {
	domain := f.Domain
	before := len(p.errs)
	var which []string
	if in.RFC2136 != nil {
		which = append(which, "rfc2136")
		out.RFC2136 = p.rfc2136(c, here.child("rfc2136"), *in.RFC2136, domain)
	}
	if r := in.Route53; r != nil {
		which = append(which, "route53")
		out.Route53 = &route53.Config{
			Domain: domain, HostedZoneID: r.HostedZoneID, Visibility: r.Visibility, RoleARN: r.RoleARN,
			ExternalID: r.ExternalID, Region: r.Region, Endpoint: r.Endpoint, WaitInSync: r.WaitInSync,
		}
		out.RequestsPerSecond = p.requestsPerSecond(here.child("route53"), r.RequestsPerSecond)
	}
	if d := in.CloudDNS; d != nil {
		which = append(which, "cloudDNS")
		out.CloudDNS = &clouddns.Config{
			Domain: domain, Project: d.Project, ManagedZone: d.ManagedZone, Visibility: d.Visibility,
			Endpoint: d.Endpoint,
		}
		out.RequestsPerSecond = p.requestsPerSecond(here.child("cloudDNS"), d.RequestsPerSecond)
	}
	if in.None != nil {
		which = append(which, "none")
		if c.Host == nil {
			p.fail(here.child("none"), "without a DNS provider the records are kept in the host cluster, and a host "+
				"is needed: host.inCluster or host.kubeconfig")
		} else {
			out.None = &hostrecords.Config{Host: c.Host.Client(), Federation: f.Name, Domain: domain}
		}
	}
	switch {
	case len(which) == 0:
		p.fail(here, "a provider is needed: rfc2136 {server, zone, tsig}, route53 {} or cloudDNS {}; or none {}, "+
			"for answers from the members' mirrors alone, without a zone")
		return out
	case len(which) > 1:
		p.fail(here, "one provider is allowed, there are %s: a zone is hosted by one", strings.Join(which, ", "))
		return out
	}
	if len(p.errs) == before && len(p.bad) == 0 && (domain != "" || out.RFC2136 != nil) {
		opened, err := out.Open(nil)
		p.check(here.child(which[0]), err)
		if err == nil {
			_ = opened.Close() // it has no connections yet
		}
	}
	return out
}

func (p *parser) requestsPerSecond(here fieldPath, n *whole) int {
	if n == nil {
		return budget.PerSecond
	}
	p.between(here.child("requestsPerSecond"), *n, 1, 100, "requests a second")
	return int(*n)
}

func (p *parser) rfc2136(c *Config, here fieldPath, in fileRFC2136, domain federation.FQDN) *rfc2136.Config {
	zone, err := federation.ParseDomain(in.Zone)
	p.check(here.child("zone"), err)
	if err == nil && domain != "" && !domain.In(zone) {
		p.fail(here.child("zone"), "domain %q does not lie in zone %q", domain, zone)
	}
	if in.Server == "" {
		p.fail(here.child("server"), "the primary of the zone is needed: host or host:port")
	} else if !isServerAddress(in.Server) {
		p.fail(here.child("server"), "%q: host or host:port is allowed, with a host name or an IP address "+
			"([address]:port for IPv6) and a port from 1 to 65535", in.Server)
	}
	return &rfc2136.Config{Server: in.Server, Zone: zone, TSIG: rfc2136.TSIG{
		Name: in.TSIG.Name, Algorithm: in.TSIG.Algorithm,
		Secret: p.secret(c, here.child("tsig", "secretFile"), in.TSIG.SecretFile),
	}}
}

// accounts refuses two different budgets for one account, as both would be spent.
func (p *parser) accounts(c *Config) {
	first := map[string]int{}
	for i, f := range c.Federations {
		account := f.Provider.Account()
		if account == "" || f.Provider.RequestsPerSecond < 1 { // or wrong by itself
			continue
		}
		j, seen := first[account]
		if !seen {
			first[account] = i
		} else if n := c.Federations[j].Provider.RequestsPerSecond; n != f.Provider.RequestsPerSecond {
			p.fail(fieldPath{"federations", i, "provider"},
				"requestsPerSecond is that of the account: it must be the same as in federations[%d], which has %d",
				j, n)
		}
	}
}

// nested refuses a domain that is also a level of the same federation in another domain: both would have the same
// names.
func (p *parser) nested(c *Config) {
	for i, f := range c.Federations {
		for _, o := range c.Federations {
			rest, below := strings.CutSuffix(string(f.Domain), "."+string(o.Domain))
			labels := strings.Count(rest, ".") + 1
			if below && o.Domain != "" && f.Name == o.Name && f.Name != "" &&
				(labels == 1 || labels == 2 && o.Naming == federation.Nested) {
				p.fail(fieldPath{"federations", i, "domain"},
					"%q is what a level of the same federation in domain %q would be called", f.Domain, o.Domain)
			}
		}
	}
}

// secret reads a file with a secret, which it never puts into an error.
func (p *parser) secret(c *Config, here fieldPath, name string) string {
	if name == "" {
		p.fail(here, "a file with the secret of the key, in base64, is needed")
		return ""
	}
	path := p.file(name)
	c.Files = append(c.Files, path)
	data, err := os.ReadFile(path)
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = fmt.Errorf("file %q: %w", path, pathErr.Err)
	}
	p.check(here, err)
	return strings.TrimSpace(string(data))
}

// dnsServers parses the servers that resolve host names (H4).
func (p *parser) dnsServers(here fieldPath, list []string) (servers []netip.AddrPort) {
	for i, text := range list {
		server, err := resolve.ParseServer(text)
		p.check(here.child(i), err)
		servers = append(servers, server)
	}
	return servers
}
