package docs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/config"
)

// TestYAML gives each YAML block of each page to what reads it in real life: a syncer configuration to what
// `federation-syncer --validate` calls, a manifest to a strict decoder of its type. A fragment, marked
// `~~~ yaml fragment KIND`, is completed first; of the values of a chart, marked `~~~ yaml values CHART`, the chart has
// to know the keys. One marked `~~~ yaml file NAME` is a file of the commands of the page.
func TestYAML(t *testing.T) {
	marked := regexp.MustCompile("(?m)^ *(~{3,}|`{3,}) *yaml")
	seen, written := 0, 0
	configurations := 0
	for page, text := range files(t, ".md") {
		written += len(marked.FindAllString(text, -1))
		for _, b := range Blocks(page, text) {
			language, use := b.Language()
			if language != "yaml" {
				continue
			}
			seen++
			if chart, ok := strings.CutPrefix(use, "values "); ok {
				t.Run(fmt.Sprintf("%s:%d", page, b.Line), func(t *testing.T) { values(t, chart, b.Text) })
				continue
			}
			kind, isFragment := strings.CutPrefix(use, "fragment ")
			_, isFile := strings.CutPrefix(use, "file ")
			if use != "" && !isFragment && !isFile || isFragment && fragments[kind] == "" {
				t.Errorf("%s:%d: %q: want `yaml`, with `file NAME`, `values CHART` or `fragment KIND`; kinds are %q",
					page, b.Line-1, b.Info, kinds())
				continue
			}
			if isFragment {
				b.Text = complete(fragments[kind], b.Text)
			}
			t.Run(fmt.Sprintf("%s:%d", page, b.Line), func(t *testing.T) {
				for _, document := range documents(t, b.Text) {
					if strings.Contains(document, "kind: "+config.Kind+"\n") {
						configurations++
						validate(t, document)
						continue
					}
					decode(t, document)
				}
			})
		}
	}
	if seen != written {
		t.Errorf("%d YAML blocks were tested, and there are %d", seen, written)
	}
	if configurations == 0 {
		t.Error("no page shows a syncer configuration")
	}
	t.Logf("%d YAML blocks, %d of them syncer configurations", seen, configurations)
}

// fragments are the templates that complete a fragment, by kind. The fragment takes the place, and the indentation, of
// HERE.
var fragments = map[string]string{
	"container": `
apiVersion: apps/v1
kind: Deployment
metadata: {name: coredns}
spec:
  template:
    spec:
      containers:
      - name: coredns
        HERE
`,
	"provider": configuration("  HERE", "- name: a\n  kubeconfig: {path: a.kubeconfig}"),
	"clusters": configuration("  provider: {route53: {hostedZoneID: Z0123456789ABCDEFGHIJ}}", "HERE"),
	"syncer": configuration("  provider: {route53: {hostedZoneID: Z0123456789ABCDEFGHIJ}}",
		"- name: a\n  kubeconfig: {path: a.kubeconfig}") + "HERE\n",
}

// values checks that the chart knows the keys. (What they may hold is its schema's, and helm's to check.)
func values(t *testing.T, chart, text string) {
	t.Helper()
	var got, known map[string]any
	if err := yaml.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(read(t, filepath.Join("charts", chart, "values.yaml"))), &known); err != nil {
		t.Fatal(err)
	}
	for key := range got {
		if _, ok := known[key]; !ok {
			t.Errorf("the chart %s has no value %s", chart, key)
		}
	}
}

func kinds() (names []string) {
	for name := range fragments {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func configuration(provider, clusters string) string {
	return "apiVersion: federation-dns.io/v1alpha1\nkind: SyncerConfiguration\nowner: syncer-eu\n" +
		"federations:\n- name: myfederation\n  domain: example.com\n" + provider + "\nclusters:\n" + clusters +
		"\nhost:\n  kubeconfig: {path: host.kubeconfig}\n"
}

func complete(template, fragment string) string {
	var b strings.Builder
	for line := range strings.Lines(template) {
		indent, _, here := strings.Cut(line, "HERE")
		if !here {
			b.WriteString(line)
			continue
		}
		for line := range strings.Lines(fragment) {
			b.WriteString(indent + line)
		}
	}
	return b.String()
}

// documents splits a stream of YAML documents.
func documents(t *testing.T, text string) (all []string) {
	t.Helper()
	for _, document := range regexp.MustCompile(`(?m)^---$`).Split(text, -1) {
		var node yaml.Node
		if err := yaml.Unmarshal([]byte(document), &node); err != nil {
			t.Fatalf("%v in:\n%s", err, document)
		}
		if node.Kind != 0 { // not comments alone
			all = append(all, document+"\n")
		}
	}
	if len(all) == 0 {
		t.Fatal("there is nothing in it")
	}
	return all
}

// kubeconfig is that of one cluster; NAME is the cluster's.
const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {server: "https://NAME.example.com:6443"}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
users: [{name: a, user: {token: secret}}]
current-context: a
`

// validate does what federation-syncer --validate does, in a folder with the files that the configuration names.
func validate(t *testing.T, text string) {
	t.Helper()
	dir := t.TempDir()
	named := regexp.MustCompile(`(path|secretFile): *"?([^\s,}"]+)`)
	text = named.ReplaceAllStringFunc(text, func(field string) string {
		m := named.FindStringSubmatch(field)
		path, name := filepath.Join(dir, m[2]), strings.ReplaceAll(filepath.Base(m[2]), ".", "-")
		content := strings.Replace(kubeconfig, "NAME", name, 1)
		if m[1] == "secretFile" {
			content = "c2VjcmV0LW9mLXRoZS1rZXk=\n"
		}
		err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600))
		if err != nil {
			t.Fatal(err)
		}
		return m[1] + ": " + path
	})
	path := filepath.Join(dir, "syncer.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	for _, warning := range c.Warnings() {
		t.Errorf("warning: %v in:\n%s", warning, text)
	}
}

// kubeadmConfiguration has the fields of kubeadm.k8s.io/v1beta4 that the pages use.
type kubeadmConfiguration struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	DNS        struct {
		ImageRepository string `yaml:"imageRepository"`
		ImageTag        string `yaml:"imageTag"`
	} `yaml:"dns"`
}

// others are the types that client-go does not have, by kind and group version.
var others = map[string]any{
	"ClusterConfiguration kubeadm.k8s.io/v1beta4": &kubeadmConfiguration{},
}

var strict = serializer.NewCodecFactory(scheme(), serializer.EnableStrict).UniversalDeserializer()

// scheme has the kinds of Kubernetes, and ours.
func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientscheme.AddToScheme(s))
	utilruntime.Must(v1alpha1.AddToScheme(s))
	return s
}

// decode decodes a manifest as its type; an unknown field or kind is an error.
func decode(t *testing.T, document string) {
	t.Helper()
	var meta struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string `yaml:"kind"`
	}
	if err := yaml.Unmarshal([]byte(document), &meta); err != nil {
		t.Fatal(err)
	}
	if into := others[meta.Kind+" "+meta.APIVersion]; into != nil {
		decoder := yaml.NewDecoder(strings.NewReader(document))
		decoder.KnownFields(true)
		if err := decoder.Decode(into); err != nil && !errors.Is(err, io.EOF) {
			t.Errorf("%v in:\n%s", err, document)
		}
		return
	}
	if _, _, err := strict.Decode([]byte(document), nil, nil); err != nil {
		t.Errorf("%v in:\n%s", err, document)
	}
}

// TestManifests decodes each manifest that ships, and those that the tests apply. The other YAML files are listed with
// the test that reads them.
func TestManifests(t *testing.T) {
	elsewhere := map[string]string{
		"deploy/coredns-values.yaml":                           "test/stanzas",
		"deploy/crds/federation-dns.io_memberclusters.yaml":    "test/membercluster",
		"deploy/crds/federation-dns.io_federatedservices.yaml": "test/membercluster",
		"deploy/monitoring/rules.yaml":                         "test/monitoring",
		"deploy/monitoring/rules_test.yaml":                    "test/monitoring",
		"deploy/providers/clouddns-role.yaml":                  "federation/provider/clouddns",
		"deploy/providers/clouddns-find-role.yaml":             "federation/provider/clouddns",
	}
	n := 0
	for name, text := range files(t, ".yaml") {
		if reader := elsewhere[name]; reader != "" {
			if tests, err := filepath.Glob(filepath.Join(root, reader, "*_test.go")); err != nil || len(tests) == 0 {
				t.Errorf("%s has no test, and is to read %s", reader, name)
			}
			delete(elsewhere, name)
			continue
		}
		if !strings.HasPrefix(name, "deploy/") && !strings.Contains(name, "/manifests/") &&
			!strings.HasPrefix(name, "test/plugincases/") {
			continue
		}
		n++
		t.Run(name, func(t *testing.T) {
			for _, document := range documents(t, text) {
				decode(t, document)
			}
		})
	}
	for name := range elsewhere {
		t.Errorf("%s is not there", name)
	}
	if n < 5 {
		t.Errorf("only %d manifests were found", n)
	}
}

func TestStrict(t *testing.T) {
	const misspelt = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndat: {}\n"
	if _, _, err := strict.Decode([]byte(misspelt), nil, nil); err == nil {
		t.Error("an unknown field is no error")
	}
}
