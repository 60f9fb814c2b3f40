package syncer

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/clouddns"
	"github.com/federation-dns/federation/federation/provider/rfc2136"
	"github.com/federation-dns/federation/federation/provider/route53"
	"github.com/federation-dns/federation/federation/resolve"
)

// The bounds of configured values.
const (
	maxTTL       = 86400 // a day: a longer one would outlive every repair
	maxAddresses = 256
	maxZones     = 16 // H6
)

// clusterZone is the usual cluster zone: a domain in it would loop (N4), a host
// name in it leads nowhere (H3c).
const clusterZone federation.FQDN = "cluster.local."

func (p *parser) config(f file) *Config {
	c := &Config{Owner: f.Owner, MetricsAddress: f.Metrics.Address, AdminSocket: p.file(f.Admin.Socket), LogLevel: f.Log.Level, LogFormat: f.Log.Format}
	p.constant(at{"apiVersion"}, f.APIVersion, APIVersion)
	p.constant(at{"kind"}, f.Kind, Kind)
	if f.Host != nil && f.Host.Kubeconfig.Path != "" {
		c.Host = &Host{
			Kubeconfig: Kubeconfig{Path: p.file(f.Host.Kubeconfig.Path), Context: f.Host.Kubeconfig.Context},
			Namespace:  string(p.label(at{"host", "namespace"}, cmp.Or(f.Host.Namespace, "federation-system"))),
			Lease:      p.subdomain(at{"host", "lease"}, cmp.Or(f.Host.Lease, "federation-syncer")),
		}
	}
	if f.Owner != "" {
		_, err := federation.ParseOwnerID(f.Owner)
		p.check(at{"owner"}, err)
	} else if c.Host == nil {
		p.fail(at{"owner"}, "an id of this syncer, such as syncer-eu, is needed, or a host.kubeconfig to take it from")
	}
	timers := at{"timers"}
	c.Policy = policy.Config{
		UnreachableAfter: p.duration(timers.to("unreachableAfter"), f.Timers.UnreachableAfter, time.Second),
		StartupTimeout:   p.duration(timers.to("startupTimeout"), f.Timers.StartupTimeout, time.Second),
		EmptyGrace:       p.duration(timers.to("emptyGrace"), f.Timers.EmptyGrace, 0),
		HeldMax:          p.duration(timers.to("heldMax"), f.Timers.HeldMax, time.Second),
		PanicThreshold:   f.PanicThreshold,
		PanicHold:        p.duration(timers.to("panicHold"), f.Timers.PanicHold, time.Second),
		MaxDeletePercent: f.MaxDeletePercent,
		HoldFor:          p.duration(timers.to("holdFor"), f.Timers.HoldFor, time.Second),
	}
	c.AuditInterval = p.duration(timers.to("auditInterval"), f.Timers.AuditInterval, time.Second)
	p.between(at{"panicThreshold"}, f.PanicThreshold, 1, 100, "percent")
	p.between(at{"maxDeletePercent"}, f.MaxDeletePercent, 1, 100, "percent")
	if _, port, err := net.SplitHostPort(f.Metrics.Address); err != nil {
		p.fail(at{"metrics", "address"}, "%q is not [host]:port", f.Metrics.Address)
	} else if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		p.fail(at{"metrics", "address"}, "port %q is not a number from 0 to 65535", port)
	}
	if f.Admin.Socket == "" {
		p.fail(at{"admin", "socket"}, "the path of a Unix socket is needed")
	}
	p.oneOf(at{"log", "level"}, f.Log.Level, "debug", "info", "warn", "error")
	p.oneOf(at{"log", "format"}, f.Log.Format, "text", "json")
	p.federations(c, f.Federations)
	p.clusters(c, f.Clusters, p.dnsServers(at{"resolver", "servers"}, f.Resolver.Servers))
	return c
}

func (p *parser) constant(here at, have, want string) {
	if have != want {
		p.fail(here, "%q, want %q", have, want)
	}
}

func (p *parser) oneOf(here at, have string, allowed ...string) {
	if !slices.Contains(allowed, have) {
		p.fail(here, "%q: allowed are %s", have, strings.Join(allowed, ", "))
	}
}

func (p *parser) between(here at, n, low, high int, unit string) {
	if n < low || n > high {
		p.fail(here, "%d: %d to %d %s are allowed", n, low, high, unit)
	}
}

// duration reads "45s", "5m" or "24h"; "" is 0.
func (p *parser) duration(here at, text string, least time.Duration) time.Duration {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		p.fail(here, "%q is not a duration such as 45s, 5m or 24h", text)
	case d < least:
		p.fail(here, "%q: at least %s is allowed", text, least)
	}
	return d
}

func (p *parser) federations(c *Config, list []fileFederation) {
	if len(list) == 0 {
		p.fail(at{"federations"}, "at least one federation is needed: name, domain and provider")
	}
	seen := map[string]bool{}
	for i, ff := range list {
		here := at{"federations", i}
		f := Federation{}
		f.Federation = p.federation(here, ff)
		if f.Name != "" && f.Domain != "" {
			if seen[f.key()] {
				p.fail(here, "federation %q in domain %q stands twice", f.Name, f.Domain)
			}
			seen[f.key()] = true
		}
		if ff.TTL != nil {
			p.between(here.to("ttl"), *ff.TTL, 1, maxTTL, "seconds")
			f.Options.TTL = uint32(max(0, min(*ff.TTL, maxTTL)))
		}
		if ff.MaxAddresses != nil {
			p.between(here.to("maxAddresses"), *ff.MaxAddresses, 1, maxAddresses, "addresses")
			f.Options.MaxAddresses = *ff.MaxAddresses
		}
		p.oneOf(here.to("levels"), cmp.Or(ff.Levels, "all"), "all", "shards")
		f.Options.ShardLevelsOnly = ff.Levels == "shards"
		f.Options.RegionFallback = p.fallbacks(here.to("regionFallback"), ff.RegionFallback)
		f.Provider = p.provider(c, here.to("provider"), ff.Provider, f.Domain)
		c.Federations = append(c.Federations, f)
	}
	p.accounts(c)
	p.nested(c)
}

func (p *parser) federation(here at, ff fileFederation) (f federation.Federation) {
	var err error
	f.Name, err = federation.ParseName(ff.Name)
	p.check(here.to("name"), err)
	if err == nil && federation.IsTopLevelDomain(f.Name) {
		p.fail(here.to("name"), "%q is a public top-level domain: pods could not tell its names from those of the Internet", ff.Name)
	}
	f.Domain, err = federation.ParseDomain(ff.Domain)
	p.check(here.to("domain"), err)
	if err == nil && f.Domain.In(clusterZone) {
		p.fail(here.to("domain"), "%q lies in the cluster zone %q: the names would lead back into the cluster", ff.Domain, clusterZone)
	}
	f.Naming, err = federation.ParseNaming(ff.Naming)
	p.check(here.to("naming"), err)
	return f
}

func (p *parser) fallbacks(here at, in map[string][]string) map[federation.Label][]federation.Label {
	out := map[federation.Label][]federation.Label{}
	for _, region := range slices.Sorted(maps.Keys(in)) {
		key := p.label(here.to(region), region)
		for i, r := range in[region] {
			label := p.label(here.to(region, i), r)
			if label != "" && label == key {
				p.fail(here.to(region, i), "region %q cannot fall back to itself", r)
			}
			out[key] = append(out[key], label)
		}
	}
	return out
}

func (p *parser) label(here at, text string) federation.Label {
	label, err := federation.ParseLabel(text)
	p.check(here, err)
	return label
}

// provider is the one that stands there. What only the provider knows of its
// fields is said by its package.
func (p *parser) provider(c *Config, here at, in fileProvider, domain federation.FQDN) (out Provider) {
	before := len(p.errs)
	var which []string
	if in.RFC2136 != nil {
		which = append(which, "rfc2136")
		out.RFC2136 = p.rfc2136(c, here.to("rfc2136"), *in.RFC2136, domain)
	}
	if f := in.Route53; f != nil {
		which = append(which, "route53")
		out.Route53 = &route53.Config{
			Domain: domain, HostedZoneID: f.HostedZoneID, Visibility: f.Visibility, RoleARN: f.RoleARN, ExternalID: f.ExternalID,
			Region: f.Region, Endpoint: f.Endpoint, WaitInSync: f.WaitInSync,
		}
		out.RequestsPerSecond = p.requestsPerSecond(here.to("route53"), f.RequestsPerSecond)
	}
	if f := in.CloudDNS; f != nil {
		which = append(which, "cloudDNS")
		out.CloudDNS = &clouddns.Config{Domain: domain, Project: f.Project, ManagedZone: f.ManagedZone, Visibility: f.Visibility, Endpoint: f.Endpoint}
		out.RequestsPerSecond = p.requestsPerSecond(here.to("cloudDNS"), f.RequestsPerSecond)
	}
	switch {
	case len(which) == 0:
		p.fail(here, "a provider is needed: rfc2136 {server, zone, tsig}, route53 {} or cloudDNS {}")
		return out
	case len(which) > 1:
		p.fail(here, "one provider is allowed, there are %s: a zone is hosted by one", strings.Join(which, ", "))
		return out
	}
	if len(p.errs) == before && len(p.bad) == 0 && (domain != "" || out.RFC2136 != nil) {
		opened, err := out.open(nil)
		p.check(here.to(which[0]), err)
		if err == nil {
			_ = opened.Close() // it has no connections yet
		}
	}
	return out
}

func (p *parser) requestsPerSecond(here at, n *int) int {
	if n == nil {
		return budget.PerSecond
	}
	p.between(here.to("requestsPerSecond"), *n, 1, 100, "requests a second")
	return *n
}

func (p *parser) rfc2136(c *Config, here at, in fileRFC2136, domain federation.FQDN) *rfc2136.Config {
	zone, err := federation.ParseDomain(in.Zone)
	p.check(here.to("zone"), err)
	if err == nil && domain != "" && !domain.In(zone) {
		p.fail(here.to("zone"), "domain %q does not lie in zone %q", domain, zone)
	}
	if in.Server == "" {
		p.fail(here.to("server"), "the primary of the zone is needed: host or host:port")
	}
	return &rfc2136.Config{Server: in.Server, Zone: zone, TSIG: rfc2136.TSIG{
		Name: in.TSIG.Name, Algorithm: in.TSIG.Algorithm, Secret: p.secret(c, here.to("tsig", "secretFile"), in.TSIG.SecretFile),
	}}
}

// accounts refuses two budgets for one account: each would be spent in full.
func (p *parser) accounts(c *Config) {
	first := map[string]int{}
	for i, f := range c.Federations {
		account := f.Provider.account()
		if account == "" {
			continue
		}
		j, seen := first[account]
		if !seen {
			first[account] = i
		} else if n := c.Federations[j].Provider.RequestsPerSecond; n != f.Provider.RequestsPerSecond {
			p.fail(at{"federations", i, "provider"}, "requestsPerSecond is that of the account: it must be the same as in federations[%d], which has %d", j, n)
		}
	}
}

// nested refuses a domain in which a level of the same federation in another
// domain would lie: the two would have the same names.
func (p *parser) nested(c *Config) {
	for i, f := range c.Federations {
		for _, o := range c.Federations {
			rest, below := strings.CutSuffix(string(f.Domain), "."+string(o.Domain))
			labels := strings.Count(rest, ".") + 1
			if below && o.Domain != "" && f.Name == o.Name && f.Name != "" && (labels == 1 || labels == 2 && o.Naming == federation.Nested) {
				p.fail(at{"federations", i, "domain"}, "%q is what a level of the same federation in domain %q would be called", f.Domain, o.Domain)
			}
		}
	}
}

// secret reads a file with a secret; what is in it stands in no error.
func (p *parser) secret(c *Config, here at, name string) string {
	if name == "" {
		p.fail(here, "a file with the secret of the key, in base64, is needed")
		return ""
	}
	path := p.file(name)
	c.files = append(c.files, path)
	data, err := os.ReadFile(path)
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = fmt.Errorf("file %q: %w", path, pathErr.Err)
	}
	p.check(here, err)
	return strings.TrimSpace(string(data))
}

// dnsServers are the servers that are asked for host names (H4).
func (p *parser) dnsServers(here at, list []string) (servers []netip.AddrPort) {
	for i, text := range list {
		server, err := resolve.ParseServer(text)
		p.check(here.to(i), err)
		servers = append(servers, server)
	}
	return servers
}

func (p *parser) clusters(c *Config, list []fileCluster, dns []netip.AddrPort) {
	if len(list) == 0 {
		p.fail(at{"clusters"}, "at least one member cluster is needed: name and kubeconfig")
	}
	var labels []federation.Label
	forbidden := []federation.FQDN{clusterZone}
	for _, f := range c.Federations {
		if !slices.Contains(labels, f.Name) {
			labels = append(labels, f.Name)
		}
		if !slices.Contains(forbidden, f.Domain) {
			forbidden = append(forbidden, f.Domain)
		}
	}
	seen := map[string]bool{}
	for i, fc := range list {
		here := at{"clusters", i}
		name := p.subdomain(here.to("name"), fc.Name)
		if name != "" && seen[name] {
			p.fail(here.to("name"), "member %q stands twice", name)
		}
		seen[name] = true
		cl := p.cluster(here, fc, name, c.Policy, labels, forbidden)
		cl.DNS = dns
		c.Clusters = append(c.Clusters, cl)
	}
}

// subdomain is a DNS-1123 subdomain, as the names of objects are.
func (p *parser) subdomain(here at, text string) string {
	name, err := federation.ParseDomain(text)
	p.check(here, err)
	return strings.TrimSuffix(string(name), ".")
}

func (p *parser) cluster(here at, fc fileCluster, name string, times policy.Config, labels []federation.Label, forbidden []federation.FQDN) Cluster {
	if fc.Kubeconfig.Path == "" {
		p.fail(here.to("kubeconfig", "path"), "a kubeconfig file is needed")
	}
	if fc.MaxServices < 0 {
		p.fail(here.to("maxServices"), "%d: 0, which is no limit, or more is allowed", fc.MaxServices)
	}
	cl := Cluster{Kubeconfig: Kubeconfig{Path: p.file(fc.Kubeconfig.Path), Context: fc.Kubeconfig.Context}}
	cl.Drain = fc.Drain
	if fc.UnreachableAfter != "" {
		cl.UnreachableAfter = p.duration(here.to("unreachableAfter"), fc.UnreachableAfter, time.Second)
	}
	cl.Member = member.Config{
		Name: name, Federations: labels, MaxServices: fc.MaxServices,
		UnreachableAfter: cmp.Or(cl.UnreachableAfter, times.UnreachableAfter),
		Policy:           member.Policy{AllowAddressAnnotation: fc.AllowAddressAnnotation, ForbiddenHosts: forbidden},
	}
	for j, ns := range fc.Namespaces {
		cl.Member.Namespaces = append(cl.Member.Namespaces, string(p.label(here.to("namespaces", j), ns)))
	}
	for j, s := range fc.AddressCIDRs {
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			p.fail(here.to("addressCIDRs", j), "%q is not a prefix such as 192.0.2.0/24", s)
			continue
		}
		cl.Member.Policy.AddressCIDRs = append(cl.Member.Policy.AddressCIDRs, prefix.Masked())
	}
	for j, s := range fc.HostSuffixes {
		suffix, err := federation.ParseDomain(s)
		p.check(here.to("hostSuffixes", j), err)
		cl.Member.Policy.HostSuffixes = append(cl.Member.Policy.HostSuffixes, suffix)
	}
	cl.Member.Topology = p.topology(here.to("topology"), name, fc.Topology)
	return cl
}

func (p *parser) topology(here at, name string, in *fileTopology) *federation.Member {
	if in == nil {
		return nil
	}
	m := &federation.Member{Name: name}
	if in.Region != "" {
		m.Region = p.label(here.to("region"), in.Region)
	}
	for i, z := range in.Zones {
		if label := p.label(here.to("zones", i), z); !slices.Contains(m.Zones, label) {
			m.Zones = append(m.Zones, label)
		}
	}
	if in.Region == "" && len(in.Zones) == 0 {
		p.fail(here, "a region or zones are needed; without topology they are taken from the Nodes")
	}
	if len(m.Zones) > maxZones {
		p.fail(here.to("zones"), "%d topology zones: at most %d are allowed", len(m.Zones), maxZones)
	}
	slices.Sort(m.Zones)
	return m
}

// CheckKubeconfigs returns what is wrong with the kubeconfigs that the
// configuration names, one error for each, with the name of the cluster. They
// do not make the configuration bad: such a member is reported and tried again
// while the others are served (X7).
func (c *Config) CheckKubeconfigs() []error {
	var errs []error
	for i, cl := range c.Clusters {
		if _, err := member.LoadKubeconfig(cl.Kubeconfig.Path, cl.Kubeconfig.Context); err != nil {
			errs = append(errs, fmt.Errorf("clusters[%d] %q: %w", i, cl.Member.Name, err))
		}
	}
	if c.Host != nil {
		if _, err := member.LoadKubeconfig(c.Host.Kubeconfig.Path, c.Host.Kubeconfig.Context); err != nil {
			errs = append(errs, fmt.Errorf("host: %w", err))
		}
	}
	return errs
}
