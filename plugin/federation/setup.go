package federation

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/kubernetes"
	"github.com/coredns/coredns/plugin/pkg/upstream"
	"github.com/coredns/coredns/request"

	core "github.com/federation-dns/federation/federation"
)

func init() { plugin.Register(pluginName, setup) }

// config is the directive as it is written, checked as far as it can be
// without the kubernetes plugin.
type config struct {
	zones       []string // lower case, with trailing dot; none: those of the kubernetes plugin
	federations []core.Federation
	naming      core.Naming
	topology    *core.Topology // nil: the labels of this node
	ttl         *uint32        // nil: that of the kubernetes plugin
	noChase     bool

	kubernetesZones []string // set at start
}

func setup(c *caddy.Controller) error {
	parsed, err := parse(c)
	if err != nil {
		return plugin.Error(pluginName, err)
	}
	f := &Federation{config: parsed}
	server := dnsserver.GetConfig(c)
	c.OnStartup(func() error {
		k, ok := server.Handler("kubernetes").(*kubernetes.Kubernetes)
		if !ok {
			return plugin.Error(pluginName, errors.New("there is no kubernetes plugin in this server block: federated names are answered from its indexes; federation belongs into the server block that has it"))
		}
		if err := f.attach(k); err != nil {
			return plugin.Error(pluginName, err)
		}
		f.start(k)
		return nil
	})
	c.OnShutdown(func() error {
		if f.stop != nil {
			f.stop()
		}
		return nil
	})
	server.AddPlugin(func(next plugin.Handler) plugin.Handler {
		f.Next = next
		return f
	})
	return nil
}

// parse reads the directive (section 4 of the design). Errors name the token
// and what is allowed.
func parse(c *caddy.Controller) (config, error) {
	var out config
	seen := false
	for c.Next() {
		if seen {
			return out, c.Err("federation stands twice in this server block: one directive is allowed, with a line for each federation")
		}
		seen = true
		for _, arg := range c.RemainingArgs() {
			zones := plugin.Host(arg).NormalizeExact()
			if len(zones) == 0 {
				return out, c.Errf("zone %q is not a domain name", arg)
			}
			out.zones = append(out.zones, zones...)
		}
		for c.NextBlock() {
			if err := out.line(c, c.Val(), c.RemainingArgs()); err != nil {
				return out, err
			}
		}
	}
	if len(out.federations) == 0 {
		return out, c.Err(`no federation: at least one line "NAME DOMAIN" is needed between { and }`)
	}
	for i := range out.federations {
		out.federations[i].Naming = out.naming
	}
	return out, nil
}

// line reads one line of the block. A word of ours followed by exactly one
// dotted argument is the name of a federation, as it was before there were such
// words.
func (cfg *config) line(c *caddy.Controller, word string, args []string) error {
	if len(args) == 1 && strings.Contains(args[0], ".") && word != "upstream" {
		return cfg.federation(c, word, args[0])
	}
	if cfg.has(word) {
		return c.Errf("%s stands twice: one such line is allowed, which is for all federations", word)
	}
	switch word {
	case "upstream":
		log.Warningf("option \"upstream\" is ignored: the federation's records are looked up through this CoreDNS itself")
		return nil
	case "topology":
		return cfg.setTopology(c, args)
	case "naming":
		naming, err := core.ParseNaming(strings.Join(args, " "))
		if err != nil || len(args) != 1 {
			return c.Errf("naming %q: \"naming flat\" and \"naming nested\" are allowed", strings.Join(args, " "))
		}
		cfg.naming = naming
		return nil
	case "ttl":
		ttl, err := strconv.ParseUint(strings.Join(args, " "), 10, 32)
		if err != nil || ttl > 3600 {
			return c.Errf("ttl %q: a number of seconds from 0 to 3600 is allowed", strings.Join(args, " "))
		}
		seconds := uint32(ttl)
		cfg.ttl = &seconds
		return nil
	case "no_chase":
		if len(args) > 0 {
			return c.Errf("no_chase %q: no argument is allowed", strings.Join(args, " "))
		}
		cfg.noChase = true
		return nil
	}
	if len(args) == 1 {
		return cfg.federation(c, word, args[0])
	}
	return c.Errf("unknown option %q: \"NAME DOMAIN\", topology, naming, ttl and no_chase are allowed", strings.Join(append([]string{word}, args...), " "))
}

// has reports whether there is a line of that option.
func (cfg *config) has(option string) bool {
	switch option {
	case "topology":
		return cfg.topology != nil
	case "naming":
		return cfg.naming != ""
	case "ttl":
		return cfg.ttl != nil
	case "no_chase":
		return cfg.noChase
	}
	return false
}

func (cfg *config) federation(c *caddy.Controller, name, domain string) error {
	label, err := core.ParseName(name)
	if err != nil {
		return c.Err(err.Error())
	}
	d, err := core.ParseDomain(domain)
	if err != nil {
		return c.Errf("federation %q: %v", name, err)
	}
	if labels := strings.Split(strings.TrimSuffix(string(d), "."), "."); strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return c.Errf("federation %q: domain %q ends in a number: the name of a DNS domain is allowed, which no number ends", name, domain)
	}
	if slices.ContainsFunc(cfg.federations, func(f core.Federation) bool { return f.Name == label }) {
		return c.Errf("federation %q stands twice: one domain for each name is allowed", name)
	}
	cfg.federations = append(cfg.federations, core.Federation{Name: label, Domain: d})
	return nil
}

func (cfg *config) setTopology(c *caddy.Controller, args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return c.Errf("topology %q: \"topology REGION [ZONE]\" is allowed", strings.Join(args, " "))
	}
	var t core.Topology
	for i, into := range []*core.Label{&t.Region, &t.Zone}[:len(args)] {
		l, err := core.ParseLabel(args[i])
		if err != nil {
			return c.Errf("topology %q: %v", strings.Join(args, " "), err)
		}
		*into = l
	}
	cfg.topology = &t
	return nil
}

// attach takes what is needed from the kubernetes plugin of the same server
// block, and checks the configuration against it.
func (f *Federation) attach(k *kubernetes.Kubernetes) error {
	forward, err := forwardZones(k)
	if err != nil {
		return err
	}
	if noEndpoints(k) {
		return errors.New("the kubernetes plugin has the option noendpoints: without endpoints no shard's health is known, and every federated name would lead abroad; remove one of the two")
	}
	f.config.kubernetesZones = lowered(k.Zones)
	zones := f.config.zones
	if len(zones) == 0 {
		zones = forward
	}
	f.zones = nil
	for _, z := range zones {
		z = lower(z)
		if !slices.Contains(forward, z) {
			return fmt.Errorf("zone %q is not a forward zone of the kubernetes plugin in this server block, which has %q", z, forward)
		}
		f.zones = append(f.zones, zone{name: z, suffix: ".svc." + z})
	}
	f.feds = nil
	for _, c := range f.config.federations {
		fed := &fed{Federation: c, topLevel: core.TopLevelDomain(c.Name)}
		if global := string(fed.Suffix(fed.Domain)); inZone(global, f.config.kubernetesZones) {
			return fmt.Errorf("federation %q: domain %q lies in a zone of the kubernetes plugin (%q): its records would lead back here; a domain outside of these zones is allowed", c.Name, c.Domain, f.config.kubernetesZones)
		}
		if fed.topLevel != "" {
			log.Warningf("federation %q has the name of a %s top-level domain: only names of namespaces that exist here are "+
				"expanded, and the syncer refuses the name; choose another one", c.Name, fed.topLevel)
		}
		f.feds = append(f.feds, fed)
	}
	if t := f.config.topology; t != nil {
		for _, fed := range f.feds {
			if n := len(fed.Path(*t)); n != len(f.levelsOf(fed, *t)) {
				return fmt.Errorf("federation %q: with this topology a level lies in a zone of the kubernetes plugin (%q): it would lead back here; another topology or domain is allowed", fed.Name, f.config.kubernetesZones)
			}
		}
	}
	f.setTopology(core.Topology{})
	f.localTTL = k.MinTTL(request.Request{}) // it is the option ttl
	f.cnameTTL = f.localTTL
	if f.config.ttl != nil {
		f.cnameTTL = *f.config.ttl
	}
	f.indexes = k.APIConn
	f.exposed = func(namespace string) bool {
		_, named := k.Namespaces[namespace]
		return named || len(k.Namespaces) == 0
	}
	f.delegate, f.backend = k, k
	f.fallsThrough = len(k.Fall.Zones) > 0
	f.chaser = newChaser(upstream.New())
	return nil
}

// start learns the topology and watches for collisions, beside the queries.
func (f *Federation) start(k *kubernetes.Kubernetes) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	if t := f.config.topology; t != nil {
		f.setTopology(*t)
		f.decided.Store(true)
	} else {
		if last := lastPlace.Load(); last != nil {
			f.setTopology(*last)
		}
		wg.Go(func() { f.learn(ctx, k.APIConn) })
	}
	wg.Go(func() { f.watchCollisions(ctx) })
	f.stop = func() {
		cancel()
		wg.Wait()
	}
}

// forwardZones are the zones of the kubernetes plugin that hold Services:
// neither its reverse nor its multicluster zones (Q1).
func forwardZones(k *kubernetes.Kubernetes) ([]string, error) {
	multi, err := multiclusterZones(k)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, z := range lowered(k.Zones) {
		if !inZone(z, []string{"in-addr.arpa.", "ip6.arpa."}) && !slices.Contains(multi, z) {
			out = append(out, z)
		}
	}
	return out, nil
}

func lowered(zones []string) []string {
	out := make([]string, len(zones))
	for i, z := range zones {
		out[i] = lower(z)
	}
	return out
}

// The kubernetes plugin's options are not exported; their fields are read here
// and nowhere else, and a test pins them for the version in go.mod (Q12).

func option(k *kubernetes.Kubernetes, name string) reflect.Value {
	opts := reflect.ValueOf(k).Elem().FieldByName("opts")
	if !opts.IsValid() {
		return opts
	}
	return opts.FieldByName(name)
}

func noEndpoints(k *kubernetes.Kubernetes) bool {
	v := option(k, "initEndpointsCache")
	return v.IsValid() && v.Kind() == reflect.Bool && !v.Bool()
}

func multiclusterZones(k *kubernetes.Kubernetes) ([]string, error) {
	v := option(k, "multiclusterZones")
	if !v.IsValid() {
		return nil, nil // a version without them
	}
	if v.Kind() != reflect.Slice || v.Type().Elem().Kind() != reflect.String {
		return nil, errors.New("this version of the kubernetes plugin keeps its multicluster zones in a way that is not known here")
	}
	out := make([]string, v.Len())
	for i := range out {
		out[i] = lower(v.Index(i).String())
	}
	return out, nil
}
