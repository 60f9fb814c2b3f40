package join

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/federation-dns/federation/federation/join"
	"github.com/federation-dns/federation/test/cutproxy"
	"github.com/federation-dns/federation/test/docs"
	"github.com/federation-dns/federation/test/kube"
)

var update = flag.Bool("update", false, "write docs/joining.md")

// refusal is a run that ends with an error.
type refusal struct {
	when string // of the table in the docs
	args string
	code int
	want string // without what is different in each run; the end of it may be the API server's own words
}

// texts are those of the errors that were seen, for docs/joining.md.
type texts map[string]string

func (t texts) table() string {
	var b strings.Builder
	for _, when := range slices.Sorted(maps.Keys(t)) {
		b.WriteString(docs.ListItem(t[when]))
	}
	return b.String()
}

// refused runs kubectl-federation, which has to fail.
func (s *system) refused(seen texts, r refusal) {
	s.Helper()
	if err := s.refuses(r); err != nil {
		s.Error(err)
	}
	seen[r.when] = fmt.Sprintf("%s (exit status %d): `%s`", r.when, r.code, r.want)
}

// refuses returns an error unless kubectl-federation fails like that.
func (s *system) refuses(r refusal) error {
	_, code, err := s.run(strings.Fields(r.args)...)
	if err == nil {
		return fmt.Errorf("%s succeeds", r.args)
	}
	_, text, _ := strings.Cut(err.Error(), "error: ")
	text = steady(text)
	before, after, varies := strings.Cut(r.want, "...")
	switch {
	case !varies && text != r.want, varies && (!strings.HasPrefix(text, before) || !strings.HasSuffix(text, after)):
		return fmt.Errorf("error\n%s\nwant\n%s", text, r.want)
	case code != r.code:
		return fmt.Errorf("exit code %d, want %d", code, r.code)
	}
	return nil
}

// contexts adds contexts to the kubeconfig, each of a cluster and a user like those of another context.
func (s *system) contexts(like string, add map[string]func(*clientcmdapi.Cluster, *clientcmdapi.AuthInfo)) {
	s.Helper()
	config, err := clientcmd.LoadFromFile(s.kubeconfig)
	if err != nil {
		s.Fatal(err)
	}
	for name, change := range add {
		cluster, user := config.Clusters[like].DeepCopy(), config.AuthInfos[like].DeepCopy()
		change(cluster, user)
		config.Clusters[name], config.AuthInfos[name] = cluster, user
		config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	}
	if err := clientcmd.WriteToFile(*config, s.kubeconfig); err != nil {
		s.Fatal(err)
	}
}

// token replaces the credentials of a user.
func token(u *clientcmdapi.AuthInfo, token string) { *u = clientcmdapi.AuthInfo{Token: token} }

// addContexts adds the contexts of the cases below.
func (s *system) addContexts() {
	link, err := cutproxy.New(strings.TrimPrefix(s.member.Server(), "https://"))
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { link.Close() })
	proxy, unfilled := connectProxy(s), withoutTokens(s, s.member)
	account := func() string {
		out := s.kubectl(s.member, "", "create", "token", "default", "-n", "default", "--duration=1h")
		return strings.TrimSpace(out)
	}
	type (
		cluster = clientcmdapi.Cluster
		user    = clientcmdapi.AuthInfo
	)
	s.contexts("member", map[string]func(*cluster, *user){
		"nobody":   func(_ *cluster, u *user) { token(u, "no such token") },
		"reader":   func(_ *cluster, u *user) { token(u, account()) },
		"away":     func(c *cluster, _ *user) { c.Server = "https://192.0.2.1:1" },
		"proxy":    func(c *cluster, _ *user) { c.ProxyURL = proxy },
		"unfilled": func(c *cluster, _ *user) { *c = cluster{Server: unfilled} },
		"loopback": func(c *cluster, _ *user) {
			c.Server, c.TLSServerName = "https://"+link.Addr(), "192.0.2.2"
		},
	})
}

const joinMember = "join a --member-context member "

// early are errors without a syncer.
func (s *system) early(seen texts) {
	s.refused(seen, refusal{"no context is given", "join a", 2,
		"--member-context is required: the context of the cluster that is to join (kubectl config get-contexts lists " +
			"them)"})
	s.refused(seen, refusal{"there is no such context", "join a --member-context none", 2,
		`the member's kubeconfig: context "none" does not exist (kubectl config get-contexts lists the contexts)`})
	s.refused(seen, refusal{"a cluster does not answer", "join a --member-context away", 2,
		`the member https://192.0.2.1:1 (context away) does not answer: dial tcp 192.0.2.1:1: connect: ` +
			"connection refused. Is this the context that you mean, and does kubectl reach it from here?"})
	s.refused(seen, refusal{"a cluster does not know you", "join a --member-context nobody", 2,
		"the member SERVER (context nobody) does not know you: " +
			"the server has asked for the client to provide credentials. Log in again"})
	s.refused(seen, refusal{"you have no rights in the member", "join a --member-context reader", 1,
		"the member SERVER (context reader) refuses: the UID of the namespace kube-system, which identifies the " +
			"cluster: " +
			"... To join a cluster, or to unjoin it, takes the rights of its admin"})
	s.refused(seen, refusal{"the host has no CRDs", joinMember, 1,
		"the host SERVER (context host) has no MemberClusters. Is this the cluster of the syncer? If so, install the " +
			"chart federation-syncer there, or: kubectl apply -f deploy/crds -f deploy/host-rbac.yaml"})
	s.install()
	s.refused(seen, refusal{"no syncer has run in the host", joinMember, 1,
		"the host SERVER (context host) has no Lease federation-system/federation-syncer: no syncer has run there " +
			"with " +
			"this cluster as host in its configuration. Choose its cluster by --context, or its namespace by " +
			"--syncer-namespace"})
}

// refusals are errors while the syncer runs, before anything is written. The file of the syncer has the cluster bare,
// as filed, and the host has another cluster, as other.
func refusals() []refusal {
	const loopback = "the kubeconfig has the server https://127.0.0.1:PORT, which leads elsewhere from another " +
		"machine, " +
		"or nowhere: say by --server URL at which address the syncer reaches it"
	return []refusal{
		{"the file of the syncer has the name", "join filed --member-context member", 1,
			`the configuration file of the syncer has a member "filed", which is another cluster (id ID): choose ` +
				`another ` +
				"name"},
		{"the file of the syncer has the cluster", "join b --member-context bare --region fra", 1,
			`this cluster is a member already, as "filed" of the syncer's configuration file: run this again with ` +
				`that ` +
				"name"},
		{"another cluster has the name", "join other --member-context member", 1,
			`"other" is another cluster (id another): choose another name, or unjoin that one first`},
		{"the cluster has no Nodes", "join filed --member-context bare", 1,
			"the member has no Nodes, so it is not known where it is: say it by --region and --zones"},
		{"the address is one of loopback", "join a --member-context loopback", 1, loopback},
		{"the address is behind a proxy", "join a --member-context proxy", 1,
			"the kubeconfig reaches the member through a proxy (proxy-url), and the syncer uses none: say by " +
				"--server " +
				"URL at which address the syncer reaches it"},
		{"--server is no URL", joinMember + "--server 203.0.113.7", 1,
			`--server "203.0.113.7": want an address like https://203.0.113.7:6443`},
		{"a setting is refused", joinMember + "--address-cidrs 10.0.0.1/8", 1,
			"the host SERVER (context host) refuses: membercluster/a: MemberCluster.federation-dns.io \"a\" is " +
				"invalid: " +
				"spec.addressCIDRs: Invalid value: each entry is a prefix without host bits, like 10.0.0.0/8 or " +
				"fd00::/8"},
		{"a name is refused", "join A_b --member-context member", 1, "the host SERVER (context host) refuses: ..."},
		{"there is nothing to rotate", "join new --member-context member --rotate", 1,
			`there is no member "new" whose token could be rotated`},
		{"the file with certificates cannot be read", joinMember + "--certificate-authority none.pem", 2,
			"--certificate-authority: open none.pem: no such file or directory"},
	}
}

// late are errors after something was written.
func late(server, otherCA string) []refusal {
	return []refusal{
		{"the certificate at --server is not trusted", joinMember + "--certificate-authority " + otherCA, 1,
			"the certificate at SERVER is not trusted: ... Give the authority that has signed it by " +
				"--certificate-authority FILE"},
		{"the member does not fill the token", "join a --member-context unfilled --timeout 1s --server " + server, 1,
			"the member has not filled the Secret federation-system/federation-syncer-token-1 within 1s: does its " +
				"kube-controller-manager run?"},
		{"the file of the syncer still has it", "join filed --member-context bare --region fra --timeout 1s", 1,
			`member "filed" is not ready after 1s: NameTaken: ... What helps: delete its entry in the configuration ` +
				`file ` +
				"of the syncer, and run this again. All is written: the member takes part as soon as that is mended"},
		{"it does not become ready", joinMember + "--server https://192.0.2.1:1 --timeout 8s", 1,
			`member "a" is not ready after 8s: Unreachable: ... What helps: open the way from the syncer to that ` +
				`address, ` +
				"or say by --server URL at which one it reaches the member. All is written: the member takes part as " +
				"soon " +
				"as that is mended"},
	}
}

// gitops is another field manager, which has written a Secret that join is to write.
const gitops = `{"apiVersion": "v1", "kind": "Secret",
"metadata": {"name": "member-a", "namespace": "federation-system"}, "data": {"kubeconfig": "eA=="}}`

// other is a member that is another cluster.
func other() string {
	text, _ := json.Marshal(map[string]any{ // there is no error
		"apiVersion": "federation-dns.io/v1alpha1", "kind": "MemberCluster",
		"metadata": map[string]any{
			"name": "other", "annotations": map[string]any{"federation-dns.io/cluster-id": "another"},
		},
		"spec": map[string]any{"kubeconfigSecret": map[string]any{"name": "none"}},
	})
	return string(text)
}

// checkPage compares docs/joining.md with the errors that were seen.
func (s *system) checkPage(seen, unjoin texts) {
	var remedies strings.Builder
	for _, reason := range slices.Sorted(maps.Keys(join.Remedies)) {
		remedies.WriteString(docs.ListItem("`" + reason + "`: " + join.Remedies[reason] + "."))
	}
	docs.CheckGenerated(s.T, filepath.Join(root, "docs/joining.md"), "test/join", *update,
		map[string]string{
			"errors": seen.table(), "unjoin-errors": unjoin.table(), "remedies": remedies.String()})
}

func TestRefused(t *testing.T) {
	s, seen, unjoin := newSystem(t), texts{}, texts{}
	bare := s.cluster(t.Context(), 3, kube.Options{Name: "bare", Nodes: -1,
		Args: []string{"--controllers", "serviceaccount-controller"}})
	s.mergeKubeconfigs(s.host, s.member, bare)
	s.addContexts()
	t.Run("J1 without a syncer nothing is written", func(t *testing.T) { s.in(t).early(seen) })
	t.Run("J6 without a syncer", func(t *testing.T) { s.in(t).earlyUnjoin(unjoin) })
	s.start(fmt.Sprintf("[{name: filed, kubeconfig: {path: %s}, topology: {region: fra, zones: [fra-b]}}]",
		bare.Kubeconfig()))
	s.kubectl(s.host, other(), "apply", "-f", "-")
	before := s.objects()
	for _, r := range refusals() {
		t.Run("J1 "+r.when, func(t *testing.T) { s.in(t).refused(seen, r) })
	}
	for _, r := range unjoins() {
		t.Run("J6 "+r.when, func(t *testing.T) { s.in(t).refused(unjoin, r) })
	}
	t.Run("J1 the rights in the host", func(t *testing.T) { s.in(t).rights(seen) })
	t.Run("J1 no check that fails has written anything", func(t *testing.T) {
		if after := s.objects(); after != before {
			t.Errorf("before\n%s\nafter\n%s", before, after)
		}
	})
	t.Run("J1 a field belongs to another", func(t *testing.T) {
		s := s.in(t)
		s.kubectl(s.host, gitops, "apply", "--server-side", "--field-manager", "gitops", "-f", "-")
		s.refused(seen, refusal{"a field belongs to another", joinMember, 1,
			"the host SERVER (context host): secret/member-a has other values that belong to gitops " +
				"(.data.kubeconfig): " +
				"change them there, or take them over by --force-conflicts"})
		s.kubectl(s.host, "", "delete", "secret", "member-a", "-n", namespace)
	})
	ca := filepath.Join(s.dir, "other-ca.pem")
	if err := os.WriteFile(ca, s.host.Config().CAData, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, r := range late(s.member.Server(), ca) {
		t.Run("J4 "+r.when, func(t *testing.T) { s.in(t).refused(seen, r) })
	}
	if !t.Failed() {
		s.checkPage(seen, unjoin)
	}
}

// objects are the names and versions of what join may write, in the host and in the member.
func (s *system) objects() string {
	const kinds = "namespaces,serviceaccounts,secrets,clusterroles,clusterrolebindings"
	list := func(args ...string) []string {
		return append([]string{"get", "-A", "-o", "jsonpath={range .items[*]}{.kind}/{.metadata.name} " +
			"{.metadata.resourceVersion}{\"\\n\"}{end}"}, args...)
	}
	return s.kubectl(s.host, "", list("secrets")...) + s.kubectl(s.member, "", list(kinds)...)
}
