package federate

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"
)

// TestNew reads testdata: a manifest, the FederatedService that it becomes, and what is left out.
func TestNew(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, path := range files {
		t.Run("V3 "+strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			parts := map[string][]byte{}
			for _, f := range txtar.Parse(text).Files {
				parts[f.Name] = f.Data
			}
			got, err := New(parse(t, parts["manifest.yaml"]), Options{Namespace: "shop", Federation: "fed"})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(parse(t, parts["federated.yaml"]).Object, got.Object.Object); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if d := cmp.Diff(strings.Fields(string(parts["left-out"])), append([]string{}, got.LeftOut...)); d != "" {
				t.Errorf("left out: -want +got:\n%s", d)
			}
		})
	}
}

func parse(t *testing.T, text []byte) *Object {
	t.Helper()
	data, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	var o Object
	if err := o.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	return &o
}

func TestOptions(t *testing.T) {
	const service = "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop, " +
		"labels: {federation-dns.io/federation: fed}}, spec: {ports: [{port: 80}]}}"
	const plain = "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}"
	const object = "{apiVersion: federation-dns.io/v1alpha1, kind: FederatedService, metadata: {name: web}, " +
		"spec: {federation: fed, placement: {clusters: [a]}, template: {spec: {ports: [{port: 80}]}}}}"
	only := func() (string, error) { return "only", nil }
	for _, c := range []struct {
		name, manifest string
		options        Options
		want           string // its federation, or the error
	}{
		{"V3 the label says the federation", service, Options{Default: only}, "fed"},
		{"V3 the flag says it without a label", plain, Options{Federation: "other", Default: only}, "other"},
		{"V3 else it is the only one", plain, Options{Default: only}, "only"},
		{"V3 nobody knows which one", plain,
			Options{Default: func() (string, error) { return "", errors.New("say which") }}, "say which"},
		{"V3 label and flag differ", service, Options{Federation: "other"},
			"its federation is fed, and --federation says otherwise: leave one of the two out"},
		{"V3 the label is no federation",
			strings.Replace(service, "federation: fed", "federation: svc", 1), Options{},
			`its label federation-dns.io/federation: federation name "svc": "svc" and "pod" are reserved by ` +
				`Kubernetes`},
		{"V3 a TTL is a number", strings.Replace(plain, "name: web", "name: web, annotations: "+
			"{federation-dns.io/ttl: soon}", 1), Options{Federation: "fed"},
			`its annotation federation-dns.io/ttl is "soon": a number of seconds is allowed`},
		{"V3 another namespace than -n", service, Options{Namespace: "mail", Forced: true},
			`it is in the namespace "shop", and -n says "mail"`},
		{"V3 another namespace than the context's", service, Options{Namespace: "mail"}, "fed"},
		{"V3 no name", strings.Replace(plain, "name: web", "generateName: web-", 1), Options{},
			"metadata.name is missing: it is that of the Service in every member"},
		{"V3 no spec", "{apiVersion: v1, kind: Service, metadata: {name: web}}", Options{},
			"spec is missing, or is no object"},
		{"V3 a Deployment", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {}}", Options{},
			"only a Service has a FederatedService: create the Deployment in each member, by kubectl"},
		{"V3 a Service of another group", "{apiVersion: serving.knative.dev/v1, kind: Service, " +
			"metadata: {name: web}, spec: {}}", Options{},
			"only a Service has a FederatedService: create the Service of serving.knative.dev in each member, by " +
				"kubectl"},
		{"V3 a FederatedService as it is", object, Options{Default: only}, "fed"},
		{"V3 a FederatedService with another placement", object, Options{Clusters: []string{"b"}},
			"its placement is map[clusters:[a]], and --clusters says otherwise: leave one of the two out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := New(parse(t, []byte(c.manifest)), c.options)
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				got, _ = f.Object.Object["spec"].(map[string]any)["federation"].(string)
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	t.Run("V3 members and adoption are as the flags say", func(t *testing.T) {
		f, err := New(parse(t, []byte(service)), Options{Clusters: []string{"a", "b"}, Adopt: true})
		if err != nil {
			t.Fatal(err)
		}
		spec := f.Object.Object["spec"].(map[string]any)
		want := map[string]any{"clusters": []any{"a", "b"}}
		if d := cmp.Diff(want, spec["placement"]); d != "" || spec["adopt"] != true {
			t.Errorf("adopt %v, placement -want +got:\n%s", spec["adopt"], d)
		}
	})
}
