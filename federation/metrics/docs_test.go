package metrics

import (
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/federation-dns/federation/test/docs"
)

var update = flag.Bool("update", false, "write what the code says into the documentation")

// TestDocs checks the parts of docs/operations.md that are generated from the code: the metrics and the reasons.
// -update regenerates them.
func TestDocs(t *testing.T) {
	parts := map[string]string{"metrics": metricsList(t), "reasons": reasonsList(t)}
	docs.CheckGenerated(t, "../../docs/operations.md", "federation/metrics", *update, parts)
}

var descParts = regexp.MustCompile(`fqName: "([^"]*)", help: "([^"]*)".*variableLabels: \{([^}]*)\}`)

// metricsList has an item for each metric of the syncer.
func metricsList(t *testing.T) string {
	m := New(nil, nil)
	fields := reflect.TypeFor[Metrics]().NumField() + reflect.TypeFor[gauges]().NumField() +
		reflect.TypeFor[mirrors]().NumField()
	if n := fields - 3; n != len(m.collectors()) { // all but the registry, and gauges and mirrors themselves
		t.Fatalf("%d metrics are registered, there are %d", len(m.collectors()), n)
	}
	var items []string
	for _, c := range m.collectors() {
		descs := make(chan *prometheus.Desc, 10)
		c.Describe(descs)
		close(descs)
		for d := range descs {
			parts := descParts.FindStringSubmatch(d.String())
			if parts == nil {
				t.Fatal("a metric that describes itself in another way")
			}
			labels := ""
			if parts[3] != "" {
				labels = " {" + strings.ReplaceAll(parts[3], ",", ", ") + "}"
			}
			items = append(items, docs.ListItem(fmt.Sprintf("`%s`%s: %s", parts[1], labels, parts[2])))
		}
	}
	slices.Sort(items)
	return strings.Join(items, "")
}

// ruleIDs stand before the comment of a reason.
var ruleIDs = regexp.MustCompile(`^[A-Z]\d+[a-z]?(, [A-Z]\d+[a-z]?)*: `)

// reasonsList has an item for each reason, with its comment.
func reasonsList(t *testing.T) string {
	parsed, err := goparser.ParseFile(token.NewFileSet(), "../reason.go", nil, goparser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	type reason struct{ name, text string }
	var reasons []reason
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		name, value := spec.Names[0].Name, strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`)
		if name != "Reason"+value {
			t.Errorf("%s has the value %q", name, value)
		}
		text := strings.TrimSpace(strings.ReplaceAll(spec.Doc.Text(), "\n", " "))
		if text == "" {
			t.Errorf("%s has no comment above it", name)
		}
		reasons = append(reasons, reason{value, ruleIDs.ReplaceAllString(text, "")})
		return true
	})
	slices.SortFunc(reasons, func(a, b reason) int { return cmp.Compare(a.name, b.name) })
	var b strings.Builder
	for _, r := range reasons {
		b.WriteString(docs.ListItem(fmt.Sprintf("`%s`: %s", r.name, r.text)))
	}
	return b.String()
}
