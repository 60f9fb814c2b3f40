package syncer

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

// LoadConfig reads and validates the file: the whole of it, before anything
// starts. The error joins everything that is wrong, in the order of the lines,
// each with file, line, the path of the field, and what is allowed.
//
// Files that the configuration names are read here as far as they are ours
// (the TSIG secret); a member's kubeconfig is not, as it may be mended while
// the others are served (X7): see CheckKubeconfigs.
func LoadConfig(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return parseConfig(path, data)
}

func parseConfig(path string, data []byte) (*Config, error) {
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
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: one document is allowed", path)
	}
	c := p.config(f)
	if len(p.errs) > 0 {
		slices.SortStableFunc(p.errs, func(a, b lineError) int { return a.line - b.line })
		errs := make([]error, len(p.errs))
		for i, e := range p.errs {
			errs[i] = fmt.Errorf("%s:%d: %s", path, e.line, e.text)
		}
		return nil, errors.Join(errs...)
	}
	return c, nil
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
		p.fail(a, "%v", err)
	}
}

var (
	unknownField = regexp.MustCompile(`^line (\d+): field (\S+) not found in type syncer\.(\w+)$`)
	wrongKind    = regexp.MustCompile("^line (\\d+): cannot unmarshal (!!\\w+)(?: `.*`)? into (\\S+)$")
	anyLine      = regexp.MustCompile(`^line (\d+): (.*)$`)
)

// decodeError turns the YAML library's words into ours. They never hold the
// value, which may be a secret at the wrong place.
func (p *parser) decodeError(e string) {
	if m := unknownField.FindStringSubmatch(e); m != nil {
		line, _ := strconv.Atoi(m[1])
		p.errs = append(p.errs, lineError{line, fmt.Sprintf("%sunknown field %q: allowed here are %s",
			p.pathTo(line, m[2]), m[2], strings.Join(fieldsOf(reflect.TypeFor[file](), m[3]), ", "))})
		return
	}
	text := e
	line := 1
	if m := wrongKind.FindStringSubmatch(e); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = fmt.Sprintf("%s%s is needed, not %s", p.pathTo(line, ""), kindWords(m[3]), kindWords(m[2]))
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

// pathTo is the path of what is wrong in the line, with a colon: of the mapping
// around the key, or of the value that begins there.
func (p *parser) pathTo(line int, key string) string {
	var found at
	var walk func(n *yaml.Node, here at)
	walk = func(n *yaml.Node, here at) {
		for i := 0; i < len(n.Content); i++ {
			child, path := n.Content[i], here.to(i)
			if n.Kind == yaml.MappingNode {
				if key != "" && child.Line == line && child.Value == key {
					found = here
				}
				path = here.to(child.Value)
				i++
				child = n.Content[i]
			}
			if key == "" && child.Line == line {
				found = path
			}
			walk(child, path)
		}
	}
	walk(p.document(), nil)
	if len(found) == 0 {
		return ""
	}
	return found.String() + ": "
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
