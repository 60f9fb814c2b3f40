package syncer

import (
	"cmp"
	"fmt"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider/budget"
)

// TestDocs holds the parts of docs/operations.md that are made from the code:
// the configuration, the metrics and the reasons. -update writes them anew.
func TestDocs(t *testing.T) {
	const path = "../../docs/operations.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for part, table := range map[string]string{
		"configuration": configurationTable(t),
		"metrics":       metricsTable(t),
		"reasons":       reasonsTable(t),
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

// configurationTable has a row for each field of the file.
func configurationTable(t *testing.T) string {
	f := defaults()
	ttl, most := federation.DefaultTTL, federation.DefaultMaxAddresses
	elsewhere := map[string]any{ // the defaults that are not of the file
		"federations[].naming": string(federation.Flat), "federations[].ttl": ttl, "federations[].levels": "all",
		"federations[].maxAddresses": most, "federations[].provider.rfc2136.tsig.algorithm": "hmac-sha256",
		"federations[].provider.route53.requestsPerSecond": budget.PerSecond, "federations[].provider.cloudDNS.requestsPerSecond": budget.PerSecond,
	}
	comments := fieldComments(t, "config.go")
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

// reasonsTable has a row for each reason, of all packages, with its comment.
func reasonsTable(t *testing.T) string {
	files, err := filepath.Glob("../*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{".", "../member", "../policy"} {
		more, err := filepath.Glob(dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	type reason struct{ name, text string }
	var reasons []reason
	for _, name := range files {
		parsed, err := goparser.ParseFile(token.NewFileSet(), name, nil, goparser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Names) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Reason") || len(spec.Values) != 1 {
				return true
			}
			value, ok := spec.Values[0].(*ast.BasicLit)
			if !ok {
				return true
			}
			text := strings.TrimSpace(strings.ReplaceAll(spec.Doc.Text(), "\n", " "))
			if text == "" {
				t.Errorf("%s: %s has no comment above it", name, spec.Names[0].Name)
			}
			reasons = append(reasons, reason{strings.Trim(value.Value, `"`), ruleIDs.ReplaceAllString(text, "")})
			return true
		})
	}
	slices.SortFunc(reasons, func(a, b reason) int { return cmp.Compare(a.name, b.name) })
	var b strings.Builder
	b.WriteString("| reason | what it means, and what to do |\n|---|---|\n")
	for _, r := range reasons {
		fmt.Fprintf(&b, "| `%s` | %s |\n", r.name, r.text)
	}
	return b.String()
}
