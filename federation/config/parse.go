package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Load reads and validates a configuration file completely, before anything starts. The error joins everything that is
// wrong, in the order of the lines, each with file, line, the path of the field and what is allowed.
//
// It also reads the TSIG secrets that the file names, but not the kubeconfigs of members, which may be corrected while
// other members are served (X7): see Config.Warnings.
func Load(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return Parse(path, data)
}

// Parse is Load for a file that has already been read.
func Parse(path string, data []byte) (*Config, error) {
	c, _, err := parse(path, data)
	return c, err
}

// parse also returns the files that were read because the configuration names them, even if it is refused: they may be
// the reason.
func parse(path string, data []byte) (*Config, []string, error) {
	p := &parser{path: path, base: filepath.Dir(path), bad: map[int]bool{}}
	f := defaults()
	if !p.decode(data, &f) {
		return nil, nil, p.joined()
	}
	c := p.config(f)
	if len(p.errs) > 0 {
		return nil, c.Files, p.joined()
	}
	return c, c.Files, nil
}

// joined returns all errors, in the order of the lines.
func (p *parser) joined() error {
	slices.SortStableFunc(p.errs, func(a, b lineError) int { return a.line - b.line })
	p.errs = slices.Compact(p.errs) // two aliases of one value have the same errors
	errs := make([]error, len(p.errs))
	for i, e := range p.errs {
		errs[i] = fmt.Errorf("%s:%d: %s", p.path, e.line, e.text)
	}
	return errors.Join(errs...)
}

// parser collects what is wrong with a file.
type parser struct {
	path string
	base string
	root yaml.Node
	errs []lineError
	bad  map[int]bool // lines that could not be decoded
}

type lineError struct {
	line int
	text string
}

// fail reports an error of a field, unless its line could not be decoded anyway.
func (p *parser) fail(a fieldPath, format string, args ...any) {
	if line, anchor := p.line(a); !p.bad[line] && !p.bad[anchor] {
		p.errs = append(p.errs, lineError{line, a.String() + ": " + fmt.Sprintf(format, args...)})
	}
}

// check reports err at the field unless it is nil.
func (p *parser) check(a fieldPath, err error) {
	if err != nil {
		text := err.Error()
		for _, said := range []string{"domain: ", "rfc2136: ", "route53: ", "clouddns: "} { // by the path
			text = strings.TrimPrefix(text, said)
		}
		p.fail(a, "%s", text)
	}
}

// fieldPath is the path of a field in the file: keys and indexes.
type fieldPath []any

func (a fieldPath) String() string {
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

// prefix returns the path as the prefix of a message.
func (a fieldPath) prefix() string {
	if len(a) == 0 {
		return ""
	}
	return a.String() + ": "
}

func (a fieldPath) child(more ...any) fieldPath { return slices.Concat(a, more) }

// line returns the line of the field, or of the closest one around it, and the line of its value if it is an alias.
func (p *parser) line(a fieldPath) (line, anchor int) {
	n := p.top()
	line = max(n.Line, 1)
	for _, e := range a {
		var next *yaml.Node
		switch e := e.(type) {
		case int:
			if n.Kind == yaml.SequenceNode && e < len(n.Content) {
				next = n.Content[e]
				line = next.Line
			}
		case string:
			for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == e {
					line, next = n.Content[i].Line, n.Content[i+1]
				}
			}
		}
		if next == nil {
			return line, line
		}
		if n = next; n.Kind == yaml.AliasNode {
			n = n.Alias
		}
	}
	return line, max(n.Line, 1)
}

// pathTo returns the path of the first value for which is returns true, or nil. key is the key of the value in a mapping,
// else nil.
func (p *parser) pathTo(is func(key, value *yaml.Node) bool) fieldPath {
	var found fieldPath
	var walk func(n *yaml.Node, here fieldPath) bool
	walk = func(n *yaml.Node, here fieldPath) bool {
		for i := 0; i < len(n.Content); i++ {
			path := here.child(i)
			var key *yaml.Node
			if n.Kind == yaml.MappingNode {
				key = n.Content[i]
				path = here.child(key.Value)
				i++
			}
			if is(key, n.Content[i]) {
				found = path
				return true
			}
			if walk(n.Content[i], path) {
				return true
			}
		}
		return false
	}
	walk(p.top(), nil)
	return found
}

func (p *parser) top() *yaml.Node {
	if p.root.Kind == yaml.DocumentNode && len(p.root.Content) > 0 {
		return p.root.Content[0]
	}
	return &p.root
}

// file returns the path of a file named in the configuration. A relative one is relative to the configuration.
func (p *parser) file(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(p.base, name)
}
