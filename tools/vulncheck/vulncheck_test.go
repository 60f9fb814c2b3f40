package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var today = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// A vulnerability of strings.ToTitle that no version of Go is without.
const entry = `{"schema_version": "1.3.1", "id": "GO-2026-0001", "summary": "Titles are wrong",
"affected": [{"package": {"name": "stdlib", "ecosystem": "Go"},
"ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}],
"ecosystem_specific": {"imports": [{"path": "strings", "symbols": ["ToTitle"]}]}}]}`

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// program is a main package that calls a function of package strings.
func program(function string) string {
	return "package main\n\nimport \"strings\"\n\nfunc main() { println(strings." + function + "(\"hello\")) }\n"
}

// TestRun runs govulncheck on two programs, of which one calls what the database lists.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"go.mod":               "module example.com/hello\n\ngo 1.26\n",
		"cmd/calls/main.go":    program("ToTitle"),
		"cmd/quiet/main.go":    program("ToUpper"),
		"greeting/greeting.go": "package greeting\n",
		"db/GO-2026-0001.json": entry,
	})
	tests := []struct {
		name, packages, exceptions string
		wantErr, wantOut           string
	}{
		{"reached", "./cmd/...", "", "calls reaches GO-2026-0001: no version without it is known",
			"by example.com/hello/cmd/calls.main\n    strings.ToTitle\n"},
		{"not reached", "./cmd/quiet", "", "", "quiet with go1.26"},
		{"excepted", "./cmd/...", "GO-2026-0001 2026-11-26 No title is\n  shown.\n", "",
			"excepted until 2026-11-26: No title is shown."},
		{"an exception that is over", "./cmd/...", "GO-2026-0001 2026-11-25 No title is shown.\n",
			"calls reaches GO-2026-0001, and its exception ended on 2026-11-25", ""},
		{"an exception that nothing needs", "./cmd/quiet", "GO-2026-0001 2027-01-01 No title is shown.\n",
			"GO-2026-0001 is excepted, but not reached", ""},
		{"no program", "./greeting", "", "there is no program in ./greeting", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			exceptions := filepath.Join(t.TempDir(), "exceptions.txt")
			write(t, filepath.Dir(exceptions), map[string]string{"exceptions.txt": tt.exceptions})
			var out strings.Builder
			err := run(t.Context(), []string{"-root", dir, "-db", filepath.Join(dir, "db"), "-exceptions", exceptions,
				tt.packages}, &out, today)
			if (err == nil) != (tt.wantErr == "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("error %v, want %q", err, tt.wantErr)
			}
			if !strings.Contains(out.String(), tt.wantOut) {
				t.Errorf("printed:\n%s\nwant %q", &out, tt.wantOut)
			}
		})
	}
}

func TestExceptions(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"no reason", "GO-2026-0001 2027-01-01\n", `:1: "GO-2026-0001 2027-01-01" is not of the form`},
		{"no day", "\nGO-2026-0001 soon It is harmless.\n", `:2: "soon" is no date`},
		{"another name", "CVE-2026-1 2027-01-01 It is harmless.\n", "is not of the form"},
		{"nothing to continue", "  It is harmless.\n", ":1: an indented line"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, map[string]string{"exceptions.txt": tt.text})
			_, err := readExceptions(filepath.Join(dir, "exceptions.txt"))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("ours can be read", func(t *testing.T) {
		if _, err := readExceptions("exceptions.txt"); err != nil {
			t.Error(err)
		}
	})
}

// A database that is empty would find nothing, and nobody would see it.
func TestPinnedDatabase(t *testing.T) {
	db, err := pinned(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	entries, err := filepath.Glob(filepath.Join(db.dir, "GO-*.json"))
	if err != nil || len(entries) < 4000 {
		t.Errorf("%d entries in %s, want thousands (%v)", len(entries), db.dir, err)
	}
	if got := db.describe(db.at.Add(61 * 24 * time.Hour)); !strings.Contains(got, "61 days old") {
		t.Errorf("of an old one: %q", got)
	}
	if got := db.describe(db.at); strings.Contains(got, "old") {
		t.Errorf("of a new one: %q", got)
	}
	empty := t.TempDir()
	write(t, empty, map[string]string{"exceptions.txt": ""})
	err = run(t.Context(), []string{"-db", empty, "-exceptions", filepath.Join(empty, "exceptions.txt")}, os.Stdout,
		today)
	if err == nil || !strings.Contains(err.Error(), "has no entries") {
		t.Errorf("of an empty one: error %v", err)
	}
}
