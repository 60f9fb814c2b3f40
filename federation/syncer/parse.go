package syncer

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider/rfc2136"
)

// LoadConfig reads and validates the file: the whole of it, before anything
// starts. The error joins everything that is wrong, each with file, line, the
// path of the field, and what is allowed.
//
// Files that the configuration names are read here as far as they are ours
// (the TSIG secret); a member's kubeconfig is not, as it may be mended while
// the others are served (X7).
func LoadConfig(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return parseConfig(path, data)
}

func parseConfig(path string, data []byte) (*Config, error) {
	f := defaults()
	p := parser{path: path, base: filepath.Dir(path)}
	if err := yaml.Unmarshal(data, &p.root); err != nil {
		return nil, fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return nil, p.decodeError(err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: one document is allowed", path)
	}
	c := p.config(f)
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	return c, nil
}

type parser struct {
	path string
	base string
	root yaml.Node
	errs []error
}

var unknownField = regexp.MustCompile(`^line (\d+): field (\S+) not found in type .*`)

// decodeError turns the YAML library's words into ours.
func (p *parser) decodeError(err error) error {
	var typeErr *yaml.TypeError
	if !errors.As(err, &typeErr) {
		return fmt.Errorf("%s: %s", p.path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var errs []error
	for _, e := range typeErr.Errors {
		line, what, _ := strings.Cut(strings.TrimPrefix(e, "line "), ": ")
		if m := unknownField.FindStringSubmatch(e); m != nil {
			line, what = m[1], fmt.Sprintf("unknown field %q (federation-syncer --help shows the fields)", m[2])
		}
		errs = append(errs, fmt.Errorf("%s:%s: %s", p.path, line, what))
	}
	return errors.Join(errs...)
}

// at is the path of a field: keys and indexes.
type at []any

func (a at) String() string {
	var b strings.Builder
	for _, e := range a {
		switch e := e.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", e)
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			fmt.Fprint(&b, e)
		}
	}
	return b.String()
}

func (a at) to(more ...any) at { return slices.Concat(a, more) }

// line is where the field stands, or the closest thing around it.
func (p *parser) line(a at) int {
	n := &p.root
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	line := max(n.Line, 1)
	for _, e := range a {
		var next *yaml.Node
		switch e := e.(type) {
		case int:
			if n.Kind == yaml.SequenceNode && e < len(n.Content) {
				next = n.Content[e]
			}
		case string:
			for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == e {
					line, next = n.Content[i].Line, n.Content[i+1]
				}
			}
		}
		if next == nil {
			return line
		}
		n = next
		if _, index := e.(int); index {
			line = n.Line
		}
	}
	return line
}

func (p *parser) fail(a at, format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("%s:%d: %s: %s", p.path, p.line(a), a, fmt.Sprintf(format, args...)))
}

// check reports err at the field, if there is one.
func (p *parser) check(a at, err error) {
	if err != nil {
		p.fail(a, "%v", err)
	}
}

func (p *parser) file(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(p.base, name)
}

func (p *parser) config(f file) *Config {
	c := &Config{
		Owner: f.Owner, AuditInterval: time.Duration(f.Timers.AuditInterval),
		MetricsAddress: f.Metrics.Address, AdminSocket: p.file(f.Admin.Socket), LogLevel: f.Log.Level, LogFormat: f.Log.Format,
		Policy: policy.Config{
			UnreachableAfter: time.Duration(f.Timers.UnreachableAfter), StartupTimeout: time.Duration(f.Timers.StartupTimeout),
			EmptyGrace: time.Duration(f.Timers.EmptyGrace), HeldMax: time.Duration(f.Timers.HeldMax),
			PanicThreshold: f.PanicThreshold, PanicHold: time.Duration(f.Timers.PanicHold),
		},
	}
	if f.APIVersion != APIVersion {
		p.fail(at{"apiVersion"}, "%q, want %q", f.APIVersion, APIVersion)
	}
	if f.Kind != Kind {
		p.fail(at{"kind"}, "%q, want %q", f.Kind, Kind)
	}
	if _, err := federation.ParseOwnerID(f.Owner); err != nil {
		p.fail(at{"owner"}, "%v (an id of this syncer, such as syncer-eu)", err)
	}
	if f.PanicThreshold < 1 || f.PanicThreshold > 100 {
		p.fail(at{"panicThreshold"}, "%d, 1 to 100 (percent) are allowed", f.PanicThreshold)
	}
	if _, _, err := net.SplitHostPort(f.Metrics.Address); err != nil {
		p.fail(at{"metrics", "address"}, "%q is not [host]:port", f.Metrics.Address)
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, f.Log.Level) {
		p.fail(at{"log", "level"}, "%q: debug, info, warn and error are allowed", f.Log.Level)
	}
	if !slices.Contains([]string{"text", "json"}, f.Log.Format) {
		p.fail(at{"log", "format"}, "%q: text and json are allowed", f.Log.Format)
	}
	p.federations(c, f.Federations)
	p.clusters(c, f.Clusters)
	return c
}

func (p *parser) federations(c *Config, list []fileFederation) {
	if len(list) == 0 {
		p.fail(at{"federations"}, "at least one federation is needed: name, domain and provider")
	}
	seen := map[string]bool{}
	for i, ff := range list {
		here := at{"federations", i}
		f := Federation{Options: federation.Options{TTL: ff.TTL, MaxAddresses: ff.MaxAddresses}}
		var err error
		f.Name, err = federation.ParseName(ff.Name)
		p.check(here.to("name"), err)
		if err == nil && federation.IsTopLevelDomain(f.Name) {
			p.fail(here.to("name"), "%q is a public top-level domain: pods could not tell its names from those of the Internet", ff.Name)
		}
		f.Domain, err = federation.ParseDomain(ff.Domain)
		p.check(here.to("domain"), err)
		f.Naming, err = federation.ParseNaming(ff.Naming)
		p.check(here.to("naming"), err)
		if key := f.String(); seen[key] {
			p.fail(here, "federation %s stands twice", key)
		} else {
			seen[key] = true
		}
		if ff.TTL > 86400 {
			p.fail(here.to("ttl"), "%d, 1 to 86400 seconds are allowed", ff.TTL)
		}
		if ff.MaxAddresses < 0 || ff.MaxAddresses > 256 {
			p.fail(here.to("maxAddresses"), "%d, 1 to 256 are allowed", ff.MaxAddresses)
		}
		switch ff.Levels {
		case "", "all":
		case "shards":
			f.Options.ShardLevelsOnly = true
		default:
			p.fail(here.to("levels"), "%q: all and shards are allowed", ff.Levels)
		}
		f.Options.RegionFallback = p.fallbacks(here.to("regionFallback"), ff.RegionFallback)
		f.RFC2136 = p.provider(here.to("provider"), ff.Provider, f.Domain)
		c.Federations = append(c.Federations, f)
	}
}

func (p *parser) fallbacks(here at, in map[string][]string) map[federation.Label][]federation.Label {
	out := map[federation.Label][]federation.Label{}
	for region, list := range in {
		key, err := federation.ParseLabel(region)
		p.check(here.to(region), err)
		for i, r := range list {
			label, err := federation.ParseLabel(r)
			p.check(here.to(region, i), err)
			if err == nil && label == key {
				p.fail(here.to(region, i), "region %q cannot fall back to itself", r)
			}
			out[key] = append(out[key], label)
		}
	}
	return out
}

func (p *parser) provider(here at, in fileProvider, domain federation.FQDN) rfc2136.Config {
	if in.RFC2136 == nil {
		p.fail(here, "one provider is needed: rfc2136 is available")
		return rfc2136.Config{}
	}
	here = here.to("rfc2136")
	zone, err := federation.ParseDomain(in.RFC2136.Zone)
	p.check(here.to("zone"), err)
	if err == nil && domain != "" && !domain.In(zone) {
		p.fail(here.to("zone"), "domain %q does not lie in zone %q", domain, zone)
	}
	c := rfc2136.Config{Server: in.RFC2136.Server, Zone: zone, TSIG: rfc2136.TSIG{
		Name: in.RFC2136.TSIG.Name, Algorithm: in.RFC2136.TSIG.Algorithm,
	}}
	secretFile := p.file(in.RFC2136.TSIG.SecretFile)
	if secretFile == "" {
		p.fail(here.to("tsig", "secretFile"), "a file with the key's secret in base64 is needed")
		return c
	}
	secret, err := os.ReadFile(secretFile)
	if err != nil {
		p.fail(here.to("tsig", "secretFile"), "%v", err)
		return c
	}
	c.TSIG.Secret = strings.TrimSpace(string(secret))
	if len(p.errs) == 0 {
		_, err = rfc2136.New(c)
		p.check(here, err)
	}
	return c
}

func (p *parser) clusters(c *Config, list []fileCluster) {
	if len(list) == 0 {
		p.fail(at{"clusters"}, "at least one member cluster is needed: name and kubeconfig")
	}
	names := map[string]bool{}
	var labels []federation.Label
	forbidden := []federation.FQDN{"cluster.local."}
	for _, f := range c.Federations {
		if !slices.Contains(labels, f.Name) {
			labels = append(labels, f.Name)
		}
		forbidden = append(forbidden, f.Domain)
	}
	for i, fc := range list {
		here := at{"clusters", i}
		name, err := federation.ParseLabel(fc.Name)
		p.check(here.to("name"), err)
		if names[string(name)] {
			p.fail(here.to("name"), "member %q stands twice", fc.Name)
		}
		names[string(name)] = true
		if fc.Kubeconfig.Path == "" {
			p.fail(here.to("kubeconfig", "path"), "a kubeconfig file is needed")
		}
		if fc.MaxServices < 0 {
			p.fail(here.to("maxServices"), "%d is negative", fc.MaxServices)
		}
		cl := Cluster{
			Kubeconfig: p.file(fc.Kubeconfig.Path), Context: fc.Kubeconfig.Context, UnreachableAfter: time.Duration(fc.UnreachableAfter),
			Member: member.Config{
				Name: string(name), Federations: labels, Namespaces: fc.Namespaces, MaxServices: fc.MaxServices,
				UnreachableAfter: cmp.Or(time.Duration(fc.UnreachableAfter), c.Policy.UnreachableAfter),
				Policy:           member.Policy{AllowAddressAnnotation: fc.AllowAddressAnnotation, ForbiddenHosts: forbidden},
			},
		}
		for j, s := range fc.AddressCIDRs {
			prefix, err := netip.ParsePrefix(s)
			if err != nil {
				p.fail(here.to("addressCIDRs", j), "%q is not a prefix such as 10.0.0.0/8", s)
			}
			cl.Member.Policy.AddressCIDRs = append(cl.Member.Policy.AddressCIDRs, prefix.Masked())
		}
		for j, s := range fc.HostSuffixes {
			suffix, err := federation.ParseDomain(s)
			p.check(here.to("hostSuffixes", j), err)
			cl.Member.Policy.HostSuffixes = append(cl.Member.Policy.HostSuffixes, suffix)
		}
		cl.Member.Topology = p.topology(here.to("topology"), string(name), fc)
		c.Clusters = append(c.Clusters, cl)
	}
}

func (p *parser) topology(here at, name string, fc fileCluster) *federation.Member {
	if fc.Topology == nil {
		return nil
	}
	m := &federation.Member{Name: name}
	var err error
	if fc.Topology.Region != "" {
		m.Region, err = federation.ParseLabel(fc.Topology.Region)
		p.check(here.to("region"), err)
	}
	for i, z := range fc.Topology.Zones {
		label, err := federation.ParseLabel(z)
		p.check(here.to("zones", i), err)
		if !slices.Contains(m.Zones, label) {
			m.Zones = append(m.Zones, label)
		}
	}
	if len(m.Zones) > 16 {
		p.fail(here.to("zones"), "%d topology zones, at most 16 are allowed", len(m.Zones))
	}
	slices.Sort(m.Zones)
	return m
}
