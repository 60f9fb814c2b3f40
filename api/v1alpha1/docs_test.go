package v1alpha1

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/federation-dns/federation/test/docs"
)

var update = flag.Bool("update", false, "write docs/api.md")

// TestDocs checks the parts of docs/api.md that are generated from the CRD and from the reasons. -update regenerates
// them.
func TestDocs(t *testing.T) {
	docs.CheckGenerated(t, "../../docs/api.md", "api/v1alpha1", *update, map[string]string{
		"fields": fieldList(t), "reasons": reasonList(t),
	})
}

// field is what docs/api.md tells of a field.
type field struct {
	Type        string
	Description string
	Default     any
	Properties  map[string]*field
	Items       *field
	Required    []string
	Validations []struct{ Message string } `yaml:"x-kubernetes-validations"`
}

func fieldList(t *testing.T) string {
	files, err := filepath.Glob("../../deploy/crds/*.yaml")
	if err != nil || len(files) != 1 {
		t.Fatalf("CRDs %q, error %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					V3 field `yaml:"openAPIV3Schema"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(data, &crd); err != nil {
		t.Fatal(err)
	}
	root := crd.Spec.Versions[0].Schema.V3
	var b strings.Builder
	for _, v := range root.Validations {
		b.WriteString(docs.ListItem("`metadata.name`: " + v.Message + "."))
	}
	for _, name := range []string{"spec", "status"} {
		describe(t, &b, name, root.Properties[name])
	}
	return b.String()
}

// describe writes an item for each field below a path.
func describe(t *testing.T, b *strings.Builder, path string, s *field) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		f, here := s.Properties[name], path+"."+name
		inner := f
		if f.Items != nil {
			inner, here = f.Items, here+"[]"
		}
		if f.Description == "" {
			t.Errorf("%s has no description", here)
		}
		about := map[string]string{"string": "text", "integer": "number", "boolean": "true or false"}[inner.Type]
		if slices.Contains(s.Required, name) && path != "status" {
			about = strings.TrimPrefix(about+", needed", ", ")
		}
		if f.Default != nil {
			about += fmt.Sprintf(", default `%v`", f.Default)
		}
		if about != "" {
			about = " (" + about + ")"
		}
		text := fmt.Sprintf("`%s`%s: %s", here, about, strings.ReplaceAll(f.Description, "\n", " "))
		for _, v := range f.Validations {
			text += fmt.Sprintf(" Refused otherwise: \"%s\".", v.Message)
		}
		b.WriteString(docs.ListItem(text))
		if here != "status.conditions[]" { // those of every Kubernetes object
			describe(t, b, here, inner)
		}
	}
}

// reasonList has the reasons of the condition Ready with their comments.
func reasonList(t *testing.T) string {
	parsed, err := parser.ParseFile(token.NewFileSet(), "conditions.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	comment := regexp.MustCompile(`(?s)^Reason\w+ \((True|False|Unknown)\): (.*)\n$`)
	var b strings.Builder
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
			return true
		}
		m := comment.FindStringSubmatch(spec.Doc.Text())
		if m == nil {
			t.Fatalf("%s has no comment with a status", spec.Names[0].Name)
		}
		b.WriteString(docs.ListItem(fmt.Sprintf("`%s` (%s): %s", strings.TrimPrefix(spec.Names[0].Name, "Reason"), m[1],
			strings.ReplaceAll(m[2], "\n", " "))))
		return true
	})
	return b.String()
}
