package kubeconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

// FuzzLoad holds that no error has anything of a credential (X7), and
// that what is taken has a server, or the library's default, as the file says.
func FuzzLoad(f *testing.F) {
	const token = "tOkEn-0f-a-member"
	good := `apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {server: "https://192.0.2.1:6443"}}]
users: [{name: u, user: {token: ` + token + `}}]
contexts: [{name: c, context: {cluster: a, user: u}}]
current-context: c
`
	for _, text := range []string{
		good, strings.Replace(good, "current-context: c", "", 1), strings.Replace(good, "token: ", "token: [", 1),
		strings.Replace(good, "{token: "+token+"}", token, 1),
		strings.Replace(good, "user: u", "user: none", 1), strings.Replace(good, `"https://192.0.2.1:6443"`, `":"`, 1),
		"", "{", "[]", "a: b",
	} {
		f.Add(text)
	}
	path := filepath.Join(f.TempDir(), "kubeconfig")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		config, err := Load(path, "")
		if err != nil {
			if strings.Contains(err.Error(), token) {
				t.Errorf("the token stands in %v", err)
			}
			if !strings.Contains(err.Error(), "kubeconfig") {
				t.Errorf("the error does not say what is wrong: %v", err)
			}
			return
		}
		raw, err := clientcmd.LoadFromFile(path)
		if err != nil {
			t.Fatalf("the library refuses it: %v", err)
		}
		context := raw.Contexts[raw.CurrentContext]
		cluster := raw.Clusters[context.Cluster]
		if cluster == nil || cluster.Server != "" && config.Host != cluster.Server {
			t.Errorf("server %q of %+v", config.Host, cluster)
		}
	})
}
