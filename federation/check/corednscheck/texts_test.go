package corednscheck

import (
	"flag"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/test/check/texts"
)

var update = flag.Bool("update", false, "write docs/checks.md")

// imports is a line of a Corefile of which only the pod has the file.
const imports = "import /elsewhere/*.conf"

// withBeside has the plugin beside the cluster's DNS, which has these lines.
func withBeside(m *member, lines string) {
	m.servers = append(m.servers, deployment("federation-dns",
		map[string]string{"app.kubernetes.io/name": "federation-dns"}))
	m.config["federation-dns"] = m.config["coredns"]
	m.config["coredns"] = ".:53 {\n  kubernetes cluster.local\n  " + lines + "\n}\n"
}

// TestFindings also notes the texts for docs/checks.md.
func TestFindings(t *testing.T) {
	seen := texts.Seen{}
	for _, c := range []struct {
		rule, id, when string
		change         func(*member)
		outcome        check.Outcome
		text           string // "..." stands for the words of a library
	}{
		{"CK2", "plugin-loaded", "all is well", func(*member) {}, check.OK, "kube-system/coredns: 1 of 1 replicas"},
		{"CK2", "naming-matches", "all is well", func(*member) {}, check.OK, "kube-system/coredns: as the syncer's"},
		{"CK2", "plugin-rights", "all is well", func(*member) {}, check.OK,
			"kube-system/coredns: system:serviceaccount:kube-system:coredns may get nodes"},
		{"CK2", "stanza-present", "all is well", func(m *member) {
			withBeside(m, "forward . 192.0.2.1")
			m.config["federation-dns"] = corefileWith("elsewhere example.net")
		}, check.OK, "the cluster's DNS forwards to kube-system/federation-dns"},

		{"CK2", "plugin-loaded", "there is no CoreDNS", func(m *member) { m.servers = nil }, check.Fail,
			"no CoreDNS with the plugin was found in the cluster"},
		{"CK6", "plugin-loaded", "the context is another cluster", func(m *member) { m.uid = "id-2" }, check.Unknown,
			"could not be tested: the context of the member is another cluster: the UID of its kube-system is id-2, " +
				"and the syncer sees id-1"},
		{"CK3", "plugin-loaded", "the Corefile has no metrics", func(m *member) {
			m.config["coredns"] = corefileWith("myfederation example.com")
		}, check.Unknown, `could not be tested: kube-system/coredns: its Corefile has no metrics: add the line ` +
			`"prometheus :9153"`},
		{"CK3", "plugin-loaded", "no replica runs", func(m *member) { m.phase = corev1.PodPending }, check.Unknown,
			"could not be tested: kube-system/coredns: no replica runs (kubectl -n kube-system get pods)"},
		{"CK3", "plugin-forward", "no replica runs", func(m *member) { m.phase = corev1.PodPending }, check.Unknown,
			"could not be tested: kube-system/coredns: no replica runs (kubectl -n kube-system get pods)"},
		{"CK3", "plugin-loaded", "the metrics are none", func(m *member) { m.metrics = "<html>\n" }, check.Unknown,
			"could not be tested: kube-system/coredns: pod coredns-1: its metrics cannot be read: ..."},
		{"CK3", "plugin-loaded", "the ConfigMap is gone", func(m *member) { m.config = nil }, check.Unknown,
			`could not be tested: ConfigMap kube-system/coredns: configmaps "coredns" not found`},
		{"CK3", "plugin-loaded", "the Corefile is elsewhere", func(m *member) {
			m.servers[0].Spec.Template.Spec.Containers[0].Args[1] = "/etc/dns.conf"
		}, check.Unknown, "could not be tested: the Corefile /etc/dns.conf is not known"},
		{"CK3", "plugin-loaded", "the Corefile has a block without a name", func(m *member) {
			m.config["coredns"] = "{\n  errors\n}\n"
		}, check.Unknown, `could not be tested: /etc/coredns/Corefile: a block has no name before its "{"`},
		{"CK3", "plugin-loaded", "the Corefile imports itself", func(m *member) {
			m.config["coredns"] = ".:53 {\n  errors\n}\nimport Corefile\n"
		}, check.Unknown, "could not be tested: /etc/coredns/Corefile: more than 1000 imports"},
		{"CK3", "naming-matches", "the federation may be imported", func(m *member) {
			m.config["coredns"] = corefileWith("other example.com", imports)
		}, check.Unknown, "could not be tested: kube-system/coredns: myfederation may be in what its Corefile " +
			"imports: /elsewhere/*.conf"},
		{"CK2", "plugin-rights", "a pod does not know where it is", func(m *member) {
			m.metrics = enabled + "coredns_federation_topology_known 0\n"
		}, check.Fail, "kube-system/coredns: pod coredns-1 does not know its topology, and names lead to global"},
		{"CK3", "stanza-present", "the stanza may be imported", func(m *member) { withBeside(m, imports) },
			check.Unknown, "could not be tested: myfederation.svc.cluster.local may be in what the Corefile imports: " +
				"/elsewhere/*.conf"},
		{"CK3", "stanza-present", "the stub domains cannot be read", func(m *member) {
			withBeside(m, "errors")
			m.stubs = "{"
		}, check.Unknown, "could not be tested: ConfigMap kube-system/kube-dns: stubDomains: ..."},
	} {
		t.Run(c.rule+" "+c.id+": "+c.when, func(t *testing.T) {
			m := newMember()
			c.change(m)
			f := m.finding(t, c.id)
			if f.Outcome != c.outcome || !texts.Like(f.Text, c.text) {
				t.Errorf("%s %q, want %s %q", f.Outcome, f.Text, c.outcome, c.text)
			}
			if c.outcome == check.Fail && f.Remedy == "" {
				t.Error("it does not say what to do")
			}
			seen.Add(c.id, f.Outcome, c.text, "")
		})
	}
	seen.InUnitTests(t, "corednscheck", *update)
}
