package charts

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/federation-dns/federation/test/docs"
)

// The platforms that the chart has a stanza for are those of test/stanzas, and docs/upgrades.md lists them.
func TestStanzasAreListed(t *testing.T) {
	paths, err := filepath.Glob("../stanzas/testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("there is no platform: %v", err)
	}
	table := "| platform | where the stanza goes | at an upgrade | tried |\n|---|---|---|---|\n"
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fields := map[string]string{"not tried": ""}
		for line := range strings.Lines(string(archive.Comment)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			fields[key] = value
		}
		for _, key := range []string{"platform", "dns", "source", "upgrade"} {
			if fields[key] == "" {
				t.Errorf("%s does not say %s", path, key)
			}
		}
		tried := "yes"
		if why := fields["not tried"]; why != "" {
			tried = "**not tried**: " + why
		}
		table += fmt.Sprintf("| %s | %s | %s | %s |\n", fields["platform"], fields["dns"], fields["upgrade"], tried)
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		if _, ok := dnsForms["for "+name]; !ok {
			t.Errorf("the chart is not rendered for %s", name)
		}
	}
	docs.CheckGenerated(t, "../../docs/upgrades.md", "test/charts", *update, map[string]string{"stanzas": table})
}
