package v1alpha1

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/federation-dns/federation/test/docs"
)

var update = flag.Bool("update", false, "write docs/api.md")

// TestDocs checks the parts of docs/api.md that are generated from the CRDs and from the reasons. -update regenerates
// them.
func TestDocs(t *testing.T) {
	docs.CheckGenerated(t, "../../docs/api.md", "api/v1alpha1", *update, map[string]string{
		"MemberCluster":          fieldList(t, "memberclusters"),
		"FederatedService":       fieldList(t, "federatedservices"),
		"reasons":                reasonList(t, "ConditionReady"),
		"reasons of propagation": reasonList(t, "ConditionPropagationReady"),
		"reasons of Propagated":  reasonList(t, "ConditionPropagated"),
		"reasons of Published":   reasonList(t, "ConditionPublished"),
		"reasons of a cluster":   reasonList(t, "why a member has no Service"),
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

// fieldList has the fields of a kind, given by the name of its resource.
func fieldList(t *testing.T, resource string) string {
	data, err := os.ReadFile("../../deploy/crds/federation-dns.io_" + resource + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					Root field `yaml:"openAPIV3Schema"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(data, &crd); err != nil {
		t.Fatal(err)
	}
	root := crd.Spec.Versions[0].Schema.Root
	var b strings.Builder
	for _, v := range root.Validations {
		b.WriteString(docs.ListItem("`metadata.name`: " + v.Message + "."))
	}
	for _, name := range []string{"spec", "status"} {
		describe(t, &b, name, root.Properties[name])
	}
	return b.String()
}

// kubernetes has the fields that are the same in Kubernetes' own objects.
var kubernetes = map[string]bool{
	"spec.placement.selector": true, "spec.template.spec": true, "status.conditions[]": true,
	"status.loadBalancer": true,
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
		for i, v := range f.Validations {
			text = strings.TrimSuffix(text, ".")
			if i == 0 {
				text += ". Refused otherwise:"
			} else {
				text += ";"
			}
			text += fmt.Sprintf(" \"%s\".", v.Message)
		}
		b.WriteString(docs.ListItem(text))
		if !kubernetes[here] {
			describe(t, b, here, inner)
		}
	}
}

// reasonList has the reasons of the one block of constants whose comment has these words, with their comments.
func reasonList(t *testing.T, words string) string {
	comment := regexp.MustCompile(`(?s)^Reason\w+( \((?:True|False|Unknown)\))?: (.*)\n$`)
	var b strings.Builder
	for _, file := range []string{"conditions.go", "federatedservice_conditions.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			block, ok := d.(*ast.GenDecl)
			if !ok || !block.Lparen.IsValid() || !regexp.MustCompile(words+`\b`).MatchString(block.Doc.Text()) {
				continue
			}
			for _, s := range block.Specs {
				spec := s.(*ast.ValueSpec)
				m := comment.FindStringSubmatch(spec.Doc.Text())
				if m == nil {
					t.Fatalf("%s has no comment of the form", spec.Names[0].Name)
				}
				reason, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				b.WriteString(docs.ListItem(fmt.Sprintf("`%s`%s: %s", reason, m[1],
					strings.ReplaceAll(m[2], "\n", " "))))
			}
		}
	}
	return b.String()
}
