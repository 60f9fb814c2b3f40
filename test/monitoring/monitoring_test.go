// Package monitoring holds the alerts that ship: their syntax, their metrics, and that each has an entry in the
// runbook.
package monitoring

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/federation-dns/federation/test/needs"
)

const root = "../.."

func read(t *testing.T, elem ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{root}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

type rule struct {
	Alert       string
	Expr        string
	Labels      map[string]string
	Annotations map[string]string
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal([]byte(read(t, "deploy", "monitoring", "rules.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("there are no rules")
	}
	return all
}

var metric = regexp.MustCompile(`\b(?:federation_syncer|coredns_federation)_[a-z_]+`)

// queries returns the query of each alert and of each panel of the dashboard.
func queries(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, r := range rules(t) {
		all["alert "+r.Alert] = []string{r.Expr}
	}
	var dashboard struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "deploy", "monitoring", "dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			all["panel "+p.Title] = append(all["panel "+p.Title], target.Expr)
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("the panel %q asks for nothing", p.Title)
		}
	}
	return all
}

// A query of a metric that does not exist never fires, and shows nothing.
func TestMetricsExist(t *testing.T) {
	documented := map[string]bool{}
	for _, text := range []string{read(t, "docs", "operations.md"), read(t, "plugin", "federation", "README.md")} {
		for _, name := range metric.FindAllString(text, -1) {
			documented[name] = true
		}
	}
	for what, exprs := range queries(t) {
		for _, expr := range exprs {
			names := metric.FindAllString(expr, -1)
			if len(names) == 0 {
				t.Errorf("%s asks for no metric of ours", what)
			}
			for _, name := range names {
				if !documented[name] && !documented[strings.TrimSuffix(name, "_bucket")] {
					t.Errorf("%s asks for %s, which is in neither table of metrics", what, name)
				}
			}
		}
	}
}

func TestRunbook(t *testing.T) {
	runbook := read(t, "docs", "runbook.md")
	entries := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^## (\S+)$`).FindAllStringSubmatch(runbook, -1) {
		entries[m[1]] = true
	}
	for _, r := range rules(t) {
		if !entries[r.Alert] {
			t.Errorf("docs/runbook.md has no entry for %s", r.Alert)
		}
		delete(entries, r.Alert)
		if want := "docs/runbook.md#" + strings.ToLower(r.Alert); !strings.HasSuffix(r.Annotations["runbook_url"],
			want) {
			t.Errorf("%s leads to %q, want %q", r.Alert, r.Annotations["runbook_url"], want)
		}
		if s := r.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s has the severity %q: critical or warning", r.Alert, s)
		}
	}
	for name := range entries {
		t.Errorf("the runbook has an entry for %s, which is no alert", name)
	}
}

func TestPromtool(t *testing.T) {
	promtool := needs.Program(t, "promtool", "prometheus")
	run := func(what string, args ...string) {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = filepath.Join(root, "deploy", "monitoring")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: promtool %s: %v\n%s", what, strings.Join(args, " "), err, out)
		}
	}
	run("the alerts", "check", "rules", "rules.yaml")
	run("the alerts", "test", "rules", "rules_test.yaml")
	// The dashboard's queries must be PromQL: as rules of their own, with a value for the dashboard's variable.
	var groups strings.Builder
	groups.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for _, exprs := range queries(t) {
		for _, expr := range exprs {
			expr = strings.ReplaceAll(expr, "$federation", ".*")
			groups.WriteString("  - {record: x, expr: '" + strings.ReplaceAll(expr, "\n", " ") + "'}\n")
		}
	}
	file := filepath.Join(t.TempDir(), "dashboard.yaml")
	if err := os.WriteFile(file, []byte(groups.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	run("the dashboard", "check", "rules", "--lint=none", file)
}
