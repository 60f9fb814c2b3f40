package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// decode reads the only document of the file into f, and its nodes into d.root. It collects errors, and reports whether
// f is usable.
func (d *document) decode(data []byte, f *file) bool {
	before, ok := d.findDocument(data)
	if !ok {
		return false
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	for range before {
		_ = dec.Decode(new(yaml.Node)) // it is empty
	}
	err := dec.Decode(f)
	var typeErr *yaml.TypeError
	switch {
	case errors.As(err, &typeErr):
		for _, e := range typeErr.Errors {
			d.decodeError(e)
		}
		return !strings.Contains(err.Error(), "already defined") // else the mapping was not decoded
	case err != nil && !errors.Is(err, io.EOF):
		d.syntaxError(data, err)
		return false
	}
	return true
}

// findDocument finds the only document that is not empty, and returns how many precede it: a template may leave a "---"
// at either end.
func (d *document) findDocument(data []byte) (before int, ok bool) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for i := 0; ; i++ {
		var doc yaml.Node
		switch err := dec.Decode(&doc); {
		case errors.Is(err, io.EOF):
			return before, true
		case err != nil:
			d.syntaxError(data, err)
			return 0, false
		}
		if len(doc.Content) == 0 || doc.Content[0].ShortTag() == "!!null" {
			continue
		}
		if d.root.Kind != 0 {
			d.errs = append(d.errs, lineError{doc.Content[0].Line, "another document begins here: one is allowed"})
			return 0, false
		}
		d.root, before = doc, i
	}
}

var (
	syntaxLine    = regexp.MustCompile(`^line (\d+): (.*)$`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
	indentedByTab = regexp.MustCompile(`^ *\t[ \t]*[^ \t\r]`)
)

// syntaxError reports a YAML syntax error with its line. The library reports the line before for errors of its parser
// (not its scanner), no line for the first one, and the line of the surrounding block for a tab.
func (d *document) syntaxError(data []byte, err error) {
	text, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
	if m := syntaxLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		if text = m[2]; strings.HasPrefix(text, "did not find expected") {
			line++
		}
	}
	lines := strings.Split(string(data), "\n")
	find := func(is func(string) bool) bool {
		for i, l := range lines {
			if is(l) {
				line = i + 1
				return true
			}
		}
		return false
	}
	if m := unknownAnchor.FindStringSubmatch(text); m != nil {
		find(func(l string) bool { return strings.Contains(l, "*"+m[1]) })
	} else if strings.Contains(text, " tab ") || strings.Contains(text, "cannot start any token") {
		if find(indentedByTab.MatchString) {
			text = "a tab is no indentation: use blanks"
		}
	} else if strings.Contains(text, "control characters") || strings.Contains(text, "UTF-8") {
		find(func(l string) bool { return !utf8.ValidString(l) || strings.ContainsFunc(l, isControl) })
	}
	last := strings.Count(strings.TrimRight(string(data), "\n"), "\n") + 1
	d.errs = append(d.errs, lineError{max(1, min(line, last)), text})
}

func isControl(r rune) bool { return r < ' ' && r != '\t' && r != '\r' || r == 0x7f }

// whole is an integer in decimal digits. It refuses what YAML would round or read in another notation (60.9, 1e3, 0x10,
// 017).
type whole int

var decimal = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// UnmarshalYAML implements yaml.Unmarshaler.
func (w *whole) UnmarshalYAML(n *yaml.Node) error {
	is := ""
	switch tag := n.ShortTag(); {
	case tag != "!!int" && tag != "!!float":
		is = kindWords(tag)
	case !decimal.MatchString(n.Value) && tag == "!!int":
		is = "another notation"
	case !decimal.MatchString(n.Value):
		is = kindWords(tag)
	default:
		i, err := strconv.Atoi(n.Value)
		if err == nil {
			*w = whole(i)
			return nil
		}
		is = "one that is too large"
	}
	text := fmt.Sprintf("line %d: column %d: a whole number in decimal digits is needed, not %s", n.Line, n.Column, is)
	return &yaml.TypeError{Errors: []string{text}}
}

var (
	unknownField = regexp.MustCompile(`^line (\d+): field (\S+) not found in type (?:config|v1alpha1)\.(\w+)$`)
	wrongNumber  = regexp.MustCompile(`^line (\d+): column (\d+): (.*)$`)
	wrongKind    = regexp.MustCompile("^line (\\d+): cannot unmarshal (!!\\w+)(?: `(.*)`)? into (\\S+)$")
	anyLine      = regexp.MustCompile(`^line (\d+): (.*)$`)
)

// decodeError rephrases an error of the YAML library. The text never contains the value, which may be a misplaced
// secret.
func (d *document) decodeError(e string) {
	if m := unknownField.FindStringSubmatch(e); m != nil {
		line, _ := strconv.Atoi(m[1])
		path := d.pathTo(func(key, _ *yaml.Node) bool { return key != nil && key.Line == line && key.Value == m[2] })
		around := path[:max(0, len(path)-1)]
		allowed := "no field is allowed here"
		if fields := fieldsOf(reflect.TypeFor[file](), m[3]); len(fields) > 0 {
			allowed = "allowed here are " + strings.Join(fields, ", ")
		}
		d.errs = append(d.errs, lineError{line, fmt.Sprintf("%sunknown field %q: %s", around.prefix(), m[2], allowed)})
		return
	}
	text := e
	line := 1
	if m := wrongNumber.FindStringSubmatch(e); m != nil {
		var column int
		line, _ = strconv.Atoi(m[1])
		column, _ = strconv.Atoi(m[2])
		path := d.pathTo(func(_, n *yaml.Node) bool { return n.Line == line && n.Column == column })
		text = path.prefix() + m[3]
	} else if m := wrongKind.FindStringSubmatch(e); m != nil {
		line, _ = strconv.Atoi(m[1])
		path := d.pathTo(func(_, n *yaml.Node) bool {
			return n.Line == line && n.ShortTag() == m[2] && strings.HasPrefix(n.Value, strings.TrimSuffix(m[3], "..."))
		})
		text = fmt.Sprintf("%s%s is needed, not %s", path.prefix(), kindWords(m[4]), kindWords(m[2]))
	} else if m := anyLine.FindStringSubmatch(e); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = m[2]
	}
	d.bad[line] = true
	d.errs = append(d.errs, lineError{line, text})
}

// kindWords describes a Go type or YAML tag to the user.
func kindWords(typ string) string {
	switch {
	case typ == "!!str":
		return "text"
	case typ == "!!int":
		return "a whole number"
	case typ == "!!float":
		return "a number with a fraction or an exponent"
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

// fieldsOf returns the fields of the named type, which is t or part of it.
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
		if tag := t.Field(i).Tag.Get("yaml"); tag == ",inline" {
			names = append(names, fieldsOf(t.Field(i).Type, t.Field(i).Type.Name())...)
		} else {
			names = append(names, tag)
		}
	}
	if t.Name() != name {
		return nil
	}
	return names
}
