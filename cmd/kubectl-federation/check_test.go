package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/test/docs"
)

// TestCheckTable holds that the table is whole: whoever reads a result finds what it means, and what to do.
func TestCheckTable(t *testing.T) {
	t.Run("CK1 each check has all that the page and the output need", func(t *testing.T) {
		seen := map[string]bool{}
		for _, c := range checks() {
			if !regexp.MustCompile(`^[a-z]+(-[a-z]+)+$`).MatchString(c.ID) || seen[c.ID] {
				t.Errorf("id %q: want words joined by '-', and each id once", c.ID)
			}
			seen[c.ID] = true
			if c.Title == "" || c.About == "" || c.Remedy == "" || c.Run == nil {
				t.Errorf("%s lacks a title, a text, a remedy or its function", c.ID)
			}
			if c.Severity != check.SeverityFail && c.Severity != check.SeverityWarn {
				t.Errorf("%s has the severity %q", c.ID, c.Severity)
			}
			c.RemedyFor(check.Values{Subject: "m", Namespace: "n", Lease: "l"}) // panics if it is none
		}
	})
	t.Run("CK1 docs/checks.md is made from the table", func(t *testing.T) {
		docs.CheckGenerated(t, "../../docs/checks.md", "cmd/kubectl-federation", *update,
			map[string]string{"checks": checkPage()})
	})
	t.Run("CK2 each check has a test in which it fails and one in which it passes", func(t *testing.T) {
		tests := testSources(t)
		for _, c := range checks() {
			for _, end := range []string{"fails", "passes"} {
				if name := fmt.Sprintf("CK2 %s %s", c.ID, end); !strings.Contains(tests, `"`+name) {
					t.Errorf("there is no subtest whose name begins with %q", name)
				}
			}
		}
	})
}

// checkPage has an entry for each check.
func checkPage() string {
	var b strings.Builder
	values := check.Values{Subject: "MEMBER", Namespace: "federation-system", Lease: "federation-syncer"}
	for _, category := range check.Categories() {
		fmt.Fprintf(&b, "## %s\n\n", category)
		for _, c := range checks() {
			if c.Category != category {
				continue
			}
			fmt.Fprintf(&b, "### %s\n\n", c.ID)
			b.WriteString(docs.Paragraph(fmt.Sprintf("%s%s. Severity `%s`.", strings.ToUpper(c.Title[:1]), c.Title[1:],
				c.Severity)) + "\n" + docs.Paragraph(c.About) + "\n")
			b.WriteString(remedyText("To do: " + c.RemedyFor(values)))
		}
	}
	return strings.TrimSpace(b.String()) + "\n"
}

// remedyText is a remedy as Markdown: its commands are in a block.
func remedyText(remedy string) string {
	var prose, commands string
	for line := range strings.Lines(remedy + "\n") {
		if command, ok := strings.CutPrefix(line, check.Command); ok {
			commands += command
		} else {
			prose += line
		}
	}
	if commands != "" {
		commands = "\n~~~ text\n" + commands + "~~~\n"
	}
	return docs.Paragraph(prose) + commands + "\n"
}

// testSources returns the text of all tests.
func testSources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// TestCheckExitStatus holds that the exit status is the same for every output.
func TestCheckExitStatus(t *testing.T) {
	status := func(change func(*admin.Status)) string {
		return serve(t, &fakeSyncer{status: func() *admin.Status {
			s := testStatus()
			s.Federations[0].Members = s.Federations[0].Members[:3] // without the one that is unreachable
			change(s)
			return s
		}})
	}
	good := status(func(*admin.Status) {})
	bad := status(func(s *admin.Status) { s.Config.Error = "line 1: it is no YAML" })
	old := status(func(s *admin.Status) { s.Config = nil })
	warns := status(func(s *admin.Status) { s.Federations[0].Members[0].Version = "v1.30.0" })
	for _, c := range []struct {
		name, socket, only string
		code               int
	}{
		{"all is well", good, "config-loaded,member-version", exitGood},
		{"a warning", warns, "config-loaded,member-version", exitGood},
		{"a failure", bad, "config-loaded,member-version", exitBad},
		{"some could not be tested", old, "config-loaded,member-version", exitUnknown},
		{"a failure, and some could not be tested", bad, "config-loaded,member-clock", exitBad},
	} {
		for _, output := range append([]string{""}, reportOutputs...) {
			t.Run("CK4 "+c.name+" -o "+output, func(t *testing.T) {
				out, stderr, err := run(t.Context(), "", "check", "--socket", c.socket, "--only", c.only, "-o", output)
				if code := exitCode(err); code != c.code || out == "" || stderr != "" {
					t.Errorf("exit status %d, want %d: %v\n%s%s", code, c.code, err, out, stderr)
				}
			})
		}
	}
	t.Run("CK3 a kubeconfig that is named and not there, beside a socket", func(t *testing.T) {
		out, _, err := run(t.Context(), "", "check", "--socket", good, "--kubeconfig", "none", "--only",
			"host-reachable", "-o", "short")
		if exitCode(err) != exitUnknown || !strings.Contains(out, "stat none: no such file or directory") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("CK4 an unknown check", func(t *testing.T) {
		_, _, err := run(t.Context(), "", "check", "--socket", good, "--skip", "member-clocks")
		if exitCode(err) != exitUnknown || err == nil || !strings.HasPrefix(err.Error(), `"member-clocks" is neither`) {
			t.Error(err)
		}
	})
	t.Run("CK4 an unknown output", func(t *testing.T) {
		_, _, err := run(t.Context(), "", "check", "--socket", good, "-o", "xml")
		if exitCode(err) != exitUnknown || err == nil ||
			err.Error() != `output "xml": json, yaml, short and wide are allowed` {
			t.Error(err)
		}
	})
}
