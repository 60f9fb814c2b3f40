package docs

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The page of supported versions has those that the tests use: it names each, and no other.
func TestSupport(t *testing.T) {
	const page = "docs/support.md"
	checkProofs(t, page, 4)
	row := func(of string) string {
		for line := range strings.Lines(read(t, page)) {
			if strings.HasPrefix(line, "| "+of) {
				return line
			}
		}
		t.Fatalf("%s has no row of %s", page, of)
		return ""
	}
	one := func(file, pattern string) string {
		m := regexp.MustCompile(pattern).FindStringSubmatch(read(t, file))
		if m == nil {
			t.Fatalf("%s: nothing matches %q", file, pattern)
		}
		return m[1]
	}
	patch := regexp.MustCompile(`\b[0-9]+\.[0-9]+\.[0-9]+\b`)
	for of, want := range map[string]string{
		"Kubernetes": one("test/kube/version.go", `pinnedVersion = "(.*)"`) + " " +
			one("Makefile", `\$\(or \$\(KUBERNETES\),(.*?)\)`),
		"CoreDNS": one("Makefile", `test/compat/versions (.*)`),
	} {
		tested := strings.Fields(strings.ReplaceAll(want, "v", ""))
		written := patch.FindAllString(row(of), -1)
		slices.Sort(tested)
		slices.Sort(written)
		if !slices.Equal(tested, written) {
			t.Errorf("%s: %s %q, and the tests use %q", page, of, written, tested)
		}
		supported := strings.Split(row(of), "|")[2]
		for _, version := range tested {
			if minor := version[:strings.LastIndex(version, ".")]; !strings.Contains(supported, minor) {
				t.Errorf("%s: %s %s is tested, and not among the supported: %s", page, of, minor, supported)
			}
		}
		if n := strings.Count(supported, "."); n != len(tested) {
			t.Errorf("%s: %d minors of %s are supported, and %d are tested", page, n, of, len(tested))
		}
	}
	module := one("test/cluster/go.mod", `k8s.io/kubernetes (v1\S+)`)
	if pinned := one("test/kube/version.go", `pinnedVersion = "(.*)"`); pinned != module {
		t.Errorf("the API servers say that they are %s, and are %s", pinned, module)
	}
}
