package charts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/test/helm"
)

const syncerChart = "../../charts/federation-syncer"

const syncerValues = `
config:
  owner: syncer-eu
  federations:
  - name: myfederation
    domain: example.com
    ttl: 60
    regionFallback: {us-central1: [us-east1]}
    provider: {route53: {hostedZoneID: Z0123456789ABCDEFGHIJ}}
  clusters:
  - name: gce-us-central1
    kubeconfig: {path: /etc/federation/secrets/members/gce-us-central1.kubeconfig}
    maxServices: 1000000
secretMounts:
- secretName: members
`

// syncerForms are the forms of the chart: each template is rendered with each of its branches.
var syncerForms = map[string][]string{
	"the default":  nil,
	"one replica":  {"replicas=1"},
	"a JSON log":   {"config.log.format=json"},
	"another port": {"metrics.port=9999"},
	"monitors": {"metrics.serviceMonitor.enabled=true", "metrics.rules.enabled=true", "metrics.rules.labels.a=b",
		"metrics.serviceMonitor.labels.a=b"},
	"a dashboard":           {"metrics.dashboard.enabled=true"},
	"a network policy":      {"networkPolicy.enabled=true"},
	"a wide network policy": {"networkPolicy.enabled=true", "networkPolicy.egress[0].ports[0].port=8443"},
	"a ConfigMap":           {"config=null", "existingConfigMap=mine"},
	"records in the host":   {"config=null", "existingConfigMap=mine", "hostRecords=true"},
	"no Secret":             {"secretMounts=null"},
	"another folder":        {"secretMounts[0].mountPath=/var/members"},
	"a mirrored image":      {"image.repository=registry.example.com/syncer", "image.tag=x"},
	"a digest":              {"image.digest=sha256:" + strings.Repeat("0123456789abcdef", 4)},
	"a pull secret":         {"imagePullSecrets[0].name=registry"},
	"an account":            {"serviceAccount.name=dns", "serviceAccount.annotations.a=b"},
	"a place": {"priorityClassName=high", "tolerations[0].operator=Exists", "nodeSelector.a=b",
		"affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight=1"},
	"an environment": {"podAnnotations.c=d", "extraEnv[0].name=HTTPS_PROXY", "extraEnv[0].value=http://proxy:3128"},
	"no resources":   {"resources=null"},
	"no CRDs":        {"crds.install=false"},
	"CRDs that go":   {"crds.keep=false"},
}

func TestSyncerForms(t *testing.T) {
	h := helm.New(t)
	strict := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	for form, set := range syncerForms {
		t.Run("D3 "+form, func(t *testing.T) {
			out, err := h.Run(t.Context(), "", append([]string{"lint", "--strict", syncerChart},
				flags(t, syncerValues, set)...)...)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if out, err = render(t, h, syncerChart, syncerValues, set...); err != nil {
				t.Fatal(err)
			}
			for _, document := range objects(t, out) {
				if strings.Contains(document, "monitoring.coreos.com/") ||
					strings.Contains(document, "apiextensions.k8s.io/") {
					continue // what client-go does not know
				}
				if _, _, err := strict.Decode([]byte(document), nil, nil); err != nil {
					t.Errorf("%v in:\n%s", err, document)
				}
			}
		})
	}
}

func TestSyncerRefuses(t *testing.T) {
	h := helm.New(t)
	for _, tc := range []struct {
		what, values string
		set          []string
		says         string
	}{
		{"no configuration", "", nil, "config is empty: write the configuration of the syncer there"},
		{"no federation", "config: {federations: [], clusters: [{name: a}]}\n", nil, "config.federations is empty"},
		{"a host", syncerValues, []string{"config.host.inCluster=true"}, "config.host: the chart sets it"},
		{"a socket", syncerValues, []string{"config.admin.socket=x"}, "config.admin: the chart sets it"},
		{"an address of the metrics", syncerValues, []string{"config.metrics.address=:1"}, "the value metrics.port"},
		{"two configurations", syncerValues, []string{"existingConfigMap=x"},
			"config and existingConfigMap are both set"},
		{"a Secret twice", syncerValues, []string{"secretMounts[1].secretName=members"}, "members is there twice"},
		{"a misspelt value", syncerValues, []string{"replica=3"}, "additional properties 'replica' not allowed"},
		{"a misspelt value inside", syncerValues, []string{"image.digset=x"},
			"additional properties 'digset' not allowed"},
		{"a misspelt field of the configuration", syncerValues, []string{"config.timers.emptygrace=1s"},
			"additional properties 'emptygrace' not allowed"},
		{"a misspelt field of a member", syncerValues, []string{"config.clusters[0].drian=true"},
			"additional properties 'drian' not allowed"},
		{"text for a number", syncerValues, []string{"config.federations[0].ttl=long"}, "got string, want integer"},
	} {
		t.Run("D3 "+tc.what, func(t *testing.T) {
			out, err := render(t, h, syncerChart, tc.values, tc.set...)
			if err == nil {
				t.Fatalf("it was rendered:\n%s", out)
			}
			if !strings.Contains(err.Error(), tc.says) {
				t.Errorf("it says %q, want %q in it", err, tc.says)
			}
		})
	}
}

// What the chart makes of config is a configuration of the syncer, with what the chart adds.
func TestSyncerConfiguration(t *testing.T) {
	out, err := helm.New(t).Run(t.Context(), "", append([]string{"template", "eu", syncerChart, "--namespace", "dns"},
		flags(t, syncerValues, []string{"metrics.port=9999"})...)...)
	if err != nil {
		t.Fatal(err)
	}
	found := decode[*corev1.ConfigMap](t, objects(t, out))
	if len(found) != 1 {
		t.Fatalf("%d ConfigMaps, want one", len(found))
	}
	c, err := config.Parse("config.yaml", []byte(found[0].Data["config.yaml"]))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("I3 the host is the pod's own cluster, with the Lease of the release", func(t *testing.T) {
		want := &config.Host{InCluster: true, Namespace: "dns", Lease: "eu-federation-syncer"}
		if d := cmp.Diff(want, c.Host); d != "" {
			t.Errorf("host (-want +got):\n%s", d)
		}
	})
	t.Run("D3 the rest is as it was written", func(t *testing.T) {
		if c.MetricsAddress != ":9999" || c.Owner != "syncer-eu" || len(c.Federations) != 1 ||
			c.Clusters[0].Member.MaxServices != 1000000 || c.Federations[0].Options.TTL != 60 {
			t.Errorf("it is %+v", c)
		}
	})
}

// The chart has the rights of deploy/host-rbac.yaml, and the alerts and the dashboard of deploy/monitoring.
func TestSyncerOneSource(t *testing.T) {
	read := func(t *testing.T, path string) string {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	t.Run("B1 the rights are those of deploy/host-rbac.yaml and deploy/users-rbac.yaml", func(t *testing.T) {
		out, err := helm.New(t).Run(t.Context(), "", append([]string{"template", "federation-syncer", syncerChart,
			"--namespace", "federation-system"}, flags(t, syncerValues, nil)...)...)
		if err != nil {
			t.Fatal(err)
		}
		whose := func(name string) string {
			for _, who := range []string{"viewer", "editor", "admin", "records"} {
				if strings.HasSuffix(name, "-"+who) {
					return who
				}
			}
			return "syncer"
		}
		rules := func(text string) map[string][]rbacv1.PolicyRule {
			all := map[string][]rbacv1.PolicyRule{}
			for _, r := range decode[*rbacv1.Role](t, objects(t, text)) {
				all["Role in "+r.Namespace+" of "+whose(r.Name)] = r.Rules
			}
			for _, r := range decode[*rbacv1.ClusterRole](t, objects(t, text)) {
				of := "ClusterRole of " + whose(r.Name)
				for _, role := range []string{"view", "edit"} {
					if r.Labels["rbac.authorization.k8s.io/aggregate-to-"+role] == "true" {
						of += ", aggregated to " + role
					}
				}
				all[of] = r.Rules
			}
			return all
		}
		noProvider := strings.Replace(syncerValues, "{route53: {hostedZoneID: Z0123456789ABCDEFGHIJ}}", "{none: {}}", 1)
		for values, set := range map[string][]string{syncerValues: {"hostRecords=true"}, noProvider: nil} {
			out, err := helm.New(t).Run(t.Context(), "", append([]string{"template", "federation-syncer", syncerChart,
				"--namespace", "federation-system"}, flags(t, values, set)...)...)
			if err != nil {
				t.Fatal(err)
			}
			for name, shipped := range rules(read(t, "../../deploy/host-records-rbac.yaml")) {
				if d := cmp.Diff(shipped, rules(out)[name]); d != "" {
					t.Errorf("the chart's rules for records in the host (-shipped +chart):\n%s", d)
				}
			}
		}
		shipped := read(t, "../../deploy/host-rbac.yaml") + "---\n" + read(t, "../../deploy/users-rbac.yaml")
		if d := cmp.Diff(rules(shipped), rules(out)); d != "" || len(rules(out)) != 6 {
			t.Errorf("the chart's rules differ from the shipped ones (-shipped +chart):\n%s", d)
		}
	})
	t.Run("D3 the alerts are those of deploy/monitoring", func(t *testing.T) {
		type groups struct{ Groups []map[string]any }
		var got, all, want groups
		for path, into := range map[string]*groups{
			syncerChart + "/files/rules.yaml": &got, "../../deploy/monitoring/rules.yaml": &all,
		} {
			if err := yaml.Unmarshal([]byte(read(t, path)), into); err != nil {
				t.Fatal(err)
			}
		}
		for _, group := range all.Groups {
			if group["name"] != "federation-plugin" { // which the chart federation-dns has
				want.Groups = append(want.Groups, group)
			}
		}
		if d := cmp.Diff(want, got); d != "" || len(want.Groups) == 0 {
			t.Errorf("files/rules.yaml is not the syncer's part (-want +got):\n%s", d)
		}
	})
	t.Run("U5 the CRDs are those of deploy/crds", func(t *testing.T) {
		shipped, err := filepath.Glob("../../deploy/crds/*.yaml")
		if err != nil || len(shipped) == 0 {
			t.Fatalf("there is none: %v", err)
		}
		for _, path := range shipped {
			if d := cmp.Diff(read(t, path), read(t, syncerChart+"/files/crds/"+filepath.Base(path))); d != "" {
				t.Errorf("%s differs (-shipped +chart):\n%s", filepath.Base(path), d)
			}
		}
	})
	t.Run("D3 the dashboard is that of deploy/monitoring", func(t *testing.T) {
		if d := cmp.Diff(read(t, "../../deploy/monitoring/dashboard.json"),
			read(t, syncerChart+"/files/dashboard.json")); d != "" {
			t.Errorf("files/dashboard.json differs (-shipped +chart):\n%s", d)
		}
	})
}

// A change that the running syncer reads by itself restarts no pod.
func TestSyncerRestarts(t *testing.T) {
	h := helm.New(t)
	template := func(t *testing.T, set ...string) corev1.PodTemplateSpec {
		t.Helper()
		out, err := render(t, h, syncerChart, syncerValues, set...)
		if err != nil {
			t.Fatal(err)
		}
		found := decode[*appsv1.Deployment](t, objects(t, out))
		if len(found) != 1 {
			t.Fatalf("%d Deployments, want one", len(found))
		}
		return found[0].Spec.Template
	}
	before := template(t)
	for set, restarts := range map[string]bool{
		"config.federations[0].ttl=30": false, "config.log.level=debug": false, "config.log.format=json": true,
		"metrics.port=9999": true,
	} {
		t.Run("C1 "+set, func(t *testing.T) {
			if changed := cmp.Diff(before, template(t, set)) != ""; changed != restarts {
				t.Errorf("restarts the pods: %t, want %t", changed, restarts)
			}
		})
	}
}
