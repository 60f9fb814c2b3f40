package kubeconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const goodKubeconfig = `apiVersion: v1
kind: Config
current-context: east
clusters:
- name: c
  cluster: {server: "https://member.example:6443", certificate-authority: ca.crt}
users:
- name: u
  user: {token: sesame-secret}
contexts:
- {name: west, context: {cluster: c, user: u}}
- {name: east, context: {cluster: c, user: u}}
`

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good", goodKubeconfig)
	write("ca.crt", "a certificate")
	t.Run("C1 good", func(t *testing.T) {
		c, err := Load(good, "")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "server", c.Host, "https://member.example:6443")
		equal(t, "CA file beside the kubeconfig", string(c.CAData), "a certificate")
		equal(t, "CA file, which client-go would follow", c.CAFile, "")
		equal(t, "content type", c.ContentType, "application/vnd.kubernetes.protobuf")
		equal(t, "user agent", c.UserAgent, "federation-syncer")
	})
	for _, c := range []struct{ name, path, context, want string }{
		{"C1 no file", filepath.Join(dir, "none"), "", "does not exist"},
		{"C1 unknown context", good, "north", `no context "north"; it has: east, west`},
		{"C1 no current context", write("nocurrent", strings.Replace(goodKubeconfig, "current-context: east", "", 1)),
			"", "no current-context, so a context is needed; it has: east, west"},
		{"C1 no contexts", write("empty", ""), "", "it has no contexts"},
		{"C1 unknown cluster", write("nocluster",
			strings.Replace(goodKubeconfig, "{cluster: c, user: u}", "{cluster: d, user: u}", 2)), "", "is not usable"},
		{"X7 secrets are not quoted", write("bad",
			strings.Replace(goodKubeconfig, "user: {token: sesame-secret}", "user: [sesame-secret]", 1)),
			"", "cannot be parsed"},
		{"X7 nor from broken YAML", write("broken", goodKubeconfig+"  sesame-secret: [\n"), "",
			"cannot be parsed (line"},
		{"C1 a folder", dir, "", "cannot be read: is a directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(c.path, c.context)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.path) {
				t.Errorf("error %v, want the path and %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "sesame") {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}
