package join

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation/join"
)

// changing is what is different in each run.
var changing = []struct {
	is *regexp.Regexp
	by string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "ID"},
	{regexp.MustCompile(`v1\.[0-9]+\.[0-9]+ `), "VERSION "},
	{regexp.MustCompile(`https://192\.0\.2\.[0-9]:[0-9]{3,}`), "SERVER"},
	{regexp.MustCompile(`127\.0\.0\.1:[0-9]+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`(?m)^waiting .*\n`), ""}, // as often as the syncer needs
	{regexp.MustCompile(`a running syncer \(.*\)`), "a running syncer (VERSION)"},
	{regexp.MustCompile(` +`), " "},
}

// steady returns the text without that.
func steady(text string) string {
	for _, c := range changing {
		text = c.is.ReplaceAllString(text, c.by)
	}
	return strings.TrimSpace(text)
}

const session = `host SERVER (context host) VERSION id ID
member SERVER (context member) VERSION id ID
checked the host has the CRDs and a running syncer (VERSION)
checked no other member has this name or is this cluster
checked its Nodes say where it is: fra: fra-a
checked the syncer is to reach it at SERVER
checked both clusters would take all that is to be written
member namespace/federation-system created
member serviceaccount/federation-syncer created
member clusterrole/federation-syncer created (read-only: services, endpointslices, nodes)
member clusterrolebinding/federation-syncer created
member namespace/federation-mirror created
member role/federation-syncer created (in federation-mirror: configmaps)
member rolebinding/federation-syncer created
member role/coredns created (in federation-mirror: read-only: configmaps)
member rolebinding/coredns created
member secret/federation-syncer-token-1 created
tried the new credentials work at SERVER
host secret/member-a created
host membercluster/a created
joined a`

func TestJoin(t *testing.T) {
	s := newSystem(t)
	s.install()
	s.start("[]")
	s.kubectl(s.member, "", "create", "serviceaccount", "coredns", "-n", "kube-system")
	t.Run("J1 a dry run prints all that would be, without a token, and writes nothing", func(t *testing.T) {
		s := s.in(t)
		before := s.objects()
		out := s.good("join", "a", "--member-context", "member", "--dry-run", "-o", "yaml", "--drain")
		if after := s.objects(); after != before {
			t.Errorf("before\n%s\nafter\n%s", before, after)
		}
		for _, want := range []string{"# In the member (context member):\n---\n", "\nkind: ClusterRoleBinding\n",
			"name: federation-syncer-token-1\n", "\nkind: MemberCluster\n", "  drain: true\n",
			"token: 'not shown: kubectl federation join writes it'\n"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not in\n%s", want, out)
			}
		}
	})
	t.Run("J1 J4 a cluster joins, and the syncer says when it is ready", func(t *testing.T) {
		s := s.in(t)
		out := s.good("join", "a", "--member-context", "member", "--timeout", "30s")
		t.Log(out)
		if diff := cmp.Diff(session, steady(out)); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		s.kubectl(s.host, "", "wait", "mc/a", "--for=condition=Ready", "--timeout=1s")
	})
	t.Run("J2 again, nothing changes", func(t *testing.T) {
		s := s.in(t)
		out := s.good("join", "a", "--member-context", "member", "--timeout", "30s")
		if want := strings.ReplaceAll(session, " created", " unchanged"); steady(out) != want {
			t.Errorf("-want +got\n%s", cmp.Diff(want, steady(out)))
		}
	})
	t.Run("J2 settings that are not given stay", func(t *testing.T) {
		s := s.in(t)
		s.good("join", "a", "--member-context", "member", "--drain", "--region", "fra")
		out := s.good("join", "a", "--member-context", "member", "--address-cidrs", "10.0.0.0/8", "-o", "yaml")
		const spec = "spec:\n  addressCIDRs:\n  - 10.0.0.0/8\n  drain: true\n  kubeconfigSecret:\n    key: " +
			"kubeconfig\n" +
			"    name: member-a\n  topology:\n    region: fra\n"
		if !strings.Contains(out, spec) || strings.Contains(out, "eyJ") { // as tokens begin
			t.Errorf("it prints\n%s\nand not\n%s", out, spec)
		}
		s.good("join", "a", "--member-context", "member", "--drain=false")
		s.kubectl(s.host, "", "wait", "mc/a", "--for=condition=Ready", "--timeout=1s")
	})
	t.Run("J3 a new token replaces the old one, once the syncer uses it", func(t *testing.T) {
		s := s.in(t)
		out := s.good("join", "a", "--member-context", "member", "--rotate")
		lines := []string{"secret/federation-syncer-token-2 created\n", "secret/member-a configured\n",
			"membercluster/a unchanged\n", "secret/federation-syncer-token-1 deleted\nrotated a"}
		for _, want := range lines {
			if !strings.Contains(steady(out), want) {
				t.Errorf("%q is not in\n%s", want, out)
			}
		}
		tokens := s.kubectl(s.member, "", "get", "secrets", "-n", namespace, "-o", "name")
		if tokens != "secret/federation-syncer-token-2\n" {
			t.Errorf("tokens: %s", tokens)
		}
		s.kubectl(s.host, "", "wait", "mc/a", "--for=condition=Ready", "--timeout=1s")
	})
	t.Run("J1 with --propagation the syncer may write Services, and the object says so", func(t *testing.T) {
		s := s.in(t)
		out := steady(s.good("join", "a", "--member-context", "member", "--propagation"))
		for _, want := range []string{
			"clusterrole/federation-syncer-propagation created (services: get, create, patch, delete)\n",
			"clusterrolebinding/federation-syncer-propagation created\n", "membercluster/a configured\n"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not in\n%s", want, out)
			}
		}
		s.kubectl(s.host, "", "wait", "mc/a", "--for=condition=PropagationReady", "--timeout=20s")
		again := steady(s.good("join", "a", "--member-context", "member"))
		if strings.Contains(again, "created") || strings.Contains(again, "configured") ||
			!strings.Contains(again, "clusterrole/federation-syncer-propagation unchanged") {
			t.Errorf("J2 run again without the flag:\n%s", again)
		}
		s.good("join", "a", "--member-context", "member", "--propagation=false")
		s.kubectl(s.host, "", "wait", "mc/a", "--for=jsonpath={.spec.propagation}=Disabled", "--timeout=1s")
	})
	t.Run("M10 the rights of its mirror come with it, and the syncer uses them", func(t *testing.T) {
		s := s.in(t)
		poll(s, "the mirror", func() error {
			have := s.kubectl(s.member, "", "get", "configmaps", "-n", "federation-mirror", "-l",
				"federation-dns.io/mirror=fed", "-o", "name")
			if strings.Count(have, "configmap/fed.") < 2 {
				return fmt.Errorf("there is %q", have)
			}
			return nil
		})
	})
	t.Run("J1 another account of CoreDNS reads the mirror, and stays", func(t *testing.T) {
		s := s.in(t)
		out := steady(s.good("join", "a", "--member-context", "member", "--coredns-account",
			"dns:federation-dns,kube-system:coredns"))
		for _, want := range []string{"rolebinding/coredns configured\n",
			"warning the member has no ServiceAccount dns:federation-dns, which is to read the mirror: "} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not in\n%s", want, out)
			}
		}
		if again := s.good("join", "a", "--member-context", "member"); strings.Contains(again, "configured") {
			t.Errorf("J2 run again without the flag:\n%s", again)
		}
		have := s.kubectl(s.member, "", "get", "rolebinding", "coredns", "-n", "federation-mirror", "-o",
			"jsonpath={range .subjects[*]}{.namespace}:{.name} {end}")
		if have != "dns:federation-dns kube-system:coredns " {
			t.Errorf("the mirror is read by %s", have)
		}
	})
	t.Run("J1 with --mirror=false the rights of the mirror go, and the next run knows", func(t *testing.T) {
		s := s.in(t)
		s.kubectl(s.member, "", "label", "role/coredns", "-n", "federation-mirror", join.LabelManagedBy+"-")
		out := steady(s.good("join", "a", "--member-context", "member", "--mirror=false"))
		for _, want := range []string{"member rolebinding/coredns deleted\n", "member role/federation-syncer deleted\n",
			"member rolebinding/federation-syncer deleted\n",
			"member namespace/federation-mirror kept (it has role/coredns)"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not in\n%s", want, out)
			}
		}
		if out := s.good("join", "a", "--member-context", "member"); strings.Contains(out, " rolebinding/") {
			t.Errorf("J2 run again without the flag:\n%s", out)
		}
		out = steady(s.good("join", "a", "--member-context", "member", "--mirror"))
		for _, want := range []string{"member role/coredns unchanged", "member rolebinding/coredns created\n"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not in\n%s", want, out)
			}
		}
		s.kubectl(s.member, "", "delete", "namespace", "federation-mirror")
	})
	t.Run("J5 the host joins itself", func(t *testing.T) {
		s := s.in(t)
		out := s.good("join", "self", "--member-context", "host", "--region", "fra", "--zones", "fra-b,fra-c")
		for _, want := range []string{"member   it is the host itself\n", "its place is given: fra: fra-b,fra-c\n",
			"namespace/federation-system             unchanged\n"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not in\n%s", want, out)
			}
		}
		s.kubectl(s.host, "", "wait", "mc/self", "--for=condition=Ready", "--timeout=1s")
	})
}
