package config

import (
	"fmt"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/test/docs"
)

// TestDocs checks the part of docs/operations.md that is generated from the fields of the file. -update regenerates it.
func TestDocs(t *testing.T) {
	parts := map[string]string{"configuration": configurationList(t)}
	docs.CheckGenerated(t, "../../docs/operations.md", "federation/config", *update, parts)
}

// configurationList has an item for each field of the file.
func configurationList(t *testing.T) string {
	f := defaults()
	ttl, most := federation.DefaultTTL, federation.DefaultMaxAddresses
	elsewhere := map[string]any{ // defaults that are applied elsewhere
		"federations[].naming": string(federation.Flat), "federations[].ttl": ttl, "federations[].levels": "all",
		"federations[].maxAddresses": most, "federations[].provider.rfc2136.tsig.algorithm": "hmac-sha256",
		"federations[].provider.route53.requestsPerSecond":  budget.PerSecond,
		"federations[].provider.cloudDNS.requestsPerSecond": budget.PerSecond,
	}
	comments := fieldComments(t, fieldFiles...)
	var b strings.Builder
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		typ := v.Type()
		for i := range typ.NumField() {
			field := typ.Field(i)
			if field.Anonymous {
				walk(v.Field(i), path)
				continue
			}
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
				b.WriteString(docs.ListItem(fmt.Sprintf("`%s`: %s", name, comment)))
				if value.Kind() != reflect.Struct {
					value = reflect.New(inner).Elem()
				}
				walk(value, name+".")
				continue
			case elsewhere[name] != nil:
				value = reflect.ValueOf(elsewhere[name])
			}
			about := valueWords(inner)
			if !value.IsZero() || value.Kind() == reflect.Int || value.Kind() == reflect.Bool {
				about += fmt.Sprintf(", default `%v`", value)
			}
			b.WriteString(docs.ListItem(fmt.Sprintf("`%s` (%s): %s", name, about, comment)))
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

// fieldFiles have the fields of the file.
var fieldFiles = []string{"file.go", "../../api/v1alpha1/settings.go"}

// fieldComments returns the comments of the structs' fields, by "type.field", without markers.
func fieldComments(t *testing.T, names ...string) map[string]string {
	comments := map[string]string{}
	for _, name := range names {
		parsed, err := goparser.ParseFile(token.NewFileSet(), name, nil, goparser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					text, _, _ := strings.Cut(f.Doc.Text(), "\n+")
					for _, id := range f.Names {
						comments[spec.Name.Name+"."+id.Name] = strings.TrimSpace(strings.ReplaceAll(text, "\n", " "))
					}
				}
			}
			return true
		})
	}
	return comments
}
