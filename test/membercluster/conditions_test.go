package membercluster

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/federation-dns/federation/test/docs"
)

var update = flag.Bool("update", false, "write the messages of docs/api.md")

var loopback = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// messages are the messages of the condition Ready that a test has seen, by reason.
type messages map[string][]string

// see waits until a member has a status and a reason with a message that contains the words, and notes the message.
func (m messages) see(s *system, name, want, words string) {
	s.Helper()
	s.becomes(name, want, words)
	_, reason, message := s.ready(name)
	message = loopback.ReplaceAllString(message, "198.51.100.9:6443")
	message, _, _ = strings.Cut(message, " (possibly because of ")
	if !slices.Contains(m[reason], message) {
		m[reason] = append(m[reason], message)
	}
}

// list has the messages in the order of the reasons in api/v1alpha1; a reason without one is an error.
func (m messages) list(t *testing.T) string {
	parsed, err := parser.ParseFile(token.NewFileSet(), root+"/api/v1alpha1/conditions.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
			return true
		}
		reason := strings.TrimPrefix(spec.Names[0].Name, "Reason")
		if len(m[reason]) == 0 {
			t.Errorf("the reason %s was not seen", reason)
		}
		for _, message := range m[reason] {
			b.WriteString(docs.ListItem(fmt.Sprintf("`%s`: %s", reason, message)))
		}
		return true
	})
	return b.String()
}

// TestConditions brings about each reason of the condition Ready, and makes the messages of docs/api.md.
func TestConditions(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.timers = "{startupTimeout: 20s}"
	s.installCRD()
	m, seen := startMembers(t), messages{}
	good := func(name string) string { return m.kubeconfig(name, "token-1") }
	add := func(name string, f func(*memberAPI)) {
		m.add(name)
		if f != nil {
			m.change(name, f)
		}
	}
	t.Run("K3 the reason Pending, before a syncer has looked", func(t *testing.T) {
		s := s.in(t)
		add("starting", func(api *memberAPI) { api.unlisted = true })
		s.apply(object("starting", good("starting")))
		seen.see(s, "starting", "Unknown Pending", "no syncer")
	})
	r := s.run("syncer", "[]")
	t.Run("K3 the reason Starting", func(t *testing.T) {
		seen.see(s.in(t), "starting", "Unknown Starting", "")
	})
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	r.write("in-file.kubeconfig", good("in-file"))
	r.configure("[{name: in-file, kubeconfig: {path: in-file.kubeconfig}, topology: {region: eu}}]")
	soon := ", unreachableAfter: 2s" // where probes have to time out
	for _, tt := range []struct {
		name, kubeconfig, spec string
		api                    func(*memberAPI)
		want, words            string
	}{
		{"ready", good("ready"), soon, nil, "True Ready", ""},
		{"drained", good("drained"), ", drain: true", nil, "False Drained", ""},
		{"refused", kubeconfig("https://"+closed.Addr().String(), m.ca(), "x"), "", nil, "False Unreachable",
			"connection refused"},
		{"silent", good("silent"), soon, func(api *memberAPI) { api.silent = true }, "False Unreachable",
			"no answer to a probe"},
		{"failing", good("failing"), "", func(api *memberAPI) { api.status = 500 }, "False Unreachable", ""},
		{"other-ca", kubeconfig(m.URL+"/other-ca", s.ca(), "token-1"), "", nil, "False CertificateInvalid", "x509"},
		{"unknown", m.kubeconfig("unknown", "another"), "", nil, "False Unauthorized", ""},
		{"forbidden", good("forbidden"), "", func(api *memberAPI) { api.status = 403 }, "False Forbidden", ""},
		{"unlisted", good("unlisted"), "", func(api *memberAPI) { api.lists = 403 }, "False Forbidden",
			"services, endpointslices of member"}, // whichever was refused first
		{"empty", " ", "", nil, "False KubeconfigRefused", "empty"},
		{"text", "clusters: [", "", nil, "False KubeconfigRefused", "parsed"},
		{"program", strings.Replace(good("program"), "user: {", "user: {exec: {command: /bin/sh, "+
			"interactiveMode: Never, apiVersion: client.authentication.k8s.io/v1}, ", 1), "", nil,
			"False KubeconfigRefused", "exec"},
		{"insecure", strings.Replace(good("insecure"), "cluster: {", "cluster: {insecure-skip-tls-verify: true, ", 1),
			"", nil, "False KubeconfigRefused", "insecure-skip-tls-verify"},
		{"plain", strings.Replace(good("plain"), "https://", "http://", 1), "", nil,
			"False KubeconfigRefused", "https"},
		{"double", good("ready"), "", nil, "False DuplicateCluster", ""},
		{"in-file", good("in-file"), "", nil, "False NameTaken", ""},
	} {
		t.Run("K3 the reason of "+tt.name, func(t *testing.T) {
			s := s.in(t)
			add(tt.name, tt.api)
			s.apply(secret(tt.name, tt.kubeconfig), cluster(tt.name, tt.spec))
			seen.see(s, tt.name, tt.want, tt.words)
		})
	}
	t.Run("K2 the reason of a Secret that is broken while the member is ready", func(t *testing.T) {
		s := s.in(t)
		s.apply(secret("ready", "clusters: ["))
		seen.see(s, "ready", "False KubeconfigRefused", "stays in use")
		s.apply(secret("ready", good("ready")))
		s.becomes("ready", "True Ready", "")
	})
	t.Run("K3 the reason SecretMissing", func(t *testing.T) {
		s := s.in(t)
		s.apply(cluster("no-secret", ""), secret("no-key", "x"), cluster("no-key", ""))
		s.kubectl("", "patch", "mc", "no-key", "--type=merge", "-p", `{"spec": {"kubeconfigSecret": {"key": "other"}}}`)
		seen.see(s, "no-secret", "False SecretMissing", "it does not exist")
		seen.see(s, "no-key", "False SecretMissing", "no key")
	})
	t.Run("K3 the reason IdentityChanged", func(t *testing.T) {
		s := s.in(t)
		add("before", nil)
		add("rebuilt", nil)
		s.apply(secret("rebuilt", good("before")), cluster("rebuilt", ""))
		s.becomes("rebuilt", "True Ready", "")
		s.apply(secret("rebuilt", good("rebuilt")))
		seen.see(s, "rebuilt", "False IdentityChanged", "")
	})
	t.Run("K3 the reason of a member whose lists take too long", func(t *testing.T) {
		seen.see(s.in(t), "starting", "False Unreachable", "not been listed yet")
	})
	t.Run("K3 the reason SyncerCutOff", func(t *testing.T) {
		s := s.in(t)
		m.all(func(api *memberAPI) { api.status = 503 })
		m.CloseClientConnections()
		seen.see(s, "ready", "Unknown SyncerCutOff", "")
	})
	t.Run("B2 the reason of a syncer that may not read Secrets", func(t *testing.T) {
		s := s.in(t)
		r.stop()
		s.kubectl("", "patch", "role", "federation-syncer-host", "-n", namespace, "--type=json", "-p",
			`[{"op": "remove", "path": "/rules/2"}]`)
		s.run("again", "[]")
		seen.see(s, "ready", "False SecretMissing", "may not read it")
	})
	if run := flag.Lookup("test.run").Value.String(); t.Failed() || strings.Contains(run, "/") {
		return // some were not seen
	}
	docs.CheckGenerated(t, root+"/docs/api.md", "test/membercluster", *update, map[string]string{
		"messages": seen.list(t),
	})
}
