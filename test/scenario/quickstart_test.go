package scenario

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/federation-dns/federation/test/world"
)

// TestQuickstart compares the commands in the table of docs/quickstart.md with those that the demo makes.
func TestQuickstart(t *testing.T) {
	text, err := os.ReadFile("../../docs/quickstart.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, provider := range []string{world.RFC2136, world.None} {
		t.Run(provider, func(t *testing.T) { commandsOf(t, provider, string(text)) })
	}
	if !strings.Contains(string(text), "provider: {none: {}}") ||
		!strings.Contains(strings.Join(DemoSteps(world.None, "")[0].Does, "\n"), "provider: {none: {}}") {
		t.Error("the quickstart, or the demo without a zone, does not begin without a DNS provider")
	}
}

// commandsOf compares the commands of the table with those of the demo with a provider.
func commandsOf(t *testing.T, provider, text string) {
	var done strings.Builder
	for _, s := range DemoSteps(provider, "") {
		done.WriteString(strings.Join(s.Does, "\n") + "\n")
	}
	// A name of the table stands for each cluster, and options come before others in the demo.
	demo := regexp.MustCompile(` --(context|server) \S+| -n \S+`).ReplaceAllString(done.String(), "")
	demo = strings.ReplaceAll(demo, europe, "NAME")
	elsewhere := map[string]bool{"kubectl federation records nginx": true} // the same as dig shows
	if provider == world.None {
		elsewhere["dig axfr example.com"] = true // there is no zone
	}
	rows := regexp.MustCompile(`(?m)^\| [^|]+ \| [^|]* \| ([^|]+) \|$`).FindAllStringSubmatch(text, -1)
	commands := 0
	for _, row := range rows {
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			commands++
			if !strings.Contains(demo, m[1]) && !elsewhere[m[1]] {
				t.Errorf("the demo does not run %q:\n%s", m[1], demo)
			}
		}
	}
	if commands < 8 {
		t.Errorf("the table has %d commands", commands)
	}
}
