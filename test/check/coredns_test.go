package check

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/test/helm"
	"github.com/federation-dns/federation/test/world"
)

const plainPod = "10.3.200.1"

// plain is a CoreDNS without the plugin.
const plain = `.:53 {
    bind ` + plainPod + `
    prometheus ` + plainPod + `:9153
    forward . ` + world.Authority + `
}
`

func testCoreDNS(t *testing.T, s *system) {
	m := s.first
	edit := func(old, with string) string {
		text := strings.ReplaceAll(m.corefile, old, with)
		if text == m.corefile {
			t.Fatalf("the Corefile has no %q", old)
		}
		return text
	}
	const line = "        myfederation example.com\n"

	t.Run("CK2 plugin-loaded passes", func(t *testing.T) {
		s.expect(t, "plugin-loaded", m.Name, check.OK, "kube-system/coredns: 1 of 1 replicas")
	})
	t.Run("CK2 plugin-loaded fails: no Corefile has it", func(t *testing.T) {
		m.withCorefile(t, plain)
		s.expect(t, "plugin-loaded", m.Name, check.Fail,
			"no CoreDNS has federation in its Corefile: kube-system/coredns")
	})
	t.Run("CK2 plugin-loaded fails: a replica runs another Corefile", func(t *testing.T) {
		s.coreDNS(t, "plain", plainPod, plain)
		m.pod(t, "coredns-2", "kube-dns", netip.MustParseAddr(plainPod))
		t.Cleanup(func() {
			_, _ = m.Kubectl(context.WithoutCancel(t.Context()), "", "delete", "pod", "coredns-2", "-n", "kube-system",
				"--grace-period=0", "--force")
		})
		s.expect(t, "plugin-loaded", m.Name, check.Fail,
			"kube-system/coredns: 1 of 2 replicas run without the plugin: coredns-2")
	})
	t.Run("CK3 plugin-loaded is unknown where the user has no way", func(t *testing.T) {
		o := s.options()
		o.Context = nil
		s.expectWith(t, o, "plugin-loaded", m.Name, check.Unknown,
			"could not be tested: no context of yours leads to it: name one by --member-context "+m.Name+"=CONTEXT")
	})

	t.Run("CK2 naming-matches passes", func(t *testing.T) {
		s.expect(t, "naming-matches", m.Name, check.OK, "kube-system/coredns: as the syncer's")
	})
	for what, text := range map[string]string{
		"naming of myfederation is nested, and the syncer's is flat": edit(line, line+"        naming nested\n"),
		"the domain of myfederation is example.net, and the syncer's is example.com": edit(line,
			"        myfederation example.net\n"),
		"myfederation is not in the Corefile": edit(line, "        other example.com\n"),
	} {
		t.Run("CK2 naming-matches fails: "+what, func(t *testing.T) {
			m.withCorefile(t, text)
			s.expect(t, "naming-matches", m.Name, check.Fail, "kube-system/coredns: "+what)
		})
	}

	t.Run("CK2 federation-name passes", func(t *testing.T) {
		s.expect(t, "federation-name", world.FederationName, check.OK, "...")
		s.expect(t, "federation-name", m.Name, check.OK, "...")
	})
	t.Run("CK2 federation-name fails: a top-level domain", func(t *testing.T) {
		o := s.options()
		o.Syncer = changed{s.source(), func(f *admin.FederationStatus) { f.Name = "internal" }}
		s.expectWith(t, o, "federation-name", "internal", check.Fail, "internal is also a special-use "+
			"top-level domain: names below it that pods ask for become names of the federation")
	})
	t.Run("CK2 federation-name fails: a namespace, which is a warning", func(t *testing.T) {
		m.object(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+world.FederationName+"}\n")
		s.expect(t, "federation-name", m.Name, check.Warn, "there is a namespace myfederation: "+
			"SERVICE.myfederation.svc is a Service of it, and a federated name there needs three labels")
	})

	t.Run("CK2 plugin-order passes", func(t *testing.T) {
		s.expect(t, "plugin-order", m.Name, check.OK, "kube-system/coredns")
	})
	t.Run("CK2 plugin-order fails: no endpoints", func(t *testing.T) {
		m.withCorefile(t, edit("        pods insecure\n", "        noendpoints\n"))
		s.expect(t, "plugin-order", m.Name, check.Fail,
			"kube-system/coredns: kubernetes in the server block .:53 has noendpoints: health is not known")
	})
	t.Run("CK2 plugin-order fails: kubernetes is elsewhere", func(t *testing.T) {
		m.withCorefile(t, "cluster.local {\n federation {\n myfederation example.com\n }\n}\n"+
			". {\n kubernetes cluster.local\n}")
		s.expect(t, "plugin-order", m.Name, check.Fail,
			"kube-system/coredns: the server block cluster.local:53 has federation and no kubernetes")
	})

	t.Run("CK2 plugin-rights passes", func(t *testing.T) {
		s.expect(t, "plugin-rights", m.Name, check.OK,
			"kube-system/coredns: system:serviceaccount:kube-system:coredns may get nodes")
	})
	t.Run("CK2 plugin-rights fails", func(t *testing.T) {
		m.kubectl(t, "", "delete", "clusterrolebinding", "system:coredns-federation")
		s.expect(t, "plugin-rights", m.Name, check.Fail,
			"kube-system/coredns: system:serviceaccount:kube-system:coredns may not get nodes: "+
				"its topology is not known, and names lead to global")
		m.withCorefile(t, edit(line, line+"        topology us-central1 us-central1-b\n"))
		s.expect(t, "plugin-rights", m.Name, check.OK, "kube-system/coredns: the topology is in its Corefile")
		m.kubectl(t, "", "apply", "-f", "../../deploy/coredns-rbac.yaml")
	})

	t.Run("CK2 mirror-readable passes", func(t *testing.T) {
		s.expect(t, "mirror-readable", m.Name, check.OK,
			"kube-system/coredns: system:serviceaccount:kube-system:coredns may read it")
	})
	t.Run("CK2 mirror-readable fails", func(t *testing.T) {
		m.kubectl(t, "", "delete", "rolebinding", "coredns", "-n", "federation-mirror")
		s.expect(t, "mirror-readable", m.Name, check.Warn,
			"kube-system/coredns: system:serviceaccount:kube-system:coredns may not get configmaps in namespace "+
				"federation-mirror: it answers without the mirror")
		s.expectRemedy(t, s.options(), "mirror-readable", m.Name, "--coredns-account kube-system:coredns")
		m.withCorefile(t, edit(line, line+"        mirror off\n"))
		s.expect(t, "mirror-readable", m.Name, check.Warn,
			"kube-system/coredns: its Corefile says mirror off, and the mirror is not used")
		m.kubectl(t, "", "apply", "-f", "../../deploy/member-mirror-rbac.yaml")
	})

	t.Run("CK2 plugin-forward passes", func(t *testing.T) {
		ask(t, m)
		s.expect(t, "plugin-forward", m.Name, check.OK,
			"kube-system/coredns: ... answers within 2s are SERVFAIL")
	})
	t.Run("CK2 plugin-forward fails: no way", func(t *testing.T) {
		m.withCorefile(t, edit("    forward . "+world.Authority+"\n", "    forward example.net 192.0.2.1\n"))
		s.expect(t, "plugin-forward", m.Name, check.Fail,
			"kube-system/coredns: its Corefile has no way to example.com")
	})
	t.Run("CK2 plugin-forward fails: nobody answers there", func(t *testing.T) {
		s.last.kubectl(t, "", "-n", "federation-mirror", "delete", "rolebinding", "federation-syncer") // or it answers
		s.last.kubectl(t, "", "-n", "federation-mirror", "delete", "configmaps", "-l", "federation-dns.io/mirror")
		ask(t, s.last)
		s.expect(t, "plugin-forward", s.last.Name, check.Fail, "kube-system/coredns: ... "+
			"answers within 2s are SERVFAIL: the domain's servers do not answer")
	})

	t.Run("CK2 multicluster-crds fails", func(t *testing.T) {
		m.withCorefile(t, edit("        pods insecure\n", "        multicluster clusterset.local\n"))
		s.expect(t, "multicluster-crds", m.Name, check.Fail,
			"kube-system/coredns: its Corefile has multicluster, and the cluster has no ServiceImport v1alpha1: "+
				"CoreDNS is not ready as long as that is so")
		t.Run("CK2 multicluster-crds passes", func(t *testing.T) {
			m.object(t, serviceImport)
			s.expect(t, "multicluster-crds", m.Name, check.OK, "...ServiceImport is served...")
		})
	})

	t.Run("CK2 nodelocal-negative passes", func(t *testing.T) {
		m.object(t, nodeLocalDNS)
		m.configMap(t, "node-local-dns", "Corefile", nodeLocalCorefile)
		s.expect(t, "nodelocal-negative", m.Name, check.OK, "...5 s")
	})
	t.Run("CK2 nodelocal-negative fails", func(t *testing.T) {
		m.object(t, nodeLocalDNS)
		m.configMap(t, "node-local-dns", "Corefile", strings.Replace(nodeLocalCorefile, "denial 9984 5", "", 1))
		s.expect(t, "nodelocal-negative", m.Name, check.Warn, "kube-system/node-local-dns: cache keeps denials "+
			"of names in cluster.local for 1800 s: a name is missed for that long after its first shard is there")
	})

	testStanza(t, s)
}

// testStanza installs the chart beside a CoreDNS without the plugin.
func testStanza(t *testing.T, s *system) {
	const beside = "10.103.0.53"
	m, h := s.first, helm.New(t)
	if _, err := h.Run(t.Context(), m.Cluster.Kubeconfig(), "install", "federation-dns",
		helm.Chart(t, "federation-dns"), "--namespace", "dns", "--create-namespace",
		"--set", "service.clusterIP="+beside,
		"--set", "federations[0].name=myfederation,federations[0].domain=example.com"); err != nil {
		t.Fatal(err)
	}
	const stanza = "myfederation.svc.cluster.local:53 {\n errors\n forward . " + beside + "\n}\n"
	t.Run("CK2 stanza-present passes", func(t *testing.T) {
		m.withCorefile(t, plain+stanza)
		s.expect(t, "stanza-present", m.Name, check.OK, "the cluster's DNS forwards to dns/federation-dns")
	})
	t.Run("CK2 stanza-present passes: in the ConfigMap of AKS and k3s", func(t *testing.T) {
		m.withCorefile(t, plain+"import custom/*.server\n")
		m.configMap(t, "coredns-custom", "federation-dns.server", stanza)
		s.expect(t, "stanza-present", m.Name, check.OK, "the cluster's DNS forwards to dns/federation-dns")
	})
	t.Run("CK2 stanza-present passes: a stub domain of kube-dns", func(t *testing.T) {
		m.withCorefile(t, plain)
		m.configMap(t, "kube-dns", "stubDomains", `{"myfederation.svc.cluster.local": ["`+beside+`"]}`)
		s.expect(t, "stanza-present", m.Name, check.OK, "the cluster's DNS forwards to dns/federation-dns")
		m.kubectl(t, "", "delete", "configmap", "kube-dns", "-n", "kube-system")
	})
	for what, text := range map[string]string{
		"there is none":         plain,
		"of another address":    plain + strings.Replace(stanza, beside, "10.103.0.54", 1),
		"of another zone":       plain + strings.Replace(stanza, "cluster.local", "other.local", 1),
		"it is in no ConfigMap": plain + "# " + strings.ReplaceAll(stanza, "\n", "\n# "),
	} {
		t.Run("CK2 stanza-present fails: "+what, func(t *testing.T) {
			m.withCorefile(t, text)
			s.expect(t, "stanza-present", m.Name, check.Fail,
				"the cluster's DNS does not forward myfederation.svc.cluster.local to dns/federation-dns ("+beside+")")
		})
	}
}

// ask asks a member's CoreDNS for a name without a shard until the test ends.
func ask(t *testing.T, m *member) {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			// An error is one of the network, as SERVFAIL is an answer: the check sees that there are none.
			_, _ = world.Ask(ctx, m.DNS.String(), "none.mynamespace.myfederation.svc.cluster.local.", dns.TypeA)
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
}

const serviceImport = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: serviceimports.multicluster.x-k8s.io
  annotations: {api-approved.kubernetes.io: "https://github.com/kubernetes/enhancements/pull/1697"}
spec:
  group: multicluster.x-k8s.io
  scope: Namespaced
  names: {plural: serviceimports, singular: serviceimport, kind: ServiceImport, listKind: ServiceImportList}
  versions:
  - {name: v1alpha1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
`

const nodeLocalDNS = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: node-local-dns, namespace: kube-system, labels: {k8s-app: node-local-dns}}
spec:
  selector: {matchLabels: {k8s-app: node-local-dns}}
  template:
    metadata: {labels: {k8s-app: node-local-dns}}
    spec:
      containers:
      - name: node-cache
        image: registry.k8s.io/dns/k8s-dns-node-cache:1.26.8
        args: [-localip, "169.254.20.10,10.96.0.10", -conf, /etc/Corefile, -upstreamsvc, kube-dns-upstream]
        volumeMounts: [{name: config-volume, mountPath: /etc/coredns}]
      volumes:
      - name: config-volume
        configMap: {name: node-local-dns, items: [{key: Corefile, path: Corefile.base}]}
`

const nodeLocalCorefile = `cluster.local:53 {
    errors
    cache {
        success 9984 30
        denial 9984 5
    }
    forward . __PILLAR__CLUSTER__DNS__ {
        force_tcp
    }
}
.:53 {
    cache 30
    forward . __PILLAR__UPSTREAM__SERVERS__
}
`
