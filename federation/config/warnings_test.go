package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/member"
)

const kubeconfigText = `apiVersion: v1
kind: Config
current-context: c
clusters: [{name: c, cluster: {server: "%s"%s}}]
users: [{name: u, user: {%s}}]
contexts: [{name: c, context: {cluster: c, user: u}}, {name: d, context: {cluster: c, user: u}}]
`

// warn returns the warnings of a configuration with these members, as name, kubeconfig and context.
func warn(t *testing.T, files map[string]string, members ...[3]string) string {
	t.Helper()
	dir := t.TempDir()
	clusters := ""
	for _, m := range members {
		clusters += fmt.Sprintf("- {name: %s, kubeconfig: {path: %s, context: %q}}\n", m[0], m[1], m[2])
	}
	files["config.yaml"] = "apiVersion: federation-dns.io/v1alpha1\nkind: SyncerConfiguration\nowner: us\n" +
		"federations: [{name: fed, domain: example.com, provider: {route53: {}}}]\nclusters:\n" + clusters
	for name, text := range files {
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(filepath.Join(dir, "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, w := range c.Warnings() {
		lines = append(lines, strings.ReplaceAll(w.Error(), dir+"/", ""))
	}
	return strings.Join(lines, "\n")
}

func TestWarnings(t *testing.T) {
	good := fmt.Sprintf(kubeconfigText, "https://a.example:6443", "", "token: x")
	other := fmt.Sprintf(kubeconfigText, "https://b.example:6443", "", "token: x")
	for _, tt := range []struct {
		name    string
		files   map[string]string
		members [][3]string
		want    string // "" is no warning
	}{
		{"C1 nothing to say", map[string]string{"a": good, "b": other},
			[][3]string{{"a", "a", ""}, {"b", "b", ""}}, ""},
		{"C1 the same kubeconfig and context", map[string]string{"a": good},
			[][3]string{{"a", "a", ""}, {"b", "a", ""}},
			`clusters[1] "b" has the same API server https://a.example:6443 as clusters[0] "a": ` +
				`a cluster may be one member only`},
		{"C1 the same cluster with another context", map[string]string{"a": good},
			[][3]string{{"a", "a", "c"}, {"b", "a", "d"}}, `the same API server`},
		{"C1 the same cluster in another file",
			map[string]string{"a": good, "b": strings.Replace(good, "a.example", "A.example", 1)},
			[][3]string{{"a", "a", ""}, {"b", "b", ""}}, `the same API server`},
		{"C1 the same file by a link, not usable yet", map[string]string{"a": "", "b": "-> a"},
			[][3]string{{"a", "a", ""}, {"b", "b", ""}},
			`clusters[1] "b" has the same kubeconfig and context as clusters[0] "a"`},
		{"C1 clusters behind one gateway are several",
			map[string]string{
				"a": strings.Replace(good, ":6443", "/k8s/clusters/a", 1),
				"b": strings.Replace(good, ":6443", "/k8s/clusters/b", 1),
			}, [][3]string{{"a", "a", ""}, {"b", "b", ""}}, ""},
		{"C1 a CA file that is missing",
			map[string]string{
				"a": fmt.Sprintf(kubeconfigText, "https://a.example", ", certificate-authority: ca", "token: x"),
			}, [][3]string{{"a", "a", ""}}, `ca: no such file`},
		{"C1 a CA file that is empty",
			map[string]string{"ca": "",
				"a": fmt.Sprintf(kubeconfigText, "https://a.example", ", certificate-authority: ca", "token: x")},
			[][3]string{{"a", "a", ""}}, `certificate-authority: "ca" is empty`},
		{"C1 a CA file that is none",
			map[string]string{"ca": "x",
				"a": fmt.Sprintf(kubeconfigText, "https://a.example", ", certificate-authority: ca", "token: x")},
			[][3]string{{"a", "a", ""}}, `unable to load root certificates`},
		{"C1 a token file that is missing",
			map[string]string{"a": fmt.Sprintf(kubeconfigText, "https://a.example", "", "tokenFile: token")},
			[][3]string{{"a", "a", ""}}, `token: no such file`},
		{"C1 a credential plugin that is missing",
			map[string]string{"a": fmt.Sprintf(kubeconfigText, "https://a.example", "",
				"exec: {apiVersion: client.authentication.k8s.io/v1, command: no-such-plugin, "+
					"interactiveMode: Never}")},
			[][3]string{{"a", "a", ""}},
			`the command of the user's credential plugin cannot be run here: exec: "no-such-plugin": ` +
				`executable file not found`},
		{"C1 a credential plugin beside the kubeconfig that may not be run",
			map[string]string{"plugin": "",
				"a": fmt.Sprintf(kubeconfigText, "https://a.example", "",
					"exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, interactiveMode: Never}")},
			[][3]string{{"a", "a", ""}}, `plugin": permission denied`},
		{"C1 a port that does not exist", map[string]string{"a": strings.Replace(good, ":6443", ":99999", 1)},
			[][3]string{{"a", "a", ""}}, `server "https://a.example:99999": https://HOST[:PORT] is allowed`},
		{"C1 no scheme of an API server", map[string]string{"a": strings.Replace(good, "https:", "ftp:", 1)},
			[][3]string{{"a", "a", ""}}, `https://HOST[:PORT] is allowed`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := warn(t, tt.files, tt.members...)
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("warnings %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRecordWarnings(t *testing.T) {
	rfc := `{rfc2136: {server: "192.0.2.53:53", zone: example.com, tsig: {name: k, secretFile: secret}}}`
	for _, tt := range []struct {
		name, provider string
		max            int
		want           string // "" is no warning
	}{
		{"C1 as many records as BIND takes", rfc, 100, ""},
		{"C1 more records than BIND takes", rfc, 101, "federations[0].maxAddresses: BIND refuses"},
		{"C1 more records than Cloud DNS takes", "{cloudDNS: {project: my-project-123}}",
			256, "federations[0].maxAddresses: Cloud DNS refuses"},
		{"C1 Route 53 takes more", "{route53: {}}", 256, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{
				"secret": "c2VjcmV0", "a": fmt.Sprintf(kubeconfigText, "https://a.example", "", "token: x"),
				"config.yaml": fmt.Sprintf("apiVersion: federation-dns.io/v1alpha1\nkind: SyncerConfiguration\n"+
					"owner: us\n"+
					"federations: [{name: fed, domain: example.com, maxAddresses: %d, provider: %s}]\n"+
					"clusters: [{name: a, kubeconfig: {path: a}}]\n", tt.max, tt.provider),
			} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c, err := Load(filepath.Join(dir, "config.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprint(c.Warnings())
			if tt.want == "" && got != "[]" || !strings.Contains(got, tt.want) {
				t.Errorf("warnings %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLevelWarnings(t *testing.T) {
	config := func(members int) *Config {
		fed := federation.Federation{Name: "fed", Domain: "example.com.", Naming: federation.Flat}
		c := &Config{Federations: []Federation{{Federation: fed}}}
		for i := range members {
			place := federation.Member{Name: fmt.Sprintf("m%d", i), Region: federation.Label(fmt.Sprintf("r%d", i))}
			for z := range 15 {
				place.Zones = append(place.Zones, federation.Label(fmt.Sprintf("r%d-%d", i, z)))
			}
			c.Clusters = append(c.Clusters, Cluster{Member: member.Config{Name: place.Name, Topology: &place}})
		}
		return c
	}
	for members, want := range map[int]string{49: "", 50: "801 levels", 70: "1121 levels"} {
		t.Run(fmt.Sprintf("O1b %d members with 16 levels each", members), func(t *testing.T) {
			c := config(members)
			if got := c.manyLevels(c.Federations[0]); want == "" && got != "" || !strings.Contains(got, want) {
				t.Errorf("warning %q, want %q", got, want)
			}
		})
	}
}

func TestHostWarnings(t *testing.T) {
	t.Run("I3 a pod's account where there is no pod", func(t *testing.T) {
		t.Setenv("KUBERNETES_SERVICE_HOST", "")
		got := fmt.Sprint((&Config{Host: &Host{InCluster: true}}).Warnings())
		if !strings.HasPrefix(got, "[host: inCluster is for a pod, and this is none") {
			t.Errorf("warnings %q", got)
		}
	})
}
