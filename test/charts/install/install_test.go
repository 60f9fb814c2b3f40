package install

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/federation-dns/federation/test/helm"
	"github.com/federation-dns/federation/test/programs"
	"github.com/federation-dns/federation/test/world"
)

const (
	chart     = "federation-syncer"
	namespace = "federation-system"
	// federation is another one than that of the World's own syncer, whose claims are there.
	federation = "charted"
)

// installation is a host cluster, which is a member too, with everything that the chart needs.
type installation struct {
	helm.Helm
	*world.World
	host *world.Member
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	h := helm.New(t)
	dir, err := os.MkdirTemp("", "chart")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	deploy, err := filepath.Abs("../../../deploy")
	if err != nil {
		t.Fatal(err)
	}
	w, err := world.New(world.Options{
		Dir: dir, CoreDNS: programs.CoreDNS(), Syncer: programs.Syncer(), Testcluster: programs.Testcluster(),
		Deploy: deploy, Places: world.Places[:1],
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := w.Start(ctx); err != nil {
		t.Fatalf("%v\n%s", err, w.Tails(10))
	}
	if err := w.Syncer.Stop(); err != nil {
		t.Fatal(err)
	}
	in := &installation{Helm: h, World: w, host: w.Members()[0]}
	in.kubectl(t, "-n", namespace, "create", "secret", "generic", "members",
		"--from-file=member.kubeconfig="+w.Path("syncer", in.host.Name+".kubeconfig"))
	in.kubectl(t, "-n", namespace, "create", "secret", "generic", "tsig",
		"--from-file=secret="+w.Path("syncer", "tsig"))
	if err := in.host.Deploy(ctx); err != nil {
		t.Fatal(err)
	}
	if err := in.host.CreateService(ctx); err != nil {
		t.Fatal(err)
	}
	in.kubectl(t, "-n", world.Namespace, "label", "--overwrite", "service", world.Service,
		"federation-dns.io/federation="+federation)
	return in
}

func (in *installation) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := in.host.Kubectl(t.Context(), "", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// helm runs helm with the values of the installation; the words come before them.
func (in *installation) helm(t *testing.T, words ...string) string {
	t.Helper()
	out, err := in.Run(t.Context(), in.host.Cluster.Kubeconfig(), append(words, "--namespace", namespace)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// values writes the values into a file; the TTL is that of the records.
func (in *installation) values(t *testing.T, ttl int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "values.yaml")
	text := fmt.Sprintf(`
config:
  federations:
  - name: %s
    domain: %s
    ttl: %d
    mirror: {enabled: false} # its right is the member's
    provider:
      rfc2136:
        server: %s
        zone: %s
        tsig: {name: %q, secretFile: /etc/federation/secrets/tsig/secret}
  clusters:
  - name: %s
    kubeconfig: {path: /etc/federation/secrets/members/member.kubeconfig}
secretMounts: [{secretName: members}, {secretName: tsig}]
metrics: {port: 9154} # CoreDNS has 9153
`, federation, world.Domain, ttl, world.Authority, world.Domain, world.TSIGName, in.host.Name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// install installs a release, and returns what helm prints. What stands in for its pods on the simulated Nodes is
// killed, as it has the port.
func (in *installation) install(t *testing.T, release string, ttl int, more ...string) string {
	t.Helper()
	args := []string{"install", release, helm.Chart(t, chart), "--values", in.values(t, ttl)}
	out := in.helm(t, append(args, more...)...)
	selector := "app.kubernetes.io/instance=" + release
	in.ready(t, selector, "True True")
	if err := in.host.Cluster.KillBackends(t.Context(), namespace, selector); err != nil {
		t.Fatal(err)
	}
	in.ready(t, selector, "False False")
	return out
}

func (in *installation) ready(t *testing.T, selector, want string) {
	t.Helper()
	var got string
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		got = in.kubectl(t, "-n", namespace, "get", "pods", "-l", selector, "-o",
			`jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}`)
		if got == want {
			return
		}
	}
	t.Fatalf("the pods are ready: %q, want %q", got, want)
}

// deployed is what a pod of the Deployment is.
func (in *installation) deployed(t *testing.T, name string) corev1.PodSpec {
	t.Helper()
	var d appsv1.Deployment
	if err := json.Unmarshal([]byte(in.kubectl(t, "-n", namespace, "get", "deployment", name, "-o", "json")),
		&d); err != nil {
		t.Fatal(err)
	}
	return d.Spec.Template.Spec
}

// hook is the pod of helm test.
func (in *installation) hook(t *testing.T, release string) corev1.PodSpec {
	t.Helper()
	o, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(in.helm(t, "get", "hooks", release)), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, ok := o.(*corev1.Pod)
	if !ok {
		t.Fatalf("helm test runs a %T", o)
	}
	return p.Spec
}

// ttl is that of the federated name at the DNS server, and 0 while it has no address.
func (in *installation) ttl(t *testing.T) uint32 {
	t.Helper()
	name := fmt.Sprintf("%s.%s.%s.svc.%s.", world.Service, world.Namespace, federation, world.Domain)
	r, err := world.Ask(t.Context(), world.Authority, name, dns.TypeA)
	if err != nil {
		return 0
	}
	for _, rr := range r.Answer {
		if a, ok := rr.(*dns.A); ok && a.A.String() == in.host.Published[0].String() {
			return a.Hdr.Ttl
		}
	}
	return 0
}

// everything is the names of all objects that stay, of all types.
func (in *installation) everything(t *testing.T) []string {
	t.Helper()
	types := slices.DeleteFunc(strings.Fields(in.kubectl(t, "api-resources", "--verbs=list", "-o", "name")),
		func(name string) bool {
			return strings.HasPrefix(name, "events") || strings.HasPrefix(name, "componentstatuses") ||
				strings.HasPrefix(name, "pods.metrics")
		})
	all := strings.Split(strings.TrimSpace(in.kubectl(t, "get", strings.Join(types, ","), "-A", "--ignore-not-found",
		"-o", `jsonpath={range .items[*]}{.kind}/{.metadata.namespace}/{.metadata.name}{"\n"}{end}`)), "\n")
	slices.Sort(all)
	return slices.Compact(all)
}

// left waits until exactly these objects are more than before.
func (in *installation) left(t *testing.T, before []string, want ...string) {
	t.Helper()
	var more []string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		more = slices.DeleteFunc(in.everything(t), func(name string) bool { return slices.Contains(before, name) })
		if slices.Equal(more, want) {
			return
		}
	}
	t.Errorf("left are %q, want %q", more, want)
}

// TestSyncer walks through the life of an installation: it is one start of an API server, so that its parts share it.
func TestSyncer(t *testing.T) {
	in := newInstallation(t)
	const release = "federation-syncer"
	before := in.everything(t)
	t.Run("D3 the API server takes everything", func(t *testing.T) {
		for _, set := range []string{"replicas=1", "networkPolicy.enabled=true", "metrics.dashboard.enabled=true"} {
			in.helm(t, "install", release, helm.Chart(t, chart), "--values", in.values(t, 60), "--set", set,
				"--dry-run=server")
		}
		in.left(t, before)
	})
	if t.Failed() {
		return
	}
	if out := in.install(t, release, 60); strings.Contains(out, "does not exist") {
		t.Errorf("the Secrets exist, and it says:\n%s", out)
	}
	t.Run("D3 helm test finds nothing wrong", func(t *testing.T) {
		p := startPod(t, in.host, namespace, in.hook(t, release))
		p.logged(t, "/etc/federation/config/config.yaml is valid: 1 federations, 1 members\n")
		if log := p.log(); strings.Contains(log, "warning") {
			t.Errorf("it says:\n%s", log)
		}
	})
	t.Run("I3 B1 with the rights of the chart a pod takes the Lease and writes", func(t *testing.T) {
		p := startPod(t, in.host, namespace, in.deployed(t, release))
		p.await(t, "the name has an address", func() bool { return in.ttl(t) == 60 })
		holder := in.kubectl(t, "-n", namespace, "get", "lease", release, "-o", "jsonpath={.spec.holderIdentity}")
		if holder == "" || strings.Contains(p.log(), "forbidden") || strings.Contains(p.log(), "level=ERROR") {
			t.Errorf("the Lease has %q, and the log is\n%s", holder, p.log())
		}
		if out, err := p.exec(t.Context(), "status"); err != nil || !strings.Contains(out, in.host.Name) {
			t.Errorf("status: %v\n%s", err, out)
		}
		t.Run("C1 an upgrade reaches the running pod", func(t *testing.T) {
			template := in.deployed(t, release)
			in.helm(t, "upgrade", release, helm.Chart(t, chart), "--values", in.values(t, 77))
			if !slices.EqualFunc([]corev1.PodSpec{template}, []corev1.PodSpec{in.deployed(t, release)},
				func(a, b corev1.PodSpec) bool { return a.String() == b.String() }) {
				t.Error("it restarts the pods")
			}
			p.sync(t, namespace)
			p.await(t, "the new TTL", func() bool { return in.ttl(t) == 77 })
		})
		p.stop(t)
	})
	in.testEachRight(t, release)
	t.Run("U5 another release does not take the CRD", func(t *testing.T) {
		_, err := in.Run(t.Context(), in.host.Cluster.Kubeconfig(), "install", "eu", helm.Chart(t, chart), "--values",
			in.values(t, 60), "--namespace", namespace)
		if err == nil || !strings.Contains(err.Error(), "invalid ownership metadata") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("D3 another release stands beside it", func(t *testing.T) {
		in.install(t, "eu", 60, "--set", "crds.install=false")
		p := startPod(t, in.host, namespace, in.deployed(t, "eu-federation-syncer"))
		p.logged(t, "this replica has the Lease")
		p.stop(t)
		in.helm(t, "uninstall", "eu")
	})
	in.helm(t, "uninstall", release)
	t.Run("D3 it can be installed again", func(t *testing.T) {
		in.install(t, release, 88)
		p := startPod(t, in.host, namespace, in.deployed(t, release))
		p.await(t, "the records are kept again", func() bool { return in.ttl(t) == 88 })
		p.stop(t)
		in.helm(t, "uninstall", release)
	})
	t.Run("D3 uninstall leaves what the README names", func(t *testing.T) {
		in.left(t, before, "APIService//v1alpha1.federation-dns.io", // which the API server makes of the CRD
			"CustomResourceDefinition//federatedservices.federation-dns.io",
			"CustomResourceDefinition//memberclusters.federation-dns.io",
			"Lease/federation-system/eu-federation-syncer", "Lease/federation-system/federation-syncer")
		if in.ttl(t) == 0 {
			t.Error("the records went")
		}
	})
}

// ofServices are the resources of FederatedServices. There are none here, and so no right to change them is missed:
// test/federatedservice takes each of these from the role of deploy/host-rbac.yaml, which is the same.
var ofServices = []string{"federatedservices", "federatedservices/status", "events"}

// testEachRight takes one right after the other from the account: a pod says which one it lacks.
func (in *installation) testEachRight(t *testing.T, release string) {
	type rule struct {
		Resources []string
		Verbs     []string
	}
	in.kubectl(t, "apply", "-f", "testdata/membercluster.yaml") // whose status is to be written
	defer in.kubectl(t, "delete", "-f", "testdata/membercluster.yaml")
	tested := 0
	for _, object := range []string{"role/" + release, "clusterrole/" + namespace + "-" + release} {
		var role struct{ Rules []rule }
		shipped := in.kubectl(t, "-n", namespace, "get", object, "-o", "json")
		if err := json.Unmarshal([]byte(shipped), &role); err != nil {
			t.Fatal(err)
		}
		for i, r := range role.Rules {
			for j, verb := range r.Verbs {
				if slices.Contains(ofServices, r.Resources[0]) && slices.Contains([]string{"create", "patch"}, verb) {
					continue
				}
				what := fmt.Sprintf("cannot %s resource \"%s\"", verb, r.Resources[0])
				tested++
				t.Run("B2 without it, "+what, func(t *testing.T) {
					in.kubectl(t, "-n", namespace, "delete", "lease", release, "--ignore-not-found")
					in.setVerb(t, object, i, j, "none")
					defer in.setVerb(t, object, i, j, verb)
					p := startPod(t, in.host, namespace, in.deployed(t, release))
					p.await(t, what, func() bool {
						return strings.Contains(strings.ReplaceAll(p.log(), `\"`, `"`), what)
					})
					p.stop(t)
				})
			}
		}
	}
	if tested < 4 {
		t.Errorf("%d rights were tried", tested)
	}
}

// setVerb changes one verb of one rule of a role.
func (in *installation) setVerb(t *testing.T, role string, rule, at int, verb string) {
	t.Helper()
	in.kubectl(t, "-n", namespace, "patch", role, "--type=json", "-p",
		fmt.Sprintf(`[{"op": "replace", "path": "/rules/%d/verbs/%d", "value": %q}]`, rule, at, verb))
}
