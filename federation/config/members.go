package config

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/kubeconfig"
	"github.com/federation-dns/federation/federation/member"
)

// Member is a member that does not come from the file, but from a MemberCluster.
type Member struct {
	Name string
	Spec v1alpha1.MemberClusterSpec
	// UID is Cluster.UID.
	UID string
}

// WithMembers returns the configuration with more members, in their order after those of the file. One whose name is
// already there is left out: the file wins (K1). The receiver stays as it is.
func (c *Config) WithMembers(members []Member) *Config {
	joined := *c
	joined.Clusters = slices.Clip(c.Clusters)
	names := map[string]bool{}
	for _, cl := range c.Clusters {
		names[cl.Member.Name] = true
	}
	for _, m := range members {
		if cl, err := c.member(m); err == nil && !names[m.Name] {
			names[m.Name] = true
			joined.Clusters = append(joined.Clusters, cl)
		}
	}
	return &joined
}

// CheckMember returns what is wrong with a member, or nil. The schema of MemberCluster lets nothing of that pass.
func (c *Config) CheckMember(m Member) error {
	_, err := c.member(m)
	return err
}

func (c *Config) member(m Member) (Cluster, error) {
	p := &parser{document: newDocument("")}
	if m.Spec.MaxServices < 0 {
		p.fail(fieldPath{"spec", "maxServices"}, "%d: 0, which is no limit, or more is allowed", m.Spec.MaxServices)
	}
	cl := p.cluster(c, fieldPath{"spec"}, m.Name, m.Spec.MemberSettings, int(m.Spec.MaxServices))
	cl.UID = m.UID
	cl.Kubeconfig = Kubeconfig{Secret: kubeconfig.SecretKey(m.Spec.KubeconfigSecret)}
	var errs []error
	for _, e := range p.errs {
		errs = append(errs, errors.New(e.text))
	}
	return cl, errors.Join(errs...)
}

func (p *parser) clusters(c *Config, list []fileCluster) {
	if len(list) == 0 && c.Host == nil {
		p.fail(fieldPath{"clusters"}, "at least one member cluster is needed: name and kubeconfig; "+
			"or a host, whose MemberClusters are the members")
	}
	seen := map[string]bool{}
	for i, fc := range list {
		here := fieldPath{"clusters", i}
		name := p.subdomain(here.child("name"), fc.Name)
		if name != "" && seen[name] {
			p.fail(here.child("name"), "member %q stands twice", name)
		}
		seen[name] = true
		if fc.Kubeconfig.Path == "" {
			p.fail(here.child("kubeconfig", "path"), "a kubeconfig file is needed")
		}
		if fc.MaxServices < 0 {
			p.fail(here.child("maxServices"), "%d: 0, which is no limit, or more is allowed", fc.MaxServices)
		}
		cl := p.cluster(c, here, name, fc.MemberSettings, int(fc.MaxServices))
		cl.Kubeconfig = Kubeconfig{Path: p.file(fc.Kubeconfig.Path), Context: fc.Kubeconfig.Context}
		c.Clusters = append(c.Clusters, cl)
	}
}

// cluster returns a member, but for its kubeconfig.
func (p *parser) cluster(
	c *Config, here fieldPath, name string, in v1alpha1.MemberSettings, maxServices int,
) Cluster {
	cl := Cluster{Drain: in.Drain, DNS: c.DNS}
	if in.UnreachableAfter != "" {
		cl.UnreachableAfter = p.duration(here.child("unreachableAfter"), in.UnreachableAfter, time.Second)
	}
	labels, forbidden := c.names()
	cl.Member = member.Config{
		Name: name, Federations: labels, MaxServices: maxServices,
		UnreachableAfter: cmp.Or(cl.UnreachableAfter, c.Policy.UnreachableAfter),
		AddressPolicy: member.AddressPolicy{
			AllowAddressAnnotation: in.AllowAddressAnnotation, ForbiddenHosts: forbidden,
		},
	}
	for j, ns := range in.Namespaces {
		cl.Member.Namespaces = append(cl.Member.Namespaces, string(p.label(here.child("namespaces", j), ns)))
	}
	for j, s := range in.AddressCIDRs {
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			p.fail(here.child("addressCIDRs", j), "%q is not a prefix such as 192.0.2.0/24", s)
			continue
		}
		cl.Member.AddressPolicy.AddressCIDRs = append(cl.Member.AddressPolicy.AddressCIDRs, prefix.Masked())
	}
	for j, s := range in.HostSuffixes {
		suffix, err := federation.ParseDomain(s)
		p.check(here.child("hostSuffixes", j), err)
		cl.Member.AddressPolicy.HostSuffixes = append(cl.Member.AddressPolicy.HostSuffixes, suffix)
	}
	cl.Member.Topology = p.topology(here.child("topology"), name, in.Topology)
	return cl
}

// names returns the names of the federations, and the domains in which a member's host names must not be.
func (c *Config) names() (labels []federation.Label, forbidden []federation.FQDN) {
	forbidden = []federation.FQDN{clusterZone}
	for _, f := range c.Federations {
		if !slices.Contains(labels, f.Name) {
			labels = append(labels, f.Name)
		}
		if !slices.Contains(forbidden, f.Domain) {
			forbidden = append(forbidden, f.Domain)
		}
	}
	return labels, forbidden
}

func (p *parser) topology(here fieldPath, name string, in *v1alpha1.Topology) *federation.Member {
	if in == nil {
		return nil
	}
	m := &federation.Member{Name: name}
	if in.Region != "" {
		m.Region = p.label(here.child("region"), in.Region)
	}
	for i, z := range in.Zones {
		if label := p.label(here.child("zones", i), z); !slices.Contains(m.Zones, label) {
			m.Zones = append(m.Zones, label)
		}
	}
	if in.Region == "" && len(in.Zones) == 0 {
		p.fail(here, "a region or zones are needed; without topology they are taken from the Nodes")
	}
	if len(m.Zones) > member.MaxZones {
		p.fail(here.child("zones"), "%d topology zones: at most %d are allowed", len(m.Zones), member.MaxZones)
	}
	slices.Sort(m.Zones)
	return m
}
