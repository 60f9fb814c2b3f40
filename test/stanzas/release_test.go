package stanzas

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/test/helm"
	"github.com/federation-dns/federation/test/proc"
)

// withoutRight are the rights of the account without which CoreDNS has to say that it lacks them, and what it says. It
// lists pods and endpoints in other configurations only, and lists at all only if the API server does not stream lists
// (1.37 does, by watch).
var withoutRight = []struct{ group, resource, verb, says string }{
	{"", "services", "watch", `cannot watch resource \"services\"`},
	{"", "namespaces", "watch", `cannot watch resource \"namespaces\"`},
	{"discovery.k8s.io", "endpointslices", "watch", `cannot watch resource \"endpointslices\"`},
	{"", "nodes", "get", `cannot get resource \"nodes\"`},
}

// testRights takes one right at a time: the account gets all others by a role of the test's.
func (w *world) testRights(t *testing.T) {
	rights := map[string][]string{" services": {"list", "watch"}, " namespaces": {"list", "watch"},
		"discovery.k8s.io endpointslices": {"list", "watch"}, " nodes": {"get"}}
	w.kubectl(t, "", "create", "serviceaccount", "poorer", "--namespace", namespace)
	kubeconfig := w.kubeconfig(t, namespace, "poorer")
	for _, less := range withoutRight {
		t.Run("B2 without "+less.verb+" "+less.resource, func(t *testing.T) {
			role := "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: poorer}\nrules:\n"
			for what, verbs := range rights {
				group, resource, _ := strings.Cut(what, " ")
				for _, verb := range verbs {
					if group != less.group || resource != less.resource || verb != less.verb {
						role += fmt.Sprintf("- {apiGroups: [%q], resources: [%s], verbs: [%s]}\n", group, resource,
							verb)
					}
				}
			}
			role += "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\n" +
				"metadata: {name: poorer}\n" +
				"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: poorer}\n" +
				"subjects: [{kind: ServiceAccount, name: poorer, namespace: " + namespace + "}]\n"
			w.kubectl(t, role, "apply", "--filename", "-")
			path := w.chartCorefile(t, listener{address: upstreamPod, kubeconfig: kubeconfig})
			log := filepath.Join(t.TempDir(), "log")
			p, err := proc.Start("poorer", log, []string{"NODE_NAME=a-node-1"}, w.coredns, "-conf", path)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Kill()
			w.eventually(t, "a line in the log", func(context.Context) error {
				text, err := os.ReadFile(log)
				if err == nil && !strings.Contains(strings.ReplaceAll(string(text), `"`, `\"`), less.says) &&
					!strings.Contains(string(text), less.says) {
					err = fmt.Errorf("nothing says %s", less.says)
				}
				return err
			})
		})
	}
}

// testRelease is about what a release leaves in the cluster.
func (w *world) testRelease(t *testing.T) {
	const kinds = "deployments,services,configmaps,serviceaccounts,poddisruptionbudgets,horizontalpodautoscalers," +
		"networkpolicies,pods,clusterroles,clusterrolebindings"
	left := func(release string) string {
		return w.kubectl(t, "", "get", kinds, "--all-namespaces", "--output", "name", "--selector",
			"app.kubernetes.io/instance="+release)
	}
	address := func() string {
		return w.kubectl(t, "", "get", "service", release, "--namespace", namespace, "--output",
			"jsonpath={.spec.clusterIP}")
	}
	t.Run("D3 an upgrade keeps the address without saying it", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "values.yaml")
		text := strings.Replace(values, "service: {clusterIP: "+beside+"}", "autoscaling: {enabled: true}\n"+
			"networkPolicy: {enabled: true}", 1)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		w.runHelm(t, "upgrade", release, helm.Chart(t, chart), "--reset-values", "--values", path)
		if got := address(); got != beside {
			t.Errorf("the address is %s, want %s", got, beside)
		}
		if notes := w.runHelm(t, "get", "notes", release); !strings.Contains(notes, "forward . "+beside+"\n") {
			t.Errorf("the stanza does not lead to it:\n%s", notes)
		}
	})
	t.Run("D3 a second release of another name, and a taken address", func(t *testing.T) {
		flags := []string{"--set", "federations[0].name=third", "--set", "federations[0].domain=example.org"}
		out, err := w.helm.Run(t.Context(), w.cluster.Kubeconfig(), append(flags, "install", "second",
			helm.Chart(t, chart), "--namespace", namespace, "--set", "service.clusterIP="+beside)...)
		if err == nil || !strings.Contains(err.Error(), "provided IP is already allocated") {
			t.Errorf("with a taken address: %v\n%s", err, out)
		}
		w.runHelm(t, "uninstall", "second")
		w.runHelm(t, append(flags, "install", "second", helm.Chart(t, chart),
			"--set", "service.clusterIP=10.101.0.54")...)
		w.runHelm(t, "uninstall", "second")
		w.gone(t, func() string { return left("second") })
	})
	t.Run("D3 uninstall leaves nothing, and install works again", func(t *testing.T) {
		path := filepath.Join(w.dir, "values.yaml")
		for range 2 {
			if left(release) == "" {
				t.Fatal("the selector finds nothing")
			}
			w.runHelm(t, "uninstall", release)
			w.gone(t, func() string { return left(release) })
			w.runHelm(t, "install", release, helm.Chart(t, chart), "--values", path)
		}
		if got := address(); got != beside {
			t.Errorf("the address is %s, want %s", got, beside)
		}
	})
}

// gone waits until nothing is left: pods and ReplicaSets go a moment after their Deployment.
func (w *world) gone(t *testing.T, left func() string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for out := left(); out != ""; out = left() {
		if time.Now().After(deadline) {
			t.Fatalf("still there:\n%s", out)
		}
	}
}
