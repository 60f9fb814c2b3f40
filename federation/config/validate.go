package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/policy"
)

// The bounds of configured values.
const (
	maxTTL       = 86400 // a day: a longer TTL would delay every repair
	maxAddresses = 256
	// maxSocketPath is sun_path of unix(7) without its NUL.
	maxSocketPath = 107
)

// clusterZone is the usual cluster zone: a domain in it would loop (N4), and a host name in it is meaningless outside
// the cluster (H3c).
const clusterZone federation.FQDN = "cluster.local."

func (p *parser) config(f file) *Config {
	c := &Config{
		Owner: f.Owner, MetricsAddress: f.Metrics.Address, PageAddress: f.Page.Address,
		AdminSocket: p.file(f.Admin.Socket),
		LogLevel:    f.Log.Level, LogFormat: f.Log.Format,
	}
	p.constant(fieldPath{"apiVersion"}, f.APIVersion, APIVersion)
	p.constant(fieldPath{"kind"}, f.Kind, Kind)
	if f.Host != nil && (f.Host.InCluster || f.Host.Kubeconfig.Path != "") {
		if f.Host.InCluster && f.Host.Kubeconfig != (fileKubeconfig{}) {
			p.fail(fieldPath{"host", "inCluster"}, "the pod's own account or a host.kubeconfig is allowed, not both")
		}
		c.Host = &Host{
			InCluster:  f.Host.InCluster,
			Kubeconfig: Kubeconfig{Path: p.file(f.Host.Kubeconfig.Path), Context: f.Host.Kubeconfig.Context},
			Namespace:  string(p.label(fieldPath{"host", "namespace"}, cmp.Or(f.Host.Namespace, "federation-system"))),
			Lease:      p.subdomain(fieldPath{"host", "lease"}, cmp.Or(f.Host.Lease, "federation-syncer")),
		}
	}
	if f.Owner != "" {
		_, err := federation.ParseOwnerID(f.Owner)
		p.check(fieldPath{"owner"}, err)
	} else if c.Host == nil {
		p.fail(fieldPath{"owner"},
			"an id of this syncer, such as syncer-eu, is needed, or a host to take it from: "+
				"host.inCluster or host.kubeconfig")
	}
	timers := fieldPath{"timers"}
	c.Policy = policy.Config{
		UnreachableAfter: p.duration(timers.child("unreachableAfter"), f.Timers.UnreachableAfter, time.Second),
		StartupTimeout:   p.duration(timers.child("startupTimeout"), f.Timers.StartupTimeout, time.Second),
		EmptyGrace:       p.duration(timers.child("emptyGrace"), f.Timers.EmptyGrace, 0),
		HeldMax:          p.duration(timers.child("heldMax"), f.Timers.HeldMax, time.Second),
		PanicThreshold:   int(f.PanicThreshold),
		PanicHold:        p.duration(timers.child("panicHold"), f.Timers.PanicHold, time.Second),
		MaxDeletePercent: int(f.MaxDeletePercent),
		HoldFor:          p.duration(timers.child("holdFor"), f.Timers.HoldFor, time.Second),
	}
	c.AuditInterval = p.duration(timers.child("auditInterval"), f.Timers.AuditInterval, time.Second)
	p.between(fieldPath{"panicThreshold"}, f.PanicThreshold, 1, 100, "percent")
	p.between(fieldPath{"maxDeletePercent"}, f.MaxDeletePercent, 1, 100, "percent")
	if !isListenAddress(f.Metrics.Address) {
		p.fail(fieldPath{"metrics", "address"},
			"%q: [host]:port is allowed, with a host name or an IP address and a port from 0 to 65535",
			f.Metrics.Address)
	}
	if f.Page.Address != "" && !isLoopbackAddress(f.Page.Address) {
		p.fail(fieldPath{"page", "address"}, "%q: a loopback address and a port are allowed, such as 127.0.0.1:9154: "+
			"everyone who reaches the page may read it", f.Page.Address)
	}
	if f.Admin.Socket == "" {
		p.fail(fieldPath{"admin", "socket"}, "the path of a Unix socket is needed")
	} else if n := len(c.AdminSocket); n > maxSocketPath {
		p.fail(fieldPath{"admin", "socket"}, "%q has %d octets: a Unix socket's path has at most %d",
			c.AdminSocket, n, maxSocketPath)
	}
	p.oneOf(fieldPath{"log", "level"}, f.Log.Level, "debug", "info", "warn", "error")
	p.oneOf(fieldPath{"log", "format"}, f.Log.Format, "text", "json")
	p.federations(c, f.Federations)
	c.DNS = p.dnsServers(fieldPath{"resolver", "servers"}, f.Resolver.Servers)
	p.clusters(c, f.Clusters)
	return c
}

func (p *parser) constant(here fieldPath, have, want string) {
	if have != want {
		p.fail(here, "%q, want %q", have, want)
	}
}

func (p *parser) oneOf(here fieldPath, have string, allowed ...string) {
	if !slices.Contains(allowed, have) {
		p.fail(here, "%q: allowed are %s", have, strings.Join(allowed, ", "))
	}
}

func (p *parser) between(here fieldPath, n, low, high whole, unit string) {
	if n < low || n > high {
		p.fail(here, "%d: %d to %d %s are allowed", n, low, high, unit)
	}
}

// duration parses a duration such as "45s", "5m" or "24h".
func (p *parser) duration(here fieldPath, text string, least time.Duration) time.Duration {
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
		p.fail(fieldPath{"federations"}, "at least one federation is needed: name, domain and provider")
	}
	seen := map[string]bool{}
	for i, ff := range list {
		here := fieldPath{"federations", i}
		f := Federation{}
		f.Federation, f.NameProblem = p.federation(here, ff)
		if f.Name != "" && f.Domain != "" {
			if seen[f.Key()] {
				p.fail(here, "federation %q in domain %q stands twice", f.Name, f.Domain)
			}
			seen[f.Key()] = true
		}
		if ff.TTL != nil {
			p.between(here.child("ttl"), *ff.TTL, 1, maxTTL, "seconds")
			f.Options.TTL = uint32(max(0, min(*ff.TTL, maxTTL)))
		}
		if ff.MaxAddresses != nil {
			p.between(here.child("maxAddresses"), *ff.MaxAddresses, 1, maxAddresses, "addresses")
			f.Options.MaxAddresses = int(*ff.MaxAddresses)
		}
		p.oneOf(here.child("levels"), cmp.Or(ff.Levels, "all"), "all", "shards")
		f.Options.ShardLevelsOnly = ff.Levels == "shards"
		f.Options.RegionFallback = p.fallbacks(here.child("regionFallback"), ff.RegionFallback)
		f.Mirror = ff.Mirror.Enabled == nil || *ff.Mirror.Enabled
		f.Provider = p.provider(c, here.child("provider"), ff.Provider, f.Federation)
		c.Federations = append(c.Federations, f)
	}
	p.accounts(c)
	p.nested(c)
}

// federation also returns why a new federation must not have this name, although an existing one may keep it (N4).
func (p *parser) federation(here fieldPath, ff fileFederation) (f federation.Federation, nameProblem string) {
	var err error
	f.Name, err = federation.ParseName(ff.Name)
	p.check(here.child("name"), err)
	if err == nil {
		switch kind := federation.TopLevelDomain(f.Name); kind {
		case "":
		case federation.Public:
			p.fail(here.child("name"),
				"%q is a public top-level domain: pods could not tell its names from those of the Internet", ff.Name)
		default:
			nameProblem = fmt.Sprintf("%q is a %s top-level domain: pods cannot tell its names from those below that "+
				"domain; only a federation whose claim is there already goes on with it", ff.Name, kind)
		}
	}
	f.Domain, err = federation.ParseDomain(ff.Domain)
	p.check(here.child("domain"), err)
	if err == nil && f.Domain.In(clusterZone) {
		p.fail(here.child("domain"), "%q lies in the cluster zone %q: the names would lead back into the cluster",
			ff.Domain, clusterZone)
	}
	f.Naming, err = federation.ParseNaming(ff.Naming)
	p.check(here.child("naming"), err)
	return f, nameProblem
}

func (p *parser) fallbacks(here fieldPath, in map[string][]string) map[federation.Label][]federation.Label {
	out := map[federation.Label][]federation.Label{}
	for _, region := range slices.Sorted(maps.Keys(in)) {
		key := p.label(here.child(region), region)
		for i, r := range in[region] {
			label := p.label(here.child(region, i), r)
			if label != "" && label == key {
				p.fail(here.child(region, i), "region %q cannot fall back to itself", r)
			}
			out[key] = append(out[key], label)
		}
	}
	return out
}

func (p *parser) label(here fieldPath, text string) federation.Label {
	label, err := federation.ParseLabel(text)
	p.check(here, err)
	return label
}

// subdomain parses a DNS-1123 subdomain, such as the name of an object.
func (p *parser) subdomain(here fieldPath, text string) string {
	name, err := federation.ParseDomain(text)
	p.check(here, err)
	return strings.TrimSuffix(string(name), ".")
}
