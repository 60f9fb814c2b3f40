package syncer

import (
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

var update = flag.Bool("update", false, "write what the code says into the documentation")

// TestDocs holds the parts of docs/operations.md that are made from the code:
// the metrics and the reasons. -update writes them anew.
func TestDocs(t *testing.T) {
	const path = "../../docs/operations.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for part, table := range map[string]string{
		"metrics": metricsTable(t),
		"reasons": reasonsTable(t),
	} {
		begin, end := "<!-- "+part+": made from the code by go test ./federation/syncer -update -->\n", "<!-- end of "+part+" -->"
		before, rest, ok1 := strings.Cut(want, begin)
		_, after, ok2 := strings.Cut(rest, end)
		if !ok1 || !ok2 {
			t.Fatalf("%s has no part between %q and %q", path, begin, end)
		}
		want = before + begin + "\n" + table + "\n" + end + after
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := gocmp.Diff(string(text), want); d != "" {
		t.Errorf("docs/operations.md is not what the code says (-is +wanted; go test ./federation/syncer -run TestDocs -update):\n%s", d)
	}
}

var descParts = regexp.MustCompile(`fqName: "([^"]*)", help: "([^"]*)".*variableLabels: \{([^}]*)\}`)

// metricsTable has a row for each metric of the syncer.
func metricsTable(t *testing.T) string {
	m := newMetrics(&budgets{})
	if n := reflect.TypeFor[metrics]().NumField() - 1; n != len(m.all()) { // all but the registry
		t.Fatalf("%d metrics are registered, there are %d", len(m.all()), n)
	}
	var rows []string
	for _, c := range m.all() {
		descs := make(chan *prometheus.Desc, 10)
		c.Describe(descs)
		close(descs)
		for d := range descs {
			parts := descParts.FindStringSubmatch(d.String())
			if parts == nil {
				t.Fatal("a metric that describes itself in another way")
			}
			rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |\n", parts[1], strings.ReplaceAll(parts[3], ",", ", "), parts[2]))
		}
	}
	slices.Sort(rows)
	return "| metric | labels | what it says |\n|---|---|---|\n" + strings.Join(rows, "")
}

// ruleIDs stand before the comment of a reason.
var ruleIDs = regexp.MustCompile(`^[A-Z]\d+[a-z]?(, [A-Z]\d+[a-z]?)*: `)

// reasonsTable has a row for each reason, with its comment.
func reasonsTable(t *testing.T) string {
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
	b.WriteString("| reason | what it means, and what to do |\n|---|---|\n")
	for _, r := range reasons {
		fmt.Fprintf(&b, "| `%s` | %s |\n", r.name, r.text)
	}
	return b.String()
}
