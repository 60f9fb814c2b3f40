// Package corefile reads the Corefile of a CoreDNS that runs elsewhere: with the files that it imports there, and
// without looking at files or variables of this machine.
package corefile

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/coredns/coredns/plugin/pkg/transport"
	migration "github.com/coredns/corefile-migration/migration/corefile"
	"github.com/miekg/dns"
)

// Source is what a CoreDNS is given: everything is as it is in its container.
type Source struct {
	// Path is that of the Corefile.
	Path string
	// Files are the files that are known, by path; the Corefile is among them.
	Files map[string]string
	// Env are the variables that are known.
	Env map[string]string
	// Port is the one of server blocks that name none; "" is 53.
	Port string
}

// File is a Corefile, with what it imports in place.
type File struct {
	Servers []Server
	// Unseen are the imports of which no file is known: what they hold is missing in Servers.
	Unseen []string
}

// Server is a server block.
type Server struct {
	Keys    []Key
	Plugins []*Plugin
}

// Key is what a server block serves.
type Key struct {
	// Zone is in lower case, with a trailing dot.
	Zone string
	Port string
}

// Plugin is a directive of a server block: its name, arguments and the lines of its block.
type Plugin = migration.Plugin

// The bounds of what is imported by imports: a Corefile is not to be trusted.
const (
	maxImports = 1000
	maxPlugins = 100_000
)

// Parse reads a Corefile.
func Parse(src Source) (*File, error) {
	text, ok := src.Files[src.Path]
	if !ok {
		return nil, fmt.Errorf("the Corefile %s is not known", src.Path)
	}
	p := parser{src: src, snippets: map[string][]*Plugin{}, file: &File{}}
	if err := p.servers(src.Path, text); err != nil {
		return nil, err
	}
	return p.file, nil
}

type parser struct {
	src      Source
	snippets map[string][]*Plugin
	imports  int
	plugins  int
	file     *File
}

// tokens are the server blocks of a text. The library panics at blocks without a key.
func (p *parser) tokens(name, text string) (servers []*migration.Server, err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%s: a block has no name before its \"{\"", name)
		}
	}()
	for variable, value := range p.src.Env {
		text = strings.ReplaceAll(text, "{$"+variable+"}", value)
	}
	c, err := migration.New(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c.Servers, nil
}

// servers adds the server blocks of a file.
func (p *parser) servers(name, text string) error {
	blocks, err := p.tokens(name, text)
	if err != nil {
		return err
	}
	var before []string // keys with a comma at the end of their line
	for _, b := range blocks {
		keys := append(before, b.DomPorts...)
		before = nil
		switch last := keys[len(keys)-1]; {
		case len(b.Plugins) == 0 && strings.HasSuffix(last, ","):
			before = keys
			continue
		case keys[0] == "import" && len(b.Plugins) == 0:
			if err := p.eachImport(name, keys[1:], p.servers); err != nil {
				return err
			}
			continue
		}
		plugins, err := p.expand(name, b.Plugins)
		if err != nil {
			return err
		}
		if snippet, ok := strings.CutPrefix(keys[0], "("); ok && strings.HasSuffix(snippet, ")") {
			p.snippets[strings.TrimSuffix(snippet, ")")] = plugins
			continue
		}
		s := Server{Plugins: plugins}
		for _, k := range keys {
			s.Keys = append(s.Keys, p.key(strings.TrimSuffix(k, ",")))
		}
		p.file.Servers = append(p.file.Servers, s)
	}
	return nil
}

// expand puts what is imported in the place of the imports.
func (p *parser) expand(name string, plugins []*Plugin) (out []*Plugin, err error) {
	for _, one := range plugins {
		before := len(out)
		switch snippet := p.snippet(one); {
		case one.Name != "import":
			out = append(out, one)
		case snippet != nil:
			out = append(out, snippet...)
		}
		if len(out) > before {
			if p.plugins += len(out) - before; p.plugins > maxPlugins {
				return nil, fmt.Errorf("%s: more than %d directives", name, maxPlugins)
			}
			continue
		}
		err := p.eachImport(name, one.Args, func(name, text string) error {
			blocks, err := p.tokens(name, "import {\n"+text+"\n}\n")
			if err != nil {
				return err
			}
			inner, err := p.expand(name, blocks[0].Plugins)
			out = append(out, inner...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// snippet returns what a directive imports by the name of a snippet.
func (p *parser) snippet(one *Plugin) []*Plugin {
	if one.Name != "import" || len(one.Args) != 1 {
		return nil
	}
	return p.snippets[one.Args[0]]
}

// eachImport calls use with each known file that is imported.
func (p *parser) eachImport(from string, patterns []string, use func(name, text string) error) error {
	for _, pattern := range patterns {
		if p.imports++; p.imports > maxImports {
			return fmt.Errorf("%s: more than %d imports", from, maxImports)
		}
		full := pattern
		if !path.IsAbs(full) {
			full = path.Join(path.Dir(from), full)
		}
		var names []string
		for name := range p.src.Files {
			if ok, err := path.Match(full, name); err == nil && ok {
				names = append(names, name)
			}
		}
		if len(names) == 0 {
			p.file.Unseen = append(p.file.Unseen, pattern)
		}
		slices.Sort(names)
		for _, name := range names {
			if err := use(name, p.src.Files[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// key reads a key, such as "cluster.local:53" or "dns://.:1053".
func (p *parser) key(text string) Key {
	k := Key{Port: p.src.Port}
	if k.Port == "" {
		k.Port = transport.Port
	}
	if i := strings.Index(text, "://"); i >= 0 {
		text = text[i+len("://"):]
	}
	if i := strings.LastIndexByte(text, ':'); i >= 0 && strings.Trim(text[i+1:], "0123456789") == "" {
		text, k.Port = text[:i], text[i+1:]
	}
	k.Zone = strings.ToLower(dns.Fqdn(text))
	return k
}
