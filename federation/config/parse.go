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

// Load reads and validates the file: the whole of it, before anything
// starts. The error joins everything that is wrong, in the order of the lines,
// each with file, line, the path of the field, and what is allowed.
//
// Files that the configuration names are read here as far as they are ours
// (the TSIG secret); a member's kubeconfig is not, as it may be corrected while
// the others are served (X7): see Warnings.
func Load(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return Parse(path, data)
}

// Parse is Load of a file that has been read.
func Parse(path string, data []byte) (*Config, error) {
	c, _, err := parse(path, data)
	return c, err
}

// parse also returns the files that the configuration names and that were read with it, as far as it could be decoded:
// of one that is refused, these may be what is wrong with it.
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

// joined is all that is wrong, in the order of the lines.
func (p *parser) joined() error {
	slices.SortStableFunc(p.errs, func(a, b lineError) int { return a.line - b.line })
	p.errs = slices.Compact(p.errs) // what two aliases of one value are wrong with
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

// fail reports what is wrong with the field, unless its line could not be
// decoded anyway.
func (p *parser) fail(a at, format string, args ...any) {
	if line, anchor := p.line(a); !p.bad[line] && !p.bad[anchor] {
		p.errs = append(p.errs, lineError{line, a.String() + ": " + fmt.Sprintf(format, args...)})
	}
}

// check reports err at the field, if there is one.
func (p *parser) check(a at, err error) {
	if err != nil {
		text := err.Error()
		for _, said := range []string{"domain: ", "rfc2136: ", "route53: ", "clouddns: "} { // by the path
			text = strings.TrimPrefix(text, said)
		}
		p.fail(a, "%s", text)
	}
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

// before is the path as it stands before a message.
func (a at) before() string {
	if len(a) == 0 {
		return ""
	}
	return a.String() + ": "
}

func (a at) to(more ...any) at { return slices.Concat(a, more) }

// line is where the field is, or the closest thing around it, and where its value is if the field is an alias.
func (p *parser) line(a at) (line, anchor int) {
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

// pathTo is the path of the first value for which is holds, key being what it
// stands under in a mapping or nil; nothing if there is none.
func (p *parser) pathTo(is func(key, value *yaml.Node) bool) at {
	var found at
	var walk func(n *yaml.Node, here at) bool
	walk = func(n *yaml.Node, here at) bool {
		for i := 0; i < len(n.Content); i++ {
			path := here.to(i)
			var key *yaml.Node
			if n.Kind == yaml.MappingNode {
				key = n.Content[i]
				path = here.to(key.Value)
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

// file is the path of a file that the configuration names: relative ones are
// looked for beside it.
func (p *parser) file(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(p.base, name)
}
