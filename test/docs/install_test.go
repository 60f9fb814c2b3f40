package docs

import (
	"strings"
	"testing"
)

// Each platform has a page, with the same headings, that says what was tried there and what was not.
func TestInstall(t *testing.T) {
	headings := []string{"Host", "Member", "DNS", "Verify", "Upgrades of the platform", "What was tried"}
	for _, platform := range []string{"kubeadm", "kind", "k3s", "eks", "gke", "aks", "openshift"} {
		name := "docs/install/" + platform + ".md"
		text := read(t, name)
		var found []string
		for line := range strings.Lines(text) {
			if heading, ok := strings.CutPrefix(line, "## "); ok {
				found = append(found, strings.TrimSpace(heading))
			}
		}
		if strings.Join(found, ",") != strings.Join(headings, ",") {
			t.Errorf("%s has the headings %q, want %q", name, found, headings)
		}
		for _, word := range []string{"\n- **Tried**: ", "\n- **Not tried**: ", "\n~~~ yaml values federation-dns\n"} {
			if !strings.Contains(text, word) {
				t.Errorf("%s does not have %q", name, strings.TrimSpace(word))
			}
		}
		if !strings.Contains(read(t, "docs/install.md"), "(install/"+platform+".md)") {
			t.Errorf("docs/install.md does not lead to %s", name)
		}
	}
}
