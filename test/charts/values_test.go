// Package charts tests the Helm charts by a real helm: they are linted and rendered in every form, and installed on
// real API servers.
package charts

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/federation-dns/federation/test/docs"
)

var update = flag.Bool("update", false, "write the lists of values into the charts' README.md")

// The list of values in the README of each chart is that of its values.yaml, comments included.
func TestValuesAreListed(t *testing.T) {
	charts, err := filepath.Glob("../../charts/*/values.yaml")
	if err != nil || len(charts) == 0 {
		t.Fatalf("there is no chart: %v", err)
	}
	for _, path := range charts {
		chart := filepath.Dir(path)
		t.Run(filepath.Base(chart), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var document yaml.Node
			if err := yaml.Unmarshal(text, &document); err != nil {
				t.Fatal(err)
			}
			var list strings.Builder
			listValues(t, &list, "", document.Content[0])
			docs.CheckGenerated(t, filepath.Join(chart, "README.md"), "test/charts", *update,
				map[string]string{"values": list.String()})
		})
	}
}

// listValues lists the leaves of a mapping, each with its default and the comment above it.
func listValues(t *testing.T, list *strings.Builder, prefix string, mapping *yaml.Node) {
	t.Helper()
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		name := prefix + key.Value
		comment := strings.Join(strings.Fields(strings.ReplaceAll(key.HeadComment, "#", " ")), " ")
		if value.Kind == yaml.MappingNode && len(value.Content) > 0 && value.Style != yaml.FlowStyle {
			if comment != "" {
				list.WriteString(docs.ListItem(fmt.Sprintf("`%s`: %s", name, comment)))
			}
			listValues(t, list, name+".", value)
			continue
		}
		text, err := yaml.Marshal(flow(value))
		if err != nil {
			t.Fatal(err)
		}
		item := fmt.Sprintf("`%s` (`%s`)", name, strings.TrimSpace(string(text)))
		if comment != "" {
			item += ": " + comment
		}
		list.WriteString(docs.ListItem(item))
	}
}

// flow is a copy of the value, in flow style and without comments.
func flow(value *yaml.Node) *yaml.Node {
	c := *value
	c.HeadComment, c.LineComment, c.FootComment = "", "", ""
	if c.Kind == yaml.SequenceNode || c.Kind == yaml.MappingNode {
		c.Style = yaml.FlowStyle
	}
	c.Content = nil
	for _, child := range value.Content {
		c.Content = append(c.Content, flow(child))
	}
	return &c
}
