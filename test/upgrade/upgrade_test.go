// Package upgrade shows what a platform's upgrade makes of a Corefile with the federation plugin: kubeadm rewrites it
// by a library of CoreDNS's.
package upgrade

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/coredns/corefile-migration/migration"
	"github.com/google/go-cmp/cmp"
)

// The oldest and the newest version of CoreDNS that the plugin works with.
const from, to = "1.13.2", "1.15.0"

var corefiles = map[string]string{
	"Corefile.example":      "../../Corefile.example",
	"the plugin's man page": "../../plugin/federation/README.md",
	"docs/plugin.md":        "../../docs/plugin.md",
	"docs/upgrades.md":      "../../docs/upgrades.md",
}

var block = regexp.MustCompile("(?ms)^~~~ ?corefile\n(.*?)^~~~$")

// Whatever kubeadm's migration changes, the federation directive must come out as it went in, and the answer to "is
// everything supported?" must be that the plugin is unknown, which docs/upgrades.md tells admins to expect.
func TestKubeadmMigration(t *testing.T) {
	directives := 0
	for name, path := range corefiles {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all := []string{string(text)}
		if strings.HasSuffix(path, ".md") {
			all = nil
			for _, m := range block.FindAllStringSubmatch(string(text), -1) {
				all = append(all, m[1])
			}
			if len(all) == 0 {
				t.Errorf("%s has no Corefile: has the form of its blocks changed?", name)
			}
		}
		for i, corefile := range all {
			t.Run(name, func(t *testing.T) {
				migrated, err := migration.Migrate(from, to, corefile, false)
				if err != nil {
					t.Fatalf("Corefile %d: %v", i+1, err)
				}
				want := directive(corefile)
				directives += len(want)
				if diff := cmp.Diff(want, directive(migrated)); diff != "" {
					t.Errorf("the federation directive changed (-before +after):\n%s\nin:\n%s", diff, migrated)
				}
				notices, err := migration.Unsupported(from, to, corefile)
				if err != nil {
					t.Fatal(err)
				}
				if len(want) > 0 && !mentions(notices, "federation") {
					t.Error("the library knows the federation plugin now: docs/upgrades.md says that preflight " +
						"reports it")
				}
			})
		}
	}
	if directives == 0 {
		t.Error("no Corefile had the directive")
	}
}

func mentions(notices []migration.Notice, plugin string) bool {
	for _, n := range notices {
		if n.Plugin == plugin {
			return true
		}
	}
	return false
}

// directive returns the words of each federation directive, line by line.
func directive(corefile string) []string {
	var out []string
	inside := false
	for line := range strings.SplitSeq(corefile, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Join(strings.Fields(line), " ")
		switch {
		case strings.HasPrefix(words, "federation"):
			inside = strings.HasSuffix(words, "{")
			out = append(out, words)
		case inside && words == "}":
			inside = false
		case inside && words != "":
			out = append(out, words)
		}
	}
	return out
}
