package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const page = "../../docs/resolvers.md"

// TestTable holds the table of make bench-resolvers: it has a figure for each way and each resolver, of ten changes at
// least, and none is over the bound.
func TestTable(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	place := string(table.Find(text))
	var changes int
	if _, err := fmt.Sscanf(strings.Join(strings.Split(place, "\n")[1:], "\n"), "p50, and the longest of %d changes:",
		&changes); err != nil || changes < 10 {
		t.Errorf("%d changes, want 10 at least: %v", changes, err)
	}
	if !strings.Contains(place, "| glibc | musl | Go | JVM |") {
		t.Errorf("the table has no column for each resolver:\n%s", place)
	}
	for _, y := range ways {
		row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(y.name) + ` \| (\d+) ms \|(.*)$`).
			FindStringSubmatch(place)
		if row == nil || row[1] != fmt.Sprint(y.bound.Milliseconds()) {
			t.Errorf("no row for %q with the bound %s", y.name, y.bound)
			continue
		}
		figures := regexp.MustCompile(`(\d+), (\d+) ms \|`).FindAllStringSubmatch(row[2], -1)
		if len(figures) != 4 {
			t.Errorf("%d figures for %q, want one for each resolver", len(figures), y.name)
		}
		for _, f := range figures {
			if most, err := time.ParseDuration(f[2] + "ms"); err != nil || most > y.bound {
				t.Errorf("%s: %s is over the bound, %s", y.name, most, y.bound)
			}
		}
	}
}

// TestWriteTable writes into a copy of the page.
func TestWriteTable(t *testing.T) {
	copied := filepath.Join(t.TempDir(), "page.md")
	text, err := os.ReadFile(page)
	if err == nil {
		err = os.WriteFile(copied, text, 0o644)
	}
	if err == nil {
		err = writeTable(copied, "$1 a table\n")
	}
	if err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(copied)
	want := table.ReplaceAllLiteralString(string(text),
		"<!-- begin: make bench-resolvers -->\n$1 a table\n<!-- end -->")
	if err != nil || string(written) != want {
		t.Errorf("%v: the page is\n%s", err, written)
	}
	if err := writeTable(filepath.Join("..", "..", "README.md"), "a table\n"); err == nil {
		t.Error("a page without a place for it is no error")
	}
}
