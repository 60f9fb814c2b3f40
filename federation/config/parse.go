package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Load reads and validates the file: the whole of it, before anything
// starts. The error joins everything that is wrong, in the order of the lines,
// each with file, line, the path of the field, and what is allowed.
//
// Files that the configuration names are read here as far as they are ours
// (the TSIG secret); a member's kubeconfig is not, as it may be mended while
// the others are served (X7): see CheckKubeconfigs.
func Load(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return Parse(path, data)
}

// Parse is Load of a file that has been read.
func Parse(path string, data []byte) (*Config, error) {
	p := &parser{path: path, base: filepath.Dir(path), bad: map[int]bool{}}
	if err := yaml.Unmarshal(data, &p.root); err != nil {
		return nil, fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	f := defaults()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	var typeErr *yaml.TypeError
	switch err := dec.Decode(&f); {
	case errors.As(err, &typeErr):
		for _, e := range typeErr.Errors {
			p.decodeError(e)
		}
		if strings.Contains(err.Error(), "already defined") { // the mapping was not decoded
			return nil, p.joined()
		}
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: one document is allowed", path)
	}
	c := p.config(f)
	if len(p.errs) > 0 {
		return nil, p.joined()
	}
	return c, nil
}

// joined is all that is wrong, in the order of the lines.
func (p *parser) joined() error {
	slices.SortStableFunc(p.errs, func(a, b lineError) int { return a.line - b.line })
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
	if line := p.line(a); !p.bad[line] {
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

var (
	unknownField = regexp.MustCompile(`^line (\d+): field (\S+) not found in type config\.(\w+)$`)
	wrongKind    = regexp.MustCompile("^line (\\d+): cannot unmarshal (!!\\w+)(?: `(.*)`)? into (\\S+)$")
	anyLine      = regexp.MustCompile(`^line (\d+): (.*)$`)
)

// decodeError turns the YAML library's words into ours. They never hold the
// value, which may be a secret at the wrong place.
func (p *parser) decodeError(e string) {
	if m := unknownField.FindStringSubmatch(e); m != nil {
		line, _ := strconv.Atoi(m[1])
		path := p.pathTo(func(key, _ *yaml.Node) bool { return key != nil && key.Line == line && key.Value == m[2] })
		around := path[:max(0, len(path)-1)]
		p.errs = append(p.errs, lineError{line, fmt.Sprintf("%sunknown field %q: allowed here are %s",
			around.before(), m[2], strings.Join(fieldsOf(reflect.TypeFor[file](), m[3]), ", "))})
		return
	}
	text := e
	line := 1
	if m := wrongKind.FindStringSubmatch(e); m != nil {
		line, _ = strconv.Atoi(m[1])
		path := p.pathTo(func(_, n *yaml.Node) bool {
			return n.Line == line && n.ShortTag() == m[2] && strings.HasPrefix(n.Value, strings.TrimSuffix(m[3], "..."))
		})
		text = fmt.Sprintf("%s%s is needed, not %s", path.before(), kindWords(m[4]), kindWords(m[2]))
	} else if m := anyLine.FindStringSubmatch(e); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = m[2]
	}
	p.bad[line] = true
	p.errs = append(p.errs, lineError{line, text})
}

// kindWords says in words what kind of value a Go type takes or a YAML tag is.
func kindWords(typ string) string {
	switch {
	case typ == "!!str":
		return "text"
	case typ == "int" || typ == "!!int":
		return "a whole number"
	case typ == "!!float":
		return "a number with a fraction"
	case typ == "bool" || typ == "!!bool":
		return "true or false"
	case typ == "string":
		return "text"
	case strings.HasPrefix(typ, "[]") || typ == "!!seq":
		return "a list"
	case typ == "!!null":
		return "nothing"
	}
	return "a mapping of fields"
}

// fieldsOf lists the fields of the named type, which t is or holds.
func fieldsOf(t reflect.Type, name string) []string {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return fieldsOf(t.Elem(), name)
	case reflect.Struct:
	default:
		return nil
	}
	var names []string
	for i := range t.NumField() {
		if found := fieldsOf(t.Field(i).Type, name); found != nil {
			return found
		}
		names = append(names, t.Field(i).Tag.Get("yaml"))
	}
	if t.Name() != name {
		return nil
	}
	return names
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

// line is where the field stands, or the closest thing around it.
func (p *parser) line(a at) int {
	n := p.document()
	line := max(n.Line, 1)
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
			return line
		}
		n = next
	}
	return line
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
	walk(p.document(), nil)
	return found
}

func (p *parser) document() *yaml.Node {
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
