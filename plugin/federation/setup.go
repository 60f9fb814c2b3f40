package federation

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/kubernetes"

	core "github.com/federation-dns/federation/federation"
)

func init() { plugin.Register(pluginName, setup) }

// config is the directive, checked as far as it can be without the kubernetes plugin.
type config struct {
	zones       []string // lower case, with trailing dot; nil: those of the kubernetes plugin
	federations []core.Federation
	naming      core.Naming
	topology    *core.Topology // nil: the labels of this node
	ttl         *uint32        // nil: that of the kubernetes plugin
	noChase     bool
	mirror      string // the namespace of the mirrors, or mirrorOff; "": the default

	kubernetesZones []string // set by attach
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
			return plugin.Error(pluginName, errors.New("there is no kubernetes plugin in this server block, and "+
				"federated names are answered from its indexes; put federation in the server block that contains "+
				"kubernetes"))
		}
		if err := f.attach(k); err != nil {
			return plugin.Error(pluginName, err)
		}
		f.checkNeighbours(c.Context(), server.Handler)
		f.start(k)
		started.add(c.Context(), f)
		return nil
	})
	c.OnRestartFailed(func() error {
		started.stopAfter(c.Context())
		return nil
	})
	c.OnShutdown(func() error {
		started.stop(f)
		return nil
	})
	server.AddPlugin(func(next plugin.Handler) plugin.Handler {
		f.Next = next
		return f
	})
	return nil
}

// instances are the plugins that run, in the order in which they were started, each with its instance of CoreDNS. If a
// reload fails after the plugins have started (a port may be in use), CoreDNS keeps the old instance and does not stop
// what the new one has started.
type instances struct {
	mu   sync.Mutex
	list []instance
}

type instance struct {
	coredns any // the caddy.Context
	f       *Federation
}

var started instances

func (i *instances) add(coredns any, f *Federation) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.list = append(i.list, instance{coredns, f})
}

// stopAfter stops the plugins that were started after those of an instance of CoreDNS.
func (i *instances) stopAfter(coredns any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	last := -1
	for n, one := range i.list {
		if one.coredns == coredns {
			last = n
		}
	}
	if last < 0 {
		return // it has been stopped
	}
	for _, one := range i.list[last+1:] {
		one.f.stop()
	}
	i.list = i.list[:last+1]
}

func (i *instances) stop(f *Federation) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.list = slices.DeleteFunc(i.list, func(one instance) bool {
		if one.f == f {
			f.stop()
		}
		return one.f == f
	})
}

// parse parses the directive. Errors name the token and what is allowed.
func parse(c *caddy.Controller) (config, error) {
	var out config
	seen := false
	for c.Next() {
		switch {
		case !seen:
		case c.Val() == pluginName:
			return out, c.Err("federation is there twice in this server block: one directive is allowed, with a line " +
				"for each federation")
		case c.Val() == "{":
			return out, c.Err(`"{" is on a line of its own: put it at the end of the line that begins with federation`)
		default:
			return out, c.Errf("%q is after the block: nothing is allowed after its \"}\"", c.Val())
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
			word, args := c.Val(), c.RemainingArgs()
			if err := checkLine(c, word, args); err != nil {
				return out, err
			}
			if err := out.parseLine(c, word, args); err != nil {
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

// checkLine returns an error for what cannot be a line of the block: misplaced braces, and the directives that follow a
// block that is not closed.
func checkLine(c *caddy.Controller, word string, args []string) error {
	line := strings.Join(append([]string{word}, args...), " ")
	if c.NextArg() { // the arguments end before a brace
		return c.Errf("%q: \"{\" is not allowed in the block; is a \"}\" missing above?", line+" {")
	}
	switch domain := len(args) == 1 && strings.Contains(args[0], "."); {
	case len(args) > 0 && args[len(args)-1] == "}":
		return c.Errf("%q: \"}\" must be on a line of its own", line)
	case strings.ContainsAny(word, " \t"):
		return c.Errf("%q is one word: NAME and DOMAIN are two, so do not put both in one pair of quotes or in one "+
			"variable", word)
	case slices.Contains(dnsserver.Directives, word) && !domain:
		return c.Errf("%q: %s is a directive of its own; is a \"}\" missing above?", line, word)
	}
	return nil
}

// parseLine parses a line of the block. An option followed by exactly one dotted argument is the name of a federation,
// as it was in Corefiles written before there was the option (Q1).
func (cfg *config) parseLine(c *caddy.Controller, word string, args []string) error {
	dotted := len(args) == 1 && strings.Contains(args[0], ".")
	if dotted && word != "upstream" && (word != "ttl" || !endsInNumber(args[0])) {
		return cfg.addFederation(c, word, args[0])
	}
	if cfg.has(word) {
		return c.Errf("%s is there twice: one such line is allowed, for all federations", word)
	}
	switch word {
	case "upstream":
		log.Warning("option \"upstream\" is ignored: the federation's records are looked up through this CoreDNS")
		return nil
	case "topology":
		return cfg.parseTopology(c, args)
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
			return c.Errf("ttl %q: a whole number of seconds from 0 to 3600 is allowed", strings.Join(args, " "))
		}
		seconds := uint32(ttl)
		cfg.ttl = &seconds
		return nil
	case "mirror":
		return cfg.parseMirror(c, args)
	case "no_chase":
		if len(args) > 0 {
			return c.Errf("no_chase %q: no argument is allowed", strings.Join(args, " "))
		}
		cfg.noChase = true
		return nil
	}
	if len(args) == 1 {
		return cfg.addFederation(c, word, args[0])
	}
	return c.Errf("unknown option %q: \"NAME DOMAIN\", topology, naming, ttl, mirror and no_chase are allowed",
		strings.Join(append([]string{word}, args...), " "))
}

// has reports whether the option has been set.
func (cfg *config) has(option string) bool {
	switch option {
	case "topology":
		return cfg.topology != nil
	case "naming":
		return cfg.naming != ""
	case "ttl":
		return cfg.ttl != nil
	case "mirror":
		return cfg.mirror != ""
	case "no_chase":
		return cfg.noChase
	}
	return false
}

func (cfg *config) addFederation(c *caddy.Controller, name, domain string) error {
	label, err := core.ParseName(name)
	if err != nil {
		return c.Err(err.Error())
	}
	d, err := core.ParseDomain(domain)
	if err != nil {
		return c.Errf("federation %q: %v", name, err)
	}
	if endsInNumber(string(d)) {
		return c.Errf("federation %q: domain %q ends in a number: a DNS domain is allowed, and none ends in a number",
			name, domain)
	}
	if slices.ContainsFunc(cfg.federations, func(f core.Federation) bool { return f.Name == label }) {
		return c.Errf("federation %q is there twice: one domain for each name is allowed", name)
	}
	cfg.federations = append(cfg.federations, core.Federation{Name: label, Domain: d})
	return nil
}

// endsInNumber reports whether the last label of a name is a number: that of no domain is.
func endsInNumber(name string) bool {
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	return strings.Trim(labels[len(labels)-1], "0123456789") == ""
}

func (cfg *config) parseTopology(c *caddy.Controller, args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return c.Errf("topology %q: \"topology REGION [ZONE]\" is allowed", strings.Join(args, " "))
	}
	var t core.Topology
	for i, label := range []*core.Label{&t.Region, &t.Zone}[:len(args)] {
		l, err := core.ParseLabel(args[i])
		if err != nil {
			return c.Errf("topology %q: %v", strings.Join(args, " "), err)
		}
		*label = l
	}
	cfg.topology = &t
	return nil
}

// mirrorOff is the argument of the option mirror with which no mirror is read.
const mirrorOff = "off"

func (cfg *config) parseMirror(c *caddy.Controller, args []string) error {
	text := strings.Join(args, " ")
	namespace, err := core.ParseLabel(text)
	switch {
	case len(args) != 1:
		return c.Errf("mirror %q: \"mirror NAMESPACE\" and \"mirror off\" are allowed", text)
	case err != nil || string(namespace) != text:
		return c.Errf("mirror %q: the name of a namespace, or \"off\", is allowed", text)
	}
	cfg.mirror = text
	return nil
}
