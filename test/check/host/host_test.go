package host

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/test/docs"
)

// crd returns the shipped CRD of a resource without these fields of its spec.
func (w *world) crd(resource string, without ...string) string {
	w.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy/crds/federation-dns.io_"+resource+".yaml"))
	if err != nil {
		w.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for _, field := range without {
		var kept []string
		indent := -1
		for _, line := range lines {
			depth := len(line) - len(strings.TrimLeft(line, " "))
			if strings.TrimSpace(line) == field+":" {
				indent = depth
				continue
			}
			if indent >= 0 && depth > indent {
				continue
			}
			indent = -1
			kept = append(kept, line)
		}
		lines = kept
	}
	return strings.Join(lines, "\n")
}

// deployment is the syncer's as the chart makes it, with a configuration.
func deployment(config string, replicas int) string {
	return fmt.Sprintf(`apiVersion: v1
kind: ConfigMap
metadata: {name: %[1]s, namespace: %[2]s}
data:
  config.yaml: %[3]q
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  replicas: %[4]d
  selector: {matchLabels: {app: syncer}}
  template:
    metadata: {labels: {app: syncer}}
    spec:
      containers:
      - name: federation-syncer
        image: federation-syncer
        args: [--config, /etc/federation/config/config.yaml]
        volumeMounts: [{name: config, mountPath: /etc/federation/config}]
      volumes: [{name: config, configMap: {name: %[1]s}}]
`, name, namespace, config, replicas)
}

var update = flag.Bool("update", false, "write docs/checks.md")

// TestChecks has one world, which takes a while to start.
func TestChecks(t *testing.T) {
	w := newWorld(t)
	t.Run("host", func(t *testing.T) { testHost(t, w.in(t)) })
	t.Run("members", func(t *testing.T) { testMembers(t, w.in(t)) })
	t.Run("run", func(t *testing.T) { testRun(t, w.in(t)) })
	if !t.Failed() {
		docs.CheckGenerated(t, filepath.Join(root, "docs/checks.md"), "test/check/host", *update,
			map[string]string{"texts": w.texts.Table()})
	}
}

// testHost begins without the CRDs, and installs them.
func testHost(t *testing.T, w *world) {
	t.Run("CK2 host-reachable passes", func(t *testing.T) {
		w := w.in(t)
		w.finds("host-reachable", "", check.OK, "https://..., v1.37...", w.options())
	})
	t.Run("CK2 host-reachable fails", func(t *testing.T) {
		w, o := w.in(t), w.options()
		o.Host = &rest.Config{Host: "https://127.0.0.1:1"}
		w.finds("host-reachable", "", check.Fail, "https://127.0.0.1:1: ...: connection refused", o)
	})
	t.Run("CK3 host-reachable: a time-out is no failure", func(t *testing.T) {
		w, o := w.in(t), w.options()
		o.Host = &rest.Config{Host: "https://" + mute(t)}
		w.finds("host-reachable", "", check.Unknown, "could not be tested: no answer within 3s", o)
	})
	t.Run("CK2 crds-installed fails", func(t *testing.T) {
		w := w.in(t)
		w.finds("crds-installed", "", check.Fail,
			"the host does not serve MemberCluster, FederatedService of federation-dns.io/v1alpha1", w.options())
	})
	t.Run("CK2 crds-version fails", func(t *testing.T) {
		w := w.in(t)
		w.kubectl(w.crd("memberclusters", "drain", "hostSuffixes"), "apply", "--server-side", "-f", "-")
		w.finds("crds-version", "MemberCluster", check.Fail, "the host's CRD lacks spec.hostSuffixes, spec.drain",
			w.options())
	})
	t.Run("CK2 crds-version passes", func(t *testing.T) {
		w := w.in(t)
		w.kubectl(w.crd("memberclusters"), "apply", "--server-side", "--force-conflicts", "-f", "-")
		w.finds("crds-version", "MemberCluster", check.OK, "all fields are there", w.options())
	})
	t.Run("CK2 crds-installed warns", func(t *testing.T) {
		w := w.in(t)
		w.finds("crds-installed", "", check.Warn, "the host does not serve FederatedService of "+
			"federation-dns.io/v1alpha1: Services can only be created in each member", w.options())
	})
	t.Run("CK2 crds-installed passes", func(t *testing.T) {
		w := w.in(t)
		w.kubectl(w.crd("federatedservices"), "apply", "--server-side", "-f", "-")
		w.finds("crds-installed", "", check.OK, "MemberCluster, FederatedService v1alpha1", w.options())
		w.finds("crds-version", "FederatedService", check.OK, "all fields are there", w.options())
	})
	t.Run("CK2 syncer-running passes", func(t *testing.T) {
		w := w.in(t)
		w.finds("syncer-running", "", check.OK, "... writes", w.options())
	})
	t.Run("CK2 syncer-running fails: no Lease", func(t *testing.T) {
		w, o := w.in(t), w.options()
		o.Lease = "another"
		f := w.finds("syncer-running", "", check.Fail,
			"there is no Lease federation-system/another: no syncer has run there", o)
		if want := `- {apiGroups: ["coordination.k8s.io"], resources: [leases], verbs: [create]}`; !strings.Contains(
			f.Remedy, want) {
			t.Errorf("B3: %q is not in %q", want, f.Remedy)
		}
	})
	t.Run("CK2 syncer-running fails: nobody renews it", func(t *testing.T) {
		w, o := w.in(t), w.options()
		now := time.Now
		o.Now = func() time.Time { return now().Add(time.Minute) }
		w.finds("syncer-running", "", check.Fail, "nobody writes: the last holder of the Lease "+
			"federation-system/federation-syncer, ..., has not renewed it for ...", o)
	})
	t.Run("CK2 config-loaded passes", func(t *testing.T) {
		w := w.in(t)
		w.kubectl(deployment(w.config(), 2), "apply", "-f", "-")
		w.finds("config-loaded", "", check.OK, "in use since ...", w.options())
		w.finds("syncer-running", "", check.OK, "2 of 2 replicas, ... writes", w.options())
	})
	t.Run("CK2 config-loaded fails: another ConfigMap", func(t *testing.T) {
		w, o := w.in(t), w.options()
		w.kubectl(deployment(w.config()+"maxDeletePercent: 40\n", 2), "apply", "-f", "-")
		w.finds("config-loaded", "", check.Warn, "the ConfigMap federation-system/federation-syncer was changed "+
			"... ago, and the syncer still uses the one before", o)
		o.Now = func() time.Time { return time.Now().Add(3 * time.Minute) }
		w.finds("config-loaded", "", check.Fail, "the syncer does not use the ConfigMap federation-system/"+
			"federation-syncer as it is, and has had the time to", o)
	})
	t.Run("CK2 config-loaded fails: a bad file", func(t *testing.T) {
		w := w.in(t)
		w.write("c.yaml", "kind: SyncerConfiguration\n")
		w.finds("config-loaded", "", check.Fail,
			"the present configuration is bad, and the one of ... stays in use: ...", w.options())
		w.write("c.yaml", w.config())
		w.kubectl(deployment(w.config(), 2), "apply", "-f", "-")
		w.finds("config-loaded", "", check.OK, "...", w.options())
	})
	t.Run("CK2 members-known fails", func(t *testing.T) {
		w := w.in(t)
		w.finds("members-known", "", check.Fail, "there is no member: nothing is published", w.options())
	})
	t.Run("CK2 members-known passes", func(t *testing.T) {
		w := w.in(t)
		w.member("a", w.kubeconfig(w.host.Server(), w.ca(), w.lastingToken()), "")
		w.finds("members-known", "a", check.OK, "...", w.options())
	})
	testPropagation(t, w)
}

func testPropagation(t *testing.T, w *world) {
	w.member("a", w.kubeconfig(w.host.Server(), w.ca(), w.lastingToken()), "")
	w.kubectl(federatedService, "create", "-f", "-")
	defer w.kubectl("", "delete", "fsvc", "web")
	t.Run("CK2 propagation-blocked fails: no member", func(t *testing.T) {
		w := w.in(t)
		w.finds("propagation-blocked", "default/web", check.Fail, "NoClusters: ...", later(w.options()))
	})
	t.Run("CK2 propagation-blocked fails: no right", func(t *testing.T) {
		w := w.in(t)
		w.kubectl("", "patch", "mc", "a", "--type=merge", "-p", `{"spec": {"propagation": "Enabled"}}`)
		f := w.finds("propagation-blocked", "default/web", check.Fail, "a: Forbidden: ...", later(w.options()))
		if want := "apply deploy/member-propagation-rbac.yaml in the member"; f.Remedy != want {
			t.Errorf("%q, want %q", f.Remedy, want)
		}
	})
	t.Run("CK2 propagation-blocked passes", func(t *testing.T) {
		w := w.in(t)
		rights := filepath.Join(root, "deploy/member-propagation-rbac.yaml")
		w.kubectl("", "apply", "-f", rights)
		defer w.kubectl("", "delete", "-f", rights)
		w.finds("member-rbac-excess", "a", check.OK, "nothing beyond ...", w.options())
		w.kubectl("", "annotate", "fsvc", "web", "again=yes") // it is tried again at once
		w.finds("propagation-blocked", "", check.OK, "FederatedServices looked at: 1", later(w.options()))
	})
}

const federatedService = `apiVersion: federation-dns.io/v1alpha1
kind: FederatedService
metadata: {name: web, namespace: default}
spec: {federation: fed, template: {spec: {ports: [{port: 80}]}}}
`

// later returns options with a clock that is two minutes ahead.
func later(o check.Options) check.Options {
	now := time.Now
	o.Now = func() time.Time { return now().Add(2 * time.Minute) }
	return o
}
