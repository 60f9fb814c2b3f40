package charts

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/federation-dns/federation/test/helm"
)

const dnsChart = "../../charts/federation-dns"

// dnsValues are the values of a release with two federations, one of which has servers of its own.
const dnsValues = `
federations:
- name: myfederation
  domain: example.com
  servers: [192.0.2.53, "[2001:db8::53]:5353"]
- name: other
  domain: example.net
service:
  clusterIP: 10.96.0.53
`

// dnsForms are the forms of the chart: each template is rendered with each of its branches.
var dnsForms = map[string][]string{
	"the default":             nil,
	"one replica without PDB": {"replicas=1", "podDisruptionBudget.enabled=false"},
	"autoscaling":             {"autoscaling.enabled=true"},
	"monitors": {"metrics.serviceMonitor.enabled=true", "metrics.rules.enabled=true",
		"metrics.rules.labels.release=prometheus", "metrics.serviceMonitor.labels.release=prometheus"},
	"a network policy": {"networkPolicy.enabled=true"},
	"a closed network policy": {"networkPolicy.enabled=true",
		"networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.name=monitoring",
		"networkPolicy.egress[0].ports[0].port=53"},
	"dual-stack":           {"service.secondaryClusterIP=fd00::53"},
	"IPv6":                 {"service.clusterIP=fd00::53"},
	"a topology":           {"topology.region=us-central1", "topology.zone=us-central1-b"},
	"nested without cache": {"naming=nested", "cache=0", "ttl=1"},
	"a mirrored image":     {"image.repository=registry.example.com/coredns", "image.tag=x"},
	"a digest":             {"image.digest=sha256:" + strings.Repeat("0123456789abcdef", 4)},
	"a cluster domain":     {"clusterDomain=k8s.example.org"},
	"names to ask":         {"test.names[0]=nginx.mynamespace.myfederation"},
	"a pull secret":        {"imagePullSecrets[0].name=registry"},
	"a priority":           {"priorityClassName=system-cluster-critical"},
	"a mirror":             {"mirror.rights=true"},
	"an account":           {"serviceAccount.name=dns", "serviceAccount.annotations.a=b"},
	"no distribution":      {"service.trafficDistribution=", "service.annotations.a=b"},
	"labels":               {"podLabels.a=b", "podAnnotations.c=d"},
	"affinity":             {"affinity.nodeAffinity.x=y"},
	"for kubeadm":          {"platform=kubeadm"},
	"for k3s":              {"platform=k3s"},
	"for eks":              {"platform=eks"},
	"for aks":              {"platform=aks"},
	"for gke":              {"platform=gke"},
	"for openshift":        {"platform=openshift"},
	"for digitalocean":     {"platform=digitalocean"},
	"for gardener":         {"platform=gardener"},
	"for nodelocaldns":     {"platform=nodelocaldns"},
}

// render writes the values into a file and renders the chart with them.
func render(t *testing.T, h helm.Helm, chart, values string, set ...string) (string, error) {
	t.Helper()
	return h.Run(t.Context(), "", append([]string{"template", "federation-dns", chart, "--namespace", "dns"},
		flags(t, values, set)...)...)
}

func flags(t *testing.T, values string, set []string) []string {
	t.Helper()
	path := t.TempDir() + "/values.yaml"
	if err := os.WriteFile(path, []byte(values), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"--values", path}
	for _, s := range set {
		args = append(args, "--set", s)
	}
	return args
}

func TestDNSForms(t *testing.T) {
	h := helm.New(t)
	strict := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	for form, set := range dnsForms {
		t.Run("D3 "+form, func(t *testing.T) {
			if form != "affinity" { // which is passed on as it is
				out, err := h.Run(t.Context(), "", append([]string{"lint", "--strict", dnsChart},
					flags(t, dnsValues, set)...)...)
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			}
			out, err := render(t, h, dnsChart, dnsValues, set...)
			if err != nil {
				t.Fatal(err)
			}
			for _, document := range objects(t, out) {
				if strings.Contains(document, "monitoring.coreos.com/") || form == "affinity" {
					continue // a CRD that client-go does not know
				}
				if _, _, err := strict.Decode([]byte(document), nil, nil); err != nil {
					t.Errorf("%v in:\n%s", err, document)
				}
			}
		})
	}
}

// objects splits what helm template prints.
func objects(t *testing.T, out string) (all []string) {
	t.Helper()
	for document := range strings.SplitSeq("\n"+out, "\n---\n") {
		var any map[string]any
		if err := yaml.Unmarshal([]byte(document), &any); err != nil {
			t.Fatalf("%v in:\n%s", err, document)
		}
		if len(any) > 0 {
			all = append(all, document)
		}
	}
	if len(all) == 0 {
		t.Fatal("nothing was rendered")
	}
	return all
}

// decode returns the objects of the type of T.
func decode[T runtime.Object](t *testing.T, documents []string) (all []T) {
	t.Helper()
	for _, document := range documents {
		o, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(document), nil, nil)
		if runtime.IsNotRegisteredError(err) {
			continue
		}
		if err != nil {
			t.Fatalf("%v in:\n%s", err, document)
		}
		if o, ok := o.(T); ok {
			all = append(all, o)
		}
	}
	return all
}

func TestDNSRefuses(t *testing.T) {
	h := helm.New(t)
	const address = "service: {clusterIP: 10.96.0.53}\n"
	for _, tc := range []struct{ what, values, says string }{
		{"no federation", address, "federations is empty: say at least one"},
		{"no address", "federations: [{name: a, domain: example.com}]\n", "service.clusterIP is not set"},
		{"a misspelt value", dnsValues + "replica: 3\n", "additional properties 'replica' not allowed"},
		{"a misspelt field of a federation",
			address + "federations: [{name: a, domain: example.com, server: [192.0.2.1]}]\n",
			"additional properties 'server' not allowed"},
		{"a name that is no label", address + "federations: [{name: a.b, domain: example.com}]\n", "pattern"},
		{"a host name as a server",
			address + "federations: [{name: a, domain: example.com, servers: [ns.example.com]}]\n", "pattern"},
		{"the same name twice",
			address + "federations: [{name: a, domain: example.com}, {name: a, domain: example.net}]\n",
			"a is there twice"},
		{"two ways to one domain", address + "federations:\n- {name: a, domain: example.com, servers: [192.0.2.1]}\n" +
			"- {name: b, domain: example.com, servers: [192.0.2.2]}\n", "example.com has different servers"},
		{"a topology zone alone", dnsValues + "topology: {zone: b}\n", "topology.region is not"},
		{"another platform", dnsValues + "platform: minikube\n", "platform"},
	} {
		t.Run("D3 "+tc.what, func(t *testing.T) {
			out, err := render(t, h, dnsChart, tc.values)
			if err == nil {
				t.Fatalf("it was rendered:\n%s", out)
			}
			if !strings.Contains(err.Error(), tc.says) {
				t.Errorf("it says %q, want %q in it", err, tc.says)
			}
		})
	}
}

// The chart has the rights of deploy/coredns-rbac.yaml, and the alerts of deploy/monitoring/rules.yaml.
func TestDNSOneSource(t *testing.T) {
	t.Run("B1 the rights are those of deploy/coredns-rbac.yaml", func(t *testing.T) {
		h := helm.New(t)
		out, err := render(t, h, dnsChart, dnsValues)
		if err != nil {
			t.Fatal(err)
		}
		shipped, err := os.ReadFile("../../deploy/coredns-rbac.yaml")
		if err != nil {
			t.Fatal(err)
		}
		got, want := decode[*rbacv1.ClusterRole](t, objects(t, out)), decode[*rbacv1.ClusterRole](t,
			objects(t, string(shipped)))
		if len(got) != 1 || len(want) != 1 {
			t.Fatalf("%d and %d ClusterRoles, want one each", len(got), len(want))
		}
		if d := cmp.Diff(want[0].Rules, got[0].Rules); d != "" {
			t.Errorf("the chart's rules differ from the shipped ones (-shipped +chart):\n%s", d)
		}
	})
	t.Run("M10 the rights to the mirror are those of deploy/member-mirror-rbac.yaml, for those who want them",
		func(t *testing.T) {
			h := helm.New(t)
			without, err := render(t, h, dnsChart, dnsValues)
			if err != nil {
				t.Fatal(err)
			}
			if got := decode[*rbacv1.Role](t, objects(t, without)); len(got) > 0 {
				t.Errorf("there are %d Roles without the value", len(got))
			}
			out, err := render(t, h, dnsChart, dnsValues, "mirror.rights=true", "serviceAccount.name=dns-account")
			if err != nil {
				t.Fatal(err)
			}
			shipped, err := os.ReadFile("../../deploy/member-mirror-rbac.yaml")
			if err != nil {
				t.Fatal(err)
			}
			got := decode[*rbacv1.Role](t, objects(t, out))
			for _, want := range decode[*rbacv1.Role](t, objects(t, string(shipped))) {
				if want.Name != "coredns" {
					continue
				}
				if len(got) != 1 || got[0].Namespace != want.Namespace || !cmp.Equal(got[0].Rules, want.Rules) {
					t.Errorf("the Roles are %+v, want the rules of %+v", got, want)
				}
			}
			bindings := decode[*rbacv1.RoleBinding](t, objects(t, out))
			subject := rbacv1.Subject{Kind: "ServiceAccount", Namespace: "dns", Name: "dns-account"}
			if len(bindings) != 1 || !cmp.Equal(bindings[0].Subjects, []rbacv1.Subject{subject}) ||
				bindings[0].RoleRef.Name != got[0].Name || bindings[0].Namespace != got[0].Namespace {
				t.Errorf("the RoleBindings are %+v, want one of %+v", bindings, subject)
			}
		})
	t.Run("D3 the alerts are those of deploy/monitoring", func(t *testing.T) {
		read := func(path string) (groups struct {
			Groups []map[string]any
		}) {
			text, err := os.ReadFile(path)
			if err == nil {
				err = yaml.Unmarshal(text, &groups)
			}
			if err != nil {
				t.Fatal(err)
			}
			return groups
		}
		got := read(dnsChart + "/files/rules.yaml")
		want := read("../../deploy/monitoring/rules.yaml")
		for _, group := range want.Groups {
			if group["name"] != "federation-plugin" {
				continue
			}
			if d := cmp.Diff([]map[string]any{group}, got.Groups); d != "" {
				t.Errorf("files/rules.yaml is not the group federation-plugin (-want +got):\n%s", d)
			}
			return
		}
		t.Error("deploy/monitoring/rules.yaml has no group federation-plugin")
	})
}
