package config

import (
	"fmt"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider/budget"
)

// TestDocs holds the part of docs/operations.md that is made from the fields of the file. -update writes it anew.
func TestDocs(t *testing.T) {
	const path = "../../docs/operations.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- configuration: made from the code by go test ./federation/config -update -->\n", "<!-- end of configuration -->"
	before, rest, ok1 := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no part between %q and %q", path, begin, end)
	}
	want := before + begin + "\n" + configurationTable(t) + "\n" + end + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(string(text), want); d != "" {
		t.Errorf("docs/operations.md is not what the code says (-is +wanted; go test ./federation/config -run TestDocs -update):\n%s", d)
	}
}

// configurationTable has a row for each field of the file.
func configurationTable(t *testing.T) string {
	f := defaults()
	ttl, most := federation.DefaultTTL, federation.DefaultMaxAddresses
	elsewhere := map[string]any{ // the defaults that are not of the file
		"federations[].naming": string(federation.Flat), "federations[].ttl": ttl, "federations[].levels": "all",
		"federations[].maxAddresses": most, "federations[].provider.rfc2136.tsig.algorithm": "hmac-sha256",
		"federations[].provider.route53.requestsPerSecond": budget.PerSecond, "federations[].provider.cloudDNS.requestsPerSecond": budget.PerSecond,
	}
	comments := fieldComments(t, "file.go")
	var b strings.Builder
	b.WriteString("| field | value | default | what it is |\n|---|---|---|---|\n")
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		typ := v.Type()
		for i := range typ.NumField() {
			field := typ.Field(i)
			name := path + field.Tag.Get("yaml")
			comment := comments[typ.Name()+"."+field.Name]
			if comment == "" {
				t.Fatalf("field %s.%s has no comment", typ.Name(), field.Name)
			}
			inner := field.Type
			for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
				if inner.Kind() == reflect.Slice {
					name += "[]"
				}
				inner = inner.Elem()
			}
			value := v.Field(i)
			switch {
			case inner.Kind() == reflect.Struct:
				fmt.Fprintf(&b, "| `%s` | | | %s |\n", name, comment)
				if value.Kind() != reflect.Struct {
					value = reflect.New(inner).Elem()
				}
				walk(value, name+".")
				continue
			case elsewhere[name] != nil:
				value = reflect.ValueOf(elsewhere[name])
			}
			text := ""
			if !value.IsZero() || value.Kind() == reflect.Int || value.Kind() == reflect.Bool {
				text = fmt.Sprintf("`%v`", value)
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, valueWords(inner), text, comment)
		}
	}
	walk(reflect.ValueOf(f), "")
	return b.String()
}

func valueWords(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Map:
		return "lists by name"
	case reflect.Int:
		return "number"
	case reflect.Bool:
		return "true or false"
	}
	return "text"
}

// fieldComments are the comments of the fields of all struct types in a file,
// by Type.Field.
func fieldComments(t *testing.T, name string) map[string]string {
	parsed, err := goparser.ParseFile(token.NewFileSet(), name, nil, goparser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if s, ok := spec.Type.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				for _, id := range f.Names {
					comments[spec.Name.Name+"."+id.Name] = strings.TrimSpace(strings.ReplaceAll(f.Doc.Text(), "\n", " "))
				}
			}
		}
		return true
	})
	return comments
}
