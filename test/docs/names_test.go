package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// named is a name that a page gives, and where.
type named struct{ where, name string }

// pages are the pages that describe the project as it is now; decisions and the changelog describe how it was.
func pages(t *testing.T) map[string]string {
	all := files(t, ".md")
	for name := range all {
		if strings.HasPrefix(name, "docs/adr/") || name == "CHANGELOG.md" {
			delete(all, name)
		}
	}
	return all
}

// matches are the first groups of all matches on the pages.
func matches(t *testing.T, pattern string) (all []named) {
	re := regexp.MustCompile(pattern)
	for page, text := range pages(t) {
		line := 0
		for l := range strings.Lines(text) {
			line++
			for _, m := range re.FindAllStringSubmatch(l, -1) {
				all = append(all, named{fmt.Sprintf("%s:%d", page, line), m[1]})
			}
		}
	}
	if len(all) == 0 {
		t.Errorf("nothing on the pages matches %q", pattern)
	}
	return all
}

// source is the text of the files with one of the extensions, as one.
func source(t *testing.T, extensions ...string) string {
	var b strings.Builder
	for _, text := range files(t, extensions...) {
		b.WriteString(text)
	}
	return b.String()
}

func set(text, pattern string) map[string]bool {
	all := map[string]bool{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all[m[1]] = true
	}
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The list of the syncer's metrics is generated from the code (test of federation/metrics).
func TestMetrics(t *testing.T) {
	known := set(read(t, "docs/operations.md"), "(?m)^- `(federation_syncer_[a-z_]+)`")
	plugin := 0
	for name, text := range files(t, ".go") {
		if !strings.HasPrefix(filepath.Dir(name), "plugin/federation") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		for metric := range set(text, `\bName:\s+"([a-z_]+)"`) {
			known["coredns_federation_"+metric] = true
			plugin++
			if !strings.Contains(read(t, "plugin/federation/README.md"), "`coredns_federation_"+metric) {
				t.Errorf("plugin/federation/README.md does not have the metric coredns_federation_%s", metric)
			}
		}
	}
	if plugin == 0 || len(known) < 20 {
		t.Fatalf("only %d metrics are known, %d of them of the plugin", len(known), plugin)
	}
	for _, m := range matches(t, `\b((?:federation_syncer|coredns_federation)_[a-z_]+[a-z])`) {
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(m.name, "")
		if !known[m.name] && !known[base] {
			t.Errorf("%s: there is no metric %s", m.where, m.name)
		}
	}
}

// What is written like a reason, a field or an identifier is one.
func TestIdentifiers(t *testing.T) {
	code := set(source(t, ".go", ".yaml", ".yml", ".txtar", ".json"),
		`\b([A-Za-z][A-Za-z0-9]*[a-z0-9][A-Z][A-Za-z0-9]*)\b`)
	// Words of other projects that occur nowhere in the code.
	for page, text := range files(t, ".md") {
		for _, b := range Blocks(page, text) {
			if language, _ := b.Language(); language == "yaml" {
				for word := range set(b.Text, `\b([A-Za-z]+)\b`) {
					code[word] = true
				}
			}
		}
	}
	foreign := []string{
		"FederatedService",            // designed, not built
		"InetAddress", "StrictErrors", // Java, Go
		"CoreDNSUnsupportedPlugins",          // kubeadm
		"stubDomains",                        // GKE
		"trafficDistribution", "PreferClose", // Kubernetes
		"ServiceExport", "ServiceImport", "ClusterSetIP", "MultiClusterService", // Kubernetes
	}
	for _, m := range matches(t, "`([A-Za-z][A-Za-z0-9]*[a-z0-9][A-Z][A-Za-z0-9]*)`") {
		if !code[m.name] && !slices.Contains(foreign, m.name) {
			t.Errorf("%s: %s is not in the code", m.where, m.name)
		}
	}
	reasons := set(read(t, "docs/operations.md"), "(?m)^- `([A-Z][A-Za-z]+)`:")
	for _, m := range matches(t, "(?:reason|problem)s? `([A-Z][A-Za-z]+)`") {
		if !reasons[m.name] {
			t.Errorf("%s: there is no reason %s", m.where, m.name)
		}
	}
}

func TestFlags(t *testing.T) {
	known := set(source(t, ".go"), `(?:Flags\(\)|flag)\.[A-Za-z0-9]+\([^"\n]*"([a-z][a-z.-]*)"`)
	for _, name := range []string{"help", "version"} {
		known[name] = true
	}
	if len(known) < 20 {
		t.Fatalf("only %d flags are known", len(known))
	}
	foreign := []string{
		"skip-phases", "patches", "ignore-preflight-errors", // kubeadm
		"cluster", "user", "token", "server", "certificate-authority", "embed-certs", "minify", // kubectl config
		"context", "kubeconfig", "from-file", "overwrite", // kubectl
		"as", "image", "rm", "restart", "from-literal", "server-side", "all-pods", "tail", // kubectl
		"as-group", "as-uid", "as-user-extra", "context", "kubeconfig", "namespace", "proxy-url", "request-timeout",
		"feature-gates",
		"internal", "node-label", // kind, k3s
		"namespace", "create-namespace", "values", "take-ownership", "logs", "reuse-values", "set", // helm
		"manifest", "archive", // kubectl krew
	}
	other := map[string]bool{} // lines of commands of other programs
	for page, text := range pages(t) {
		for _, b := range Blocks(page, text) {
			if yes, _ := b.Commands(); !yes {
				continue
			}
			for i, line := range strings.Split(b.Text, "\n") {
				if !strings.HasPrefix(strings.TrimSpace(line), "federation-syncer ") {
					other[fmt.Sprintf("%s:%d", page, b.Line+i)] = true
				}
			}
		}
	}
	for _, m := range matches(t, "(?:^|[ `])--([a-z][a-z-]+)") {
		if other[m.where] {
			continue
		}
		if !known[m.name] && !slices.Contains(foreign, m.name) {
			t.Errorf("%s: there is no flag --%s", m.where, m.name)
		}
	}
}

func TestMakeTargets(t *testing.T) {
	makefile := read(t, "Makefile")
	targets := set(makefile, `(?m)^([a-z][a-z-]*)(?: [a-z-]+)*:`)
	variables := set(makefile, `\$\((?:or \$\(|if \$\()?([A-Z]+)\)`)
	variables["ONCE"] = true // read by the demo itself
	for _, m := range matches(t, "(?:^ {4}|`)make ([a-z][a-z-]*)") {
		if !targets[m.name] {
			t.Errorf("%s: the Makefile has no target %s", m.where, m.name)
		}
	}
	for _, m := range matches(t, "(?:^ {4}|`)make [a-z-]+[^`#]*? ([A-Z]+)=") {
		if !variables[m.name] {
			t.Errorf("%s: the Makefile reads no variable %s", m.where, m.name)
		}
	}
}

func TestTestsExist(t *testing.T) {
	tests := set(source(t, ".go"), `(?m)^func ((?:Test|Benchmark|Fuzz)[A-Za-z0-9_]+)\(`)
	for _, m := range matches(t, `\b(Test[A-Z][A-Za-z0-9]+)\b`) {
		// The first words of several tests are enough: that is how -run reads it.
		begins := func(name string) bool { return strings.HasPrefix(name, m.name) }
		if !tests[m.name] && !slices.ContainsFunc(keys(tests), begins) {
			t.Errorf("%s: there is no test %s", m.where, m.name)
		}
	}
	subtests := source(t, ".go")
	for _, m := range matches(t, `test/e2e "([^"]+)"`) {
		if !strings.Contains(subtests, `"`+m.name) {
			t.Errorf("%s: no test of test/e2e is called %q", m.where, m.name)
		}
	}
}

func keys(m map[string]bool) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	return all
}

// Relative links lead to a file, and to a heading in it.
func TestLinks(t *testing.T) {
	all := files(t, ".md")
	for page, text := range all {
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			to := page
			if target != "" {
				to = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
				continue
			}
			if anchor != "" && !anchors(all[to])[anchor] {
				t.Errorf("%s links to %s, and there is no such heading", page, m[1])
			}
		}
	}
}

// anchors are the names that GitHub gives to the headings of a page.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	for heading := range set(text, `(?m)^#+ (.*)$`) {
		heading = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(heading), "")
		all[strings.ReplaceAll(heading, " ", "-")] = true
	}
	return all
}

// Paths inside the repository that a page names exist.
func TestPaths(t *testing.T) {
	const folders = `(?:api|charts|cmd|deploy|docs|federation|plugin|test|tools)/`
	for _, m := range matches(t, "(?:^|[ `(])("+folders+`[A-Za-z0-9_./*-]*[A-Za-z0-9_*])`) {
		switch m.name {
		case "federation/name", "federation/result", "plugin/pkg/upstream": // metadata; a package of CoreDNS
			continue
		}
		if found, err := filepath.Glob(filepath.Join(root, m.name)); err != nil || len(found) == 0 {
			t.Errorf("%s: there is no %s", m.where, m.name)
		}
	}
}
