package rules

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

func definedIDs(t *testing.T) map[string]int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "rules.md"))
	if err != nil {
		t.Fatal(err)
	}
	ids := Defined(string(text))
	if len(ids) < 50 {
		t.Fatalf("docs/rules.md defines %d rules only: has its form changed?", len(ids))
	}
	return ids
}

func TestDefinedOnce(t *testing.T) {
	for id, n := range definedIDs(t) {
		if n != 1 {
			t.Errorf("%s is defined %d times", id, n)
		}
	}
}

// Whoever follows a citation must find the rule.
func TestCitedRulesAreDefined(t *testing.T) {
	ids := definedIDs(t)
	for _, name := range sources(t) {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for n, line := range bytes.Split(text, []byte("\n")) {
			for _, id := range Cited(string(line)) {
				if ids[id] == 0 {
					t.Errorf("%s:%d cites %s, which docs/rules.md does not define", name, n+1, id)
				}
			}
		}
	}
}

// Each clause is held by a test that is named after it, or by a text case.
func TestClausesAreTested(t *testing.T) {
	ids := definedIDs(t)
	parents := Parents(ids)
	tested := map[string]bool{}
	for _, name := range sources(t) {
		if strings.Contains(name, "testdata/") {
			for _, id := range Cited(filepath.Base(name)) {
				tested[id] = true
			}
		}
		if !strings.HasSuffix(name, ".go") || !strings.HasSuffix(name, "_test.go") &&
			!strings.Contains(name, "providertest/") &&
			!strings.Contains(name, "cloudtest/") && !strings.Contains(name, "rfc2136test/") &&
			!strings.Contains(name, "plugincases/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range Named(string(text)) {
			tested[id] = true
		}
	}
	for id := range ids {
		if !tested[id] && !parents[id] {
			t.Errorf("no test is named after %s", id)
		}
	}
}

func TestCited(t *testing.T) {
	tests := []struct{ text, want string }{
		{"as X5a says", "X5a"},
		{"(P1-P3, P8)", "P1 P3 P8"},
		{`t.Run("Q8b a referral", `, "Q8b"},
		{"testdata/P2a-one-level-up.txtar", "P2a"},
		{"elliptic.P256()", ""},
		{"HTTP2, IPv4, SHA1", ""},
		{"O1b's list", "O1b"},
	}
	for _, tt := range tests {
		if got := strings.Join(Cited(tt.text), " "); got != tt.want {
			t.Errorf("Cited(%q) is %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestNamed(t *testing.T) {
	const source = "// X1a is only cited\nt.Run(\"P1 P2a, P3b and O1c a level\", f)\nt.Errorf(\"of O2 %v\")"
	if got := strings.Join(Named(source), " "); got != "P1 P2a P3b O1c" {
		t.Errorf("named are %q", got)
	}
}

// sources are the files in which rules are cited: code, mutants, text cases and docs, but for the rules themselves and
// this package.
func sources(t *testing.T) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path) // both are relative to this folder
		skip := strings.HasPrefix(d.Name(), ".") && name != "." || slices.Contains([]string{"bin", "test/rules"}, name)
		switch {
		case d.IsDir() && skip:
			return filepath.SkipDir
		case d.IsDir() || skip || name == "docs/rules.md":
		case slices.Contains([]string{".go", ".md", ".txt", ".txtar", ".yaml", ".yml"}, filepath.Ext(name)):
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 100 {
		t.Fatalf("only %d sources were found", len(names))
	}
	return names
}
