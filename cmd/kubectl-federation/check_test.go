package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

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
