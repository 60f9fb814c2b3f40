package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is the YAML document of a file: where its fields are, and what is wrong with them.
type document struct {
	path string
	root yaml.Node
	errs []lineError
	bad  map[int]bool // lines that could not be decoded
}

func newDocument(path string) document { return document{path: path, bad: map[int]bool{}} }

type lineError struct {
	line int
	text string
}

// joined returns all errors, in the order of the lines.
func (d *document) joined() error {
	slices.SortStableFunc(d.errs, func(a, b lineError) int { return a.line - b.line })
	d.errs = slices.Compact(d.errs) // two aliases of one value have the same errors
	errs := make([]error, len(d.errs))
	for i, e := range d.errs {
		errs[i] = fmt.Errorf("%s:%d: %s", d.path, e.line, e.text)
	}
	return errors.Join(errs...)
}

// fail reports an error of a field, unless its line could not be decoded anyway.
func (d *document) fail(a fieldPath, format string, args ...any) {
	if line, anchor := d.line(a); !d.bad[line] && !d.bad[anchor] {
		d.errs = append(d.errs, lineError{line, a.String() + ": " + fmt.Sprintf(format, args...)})
	}
}

// check reports err at the field unless it is nil.
func (d *document) check(a fieldPath, err error) {
	if err != nil {
		text := err.Error()
		for _, said := range []string{"domain: ", "rfc2136: ", "route53: ", "clouddns: "} { // by the path
			text = strings.TrimPrefix(text, said)
		}
		d.fail(a, "%s", text)
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
func (d *document) line(a fieldPath) (line, anchor int) {
	n := d.top()
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

// pathTo returns the path of the first value for which is returns true, or nil. key is the key of the value in a
// mapping, else nil.
func (d *document) pathTo(is func(key, value *yaml.Node) bool) fieldPath {
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
	walk(d.top(), nil)
	return found
}

// top returns the root value of the document.
func (d *document) top() *yaml.Node {
	if d.root.Kind == yaml.DocumentNode && len(d.root.Content) > 0 {
		return d.root.Content[0]
	}
	return &d.root
}
