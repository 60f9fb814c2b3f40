package host

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/check"
)

// testMembers needs the CRDs.
func testMembers(t *testing.T, w *world) {
	server, ca, good := w.host.Server(), w.ca(), w.lastingToken()
	w.member("a", w.kubeconfig(server, ca, good), "")
	elsewhere := w.standIn()
	w.member("far", w.kubeconfig(elsewhere.URL, elsewhere.ca(), good), "")
	account := func(w *world, name string) string {
		w.kubectl("", "-n", namespace, "create", "serviceaccount", name)
		return w.token(name, "2h")
	}
	for _, c := range []struct{ name, text string }{
		{"CK2 member-secret passes", `Secret "member-a", key "kubeconfig"`},
		{"CK2 member-reachable passes", "it answers the syncer"},
		{"CK2 member-identity passes", "...-...-...-...-..."},
		{"CK2 member-rbac passes", "all that deploy/member-rbac.yaml grants"},
		{"CK2 member-rbac-excess passes", "nothing beyond deploy/member-rbac.yaml"},
		{"CK2 mirror-fresh passes", "fresh, renewed ...s ago"},
		{"CK2 mirror-rights passes", "what deploy/member-mirror-rbac.yaml grants, and nothing else there"},
		{"CK2 member-token passes", "system:serviceaccount:federation-system:federation-syncer"},
		{"CK2 member-clock passes", "within ... of the host's"},
		{"CK2 member-topology passes", "eu: eu-a"},
		{"CK2 member-version passes", "v1.37..."},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w.in(t)
			w.finds(strings.Fields(c.name)[1], "a", check.OK, c.text, w.options())
		})
	}

	t.Run("CK2 member-secret fails", func(t *testing.T) {
		w := w.in(t)
		w.kubectl(`{apiVersion: federation-dns.io/v1alpha1, kind: MemberCluster, metadata: {name: bare},
spec: {kubeconfigSecret: {name: none}}}`, "apply", "-f", "-")
		defer w.kubectl("", "delete", "membercluster/bare")
		w.finds("member-secret", "bare", check.Fail, `no kubeconfig: there is no Secret "none" in namespace `+
			"federation-system",
			w.options())
		w.member("runs", strings.Replace(w.kubeconfig(server, ca, good), `token: "`+good+`"`,
			"exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, interactiveMode: Never}", 1), "")
		w.finds("member-secret", "runs", check.Fail, `the Secret "member-runs", key "kubeconfig": the field exec `+
			"is refused: the syncer runs no programs for a Secret; use the token of a service account", w.options())
	})
	t.Run("CK2 member-reachable fails", func(t *testing.T) {
		w := w.in(t)
		w.member("gone", w.kubeconfig("https://127.0.0.1:1", ca, good), "")
		w.member("other-ca", w.kubeconfig(elsewhere.URL, ca, good), "")
		w.member("stranger", w.kubeconfig(server, ca, "not a token"), "")
		w.member("ill", w.kubeconfig(elsewhere.URL+"/ill", elsewhere.ca(), good), "")
		w.finds("member-reachable", "gone", check.Fail, "no connection: ...: connection refused", w.options())
		w.finds("member-reachable", "other-ca", check.Fail,
			"the certificate of its API server is not one that the kubeconfig trusts: ...", w.options())
		w.finds("member-reachable", "stranger", check.Fail, "it does not know the account of the kubeconfig: ...",
			w.options())
		w.finds("member-reachable", "ill", check.Fail, "it answers, and not with success: ...", w.options())
	})
	t.Run("CK2 member-identity fails", func(t *testing.T) {
		w := w.in(t)
		w.member("twin", w.kubeconfig(server, ca, good), "")
		w.finds("member-identity", "twin", check.Fail, `"a" is the same cluster, or a copy of it, by the UID of its `+
			"namespace kube-system: delete one of the two, or correct its kubeconfig", w.options())
	})
	t.Run("CK2 member-rbac fails", func(t *testing.T) {
		w := w.in(t)
		w.member("poor", w.kubeconfig(server, ca, account(w, "poor")), "")
		f := w.finds("member-rbac", "poor", check.Fail, "services: list, watch is forbidden; endpointslices: list, "+
			"watch is forbidden; nodes: list, watch is forbidden; namespaces: get is forbidden", w.options())
		for _, want := range []string{
			"kubectl --context <poor> apply -f deploy/member-rbac.yaml",
			`- {apiGroups: ["discovery.k8s.io"], resources: [endpointslices], verbs: [list, watch]}`,
			`- {apiGroups: [""], resources: [namespaces], verbs: [get], resourceNames: [kube-system]}`,
		} {
			if !strings.Contains(f.Remedy, want) {
				t.Errorf("B3: %q is not in\n%s", want, f.Remedy)
			}
		}
		if strings.Contains(f.Text, "/version") {
			t.Errorf("every account may get /version: %s", f.Text)
		}
		t.Run("CK2 member-rbac fails not: no Nodes are needed if the topology is set", func(t *testing.T) {
			w := w.in(t)
			w.member("placed", w.kubeconfig(server, ca, account(w, "placed")), ", topology: {region: eu}")
			w.finds("member-rbac", "placed", check.Fail, "services: list, watch is forbidden; endpointslices: list, "+
				"watch is forbidden; namespaces: get is forbidden", w.options())
		})
	})
	t.Run("CK2 member-rbac-excess fails", func(t *testing.T) {
		w := w.in(t)
		w.member("rich", w.kubeconfig(server, ca, account(w, "rich")), "")
		w.kubectl("", "create", "clusterrole", "rich", "--verb=get", "--resource=secrets")
		w.kubectl("", "create", "clusterrolebinding", "rich", "--clusterrole=rich",
			"--serviceaccount="+namespace+":rich")
		w.finds("member-rbac-excess", "rich", check.Warn, "its account may also get secrets", w.options())
		w.kubectl("", "create", "clusterrolebinding", "richer", "--clusterrole=cluster-admin",
			"--serviceaccount="+namespace+":rich")
		w.finds("member-rbac-excess", "rich", check.Warn, "its account may also * *...", w.options())
	})
	t.Run("CK2 mirror-rights fails", func(t *testing.T) {
		w := w.in(t)
		const mirrors = "federation-mirror"
		w.kubectl("", "-n", mirrors, "create", "role", "rich", "--verb=get", "--resource=secrets")
		w.kubectl("", "-n", mirrors, "create", "rolebinding", "rich", "--role=rich",
			"--serviceaccount="+namespace+":"+name)
		w.finds("mirror-rights", "a", check.Warn, "its account may also get secrets in namespace federation-mirror",
			w.options())
		w.kubectl("", "-n", mirrors, "delete", "rolebinding", "rich", name)
		f := w.finds("mirror-rights", "a", check.Warn, "configmaps in namespace federation-mirror: get, list, watch, "+
			"create, update, delete is forbidden", w.options())
		const rule = `- {apiGroups: [""], resources: [configmaps], verbs: [get, list, watch, create, update, delete]}`
		if !strings.Contains(f.Remedy, rule) {
			t.Errorf("B3: %q is not in\n%s", rule, f.Remedy)
		}
	})
	t.Run("CK2 mirror-fresh fails", func(t *testing.T) {
		w := w.in(t)
		f := w.finds("mirror-fresh", "a", check.Warn, "not fresh, renewed ... ago: MirrorRefused: ...", w.options())
		if want := "kubectl --context <a> apply -f deploy/member-mirror-rbac.yaml"; !strings.Contains(f.Remedy, want) {
			t.Errorf("%q is not in\n%s", want, f.Remedy)
		}
		w.kubectl("", "annotate", "membercluster/a", v1alpha1.AnnotationMirrorRights+"="+v1alpha1.MirrorRightsNone)
		w.finds("mirror-fresh", "a", check.OK, "it is to have none, by kubectl federation join --mirror=false",
			w.options())
		w.kubectl("", "annotate", "membercluster/a", v1alpha1.AnnotationMirrorRights+"-")
		w.kubectl("", "apply", "-f", filepath.Join(root, "deploy/member-mirror-rbac.yaml"))
	})
	t.Run("CK2 member-token fails", func(t *testing.T) {
		w := w.in(t)
		w.member("short", w.kubeconfig(server, ca, w.token(name, "1h")), "")
		w.finds("member-token", "short", check.Warn, "the token ends on ...", w.options())
		admin := w.host.Config()
		if admin.BearerToken != "" {
			w.member("root", w.kubeconfig(server, ca, admin.BearerToken), "")
		} else {
			w.member("root", w.certificateKubeconfig(server, ca, admin), "")
		}
		w.finds("member-token", "root", check.Warn, "the credentials are those of an administrator, ..., whom no "+
			"rule bounds", w.options())
	})
	t.Run("CK2 member-clock fails", func(t *testing.T) {
		w := w.in(t)
		w.finds("member-clock", "far", check.Warn, "its clock is ... behind the host's", w.options())
	})
	t.Run("CK2 member-version fails", func(t *testing.T) {
		w := w.in(t)
		w.finds("member-version", "far", check.Warn, "v1.33... is older than 1.35, the oldest that is supported",
			w.options())
	})
	t.Run("CK2 member-topology fails", func(t *testing.T) {
		w := w.in(t)
		node := strings.Fields(w.kubectl("", "get", "nodes", "-o", "name"))[0]
		w.kubectl("", "label", node, "topology.kubernetes.io/zone-")
		w.finds("member-topology", "a", check.Warn, "1 of 2 Nodes have no topology zone (...)", w.options())
		w.kubectl("", "label", node, "topology.kubernetes.io/zone=eu_b")
		w.finds("member-topology", "a", check.Warn, "...topology zone: ...eu_b...", w.options())
		w.kubectl("", "label", node, "--overwrite", "topology.kubernetes.io/zone=eu-a")
		w.finds("member-topology", "a", check.OK, "...", w.options())
	})
}
