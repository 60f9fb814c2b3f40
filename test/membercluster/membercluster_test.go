package membercluster

import (
	"encoding/base64"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/test/cloudzone"
	"github.com/federation-dns/federation/test/proc"
)

// object returns a MemberCluster with its Secret, whose kubeconfig is text.
func object(name, text string) string { return secret(name, text) + cluster(name, "") }

// cluster returns a MemberCluster; more is a part of its spec.
func cluster(name, more string) string {
	return fmt.Sprintf(`---
apiVersion: federation-dns.io/v1alpha1
kind: MemberCluster
metadata: {name: %s}
spec: {kubeconfigSecret: {name: member-%s}, topology: {region: eu, zones: [eu-%s]}%s}
`, name, name, name, more)
}

func secret(name, text string) string {
	return fmt.Sprintf(`---
apiVersion: v1
kind: Secret
metadata: {name: member-%s, namespace: %s}
data: {kubeconfig: %s}
`, name, namespace, base64.StdEncoding.EncodeToString([]byte(text)))
}

func (s *system) apply(objects ...string) {
	s.Helper()
	s.kubectl(strings.Join(objects, ""), "apply", "-f", "-")
}

// ready returns what the condition Ready of a member says: status, reason and message.
func (s *system) ready(name string) (status, reason, message string) {
	s.Helper()
	out := s.kubectl("", "get", "mc", name, "-o",
		`jsonpath={range .status.conditions[?(@.type=="Ready")]}{.status}|{.reason}|{.message}{end}`)
	parts := strings.SplitN(out+"||", "|", 3)
	return parts[0], parts[1], strings.TrimSuffix(parts[2], "||")
}

// becomes waits until a member has a status and a reason, with a message that contains the words.
func (s *system) becomes(name, want, words string) {
	s.Helper()
	proc.Eventually(s, 30*time.Second, func() error {
		status, reason, message := s.ready(name)
		if status+" "+reason != want || !strings.Contains(message, words) {
			return fmt.Errorf("%s is %s %s %q, want %s %q", name, status, reason, message, want, words)
		}
		return nil
	})
}

// inUse returns the version of a member's Secret that the status says is in use, and the present one.
func (s *system) inUse(name string) (used, present string) {
	s.Helper()
	used = s.kubectl("", "get", "mc", name, "-o", "jsonpath={.status.kubeconfigSecret.resourceVersion}")
	return used, s.kubectl("", "get", "secret", "member-"+name, "-n", namespace, "-o",
		"jsonpath={.metadata.resourceVersion}")
}

// uses waits until the status says that the present version of a member's Secret is in use; K2 says within 5 s.
func (s *system) uses(name string) {
	s.Helper()
	proc.Eventually(s, 5*time.Second, func() error {
		if used, present := s.inUse(name); used != present {
			return fmt.Errorf("version %q of the Secret is in use, not yet %s", used, present)
		}
		return nil
	})
}

// publishes waits until the global record of nginx.shop has the addresses of these members.
func (s *system) publishes(want ...string) {
	s.Helper()
	slices.Sort(want)
	proc.Eventually(s, 20*time.Second, func() error {
		var have []string
		for _, set := range s.cloud.RRsets(zoneID) {
			if set.Name == global && set.Type == "A" {
				have = append(have, set.Data...)
			}
		}
		if slices.Sort(have); !slices.Equal(have, want) {
			return fmt.Errorf("published are %q, want %q", have, want)
		}
		for _, address := range want { // each member is in a zone of its own, whose level may have to be claimed first
			if !slices.ContainsFunc(s.cloud.RRsets(zoneID), func(set cloudzone.Set) bool {
				return set.Name != global && slices.Equal(set.Data, []string{address})
			}) {
				return fmt.Errorf("%s is not published at the level of its zone", address)
			}
		}
		return nil
	})
}

// changes returns how many changes the provider was sent, once those that are due have been.
func (s *system) changes() (n int) {
	s.Helper()
	n = -1
	proc.Eventually(s, 20*time.Second, func() error {
		before := n
		if n = s.cloud.Count("ChangeResourceRecordSets"); n == before {
			return nil
		}
		<-time.After(3 * time.Second)
		return fmt.Errorf("%d changes so far", n)
	})
	return n
}

// elements returns what the last n changes at the provider were.
func (s *system) elements(n int) (all []string) {
	for _, r := range slices.Backward(s.cloud.Requests()) {
		if r.Action == "ChangeResourceRecordSets" && n > 0 {
			all = append(all, fmt.Sprint(r.At.Format(time.TimeOnly), r.Elements, r.Code))
			n--
		}
	}
	return all
}

func TestMemberCluster(t *testing.T) {
	s := newSystem(t)
	whole := s
	m := startMembers(t)
	a, b := m.add("a").address, m.add("b").address
	good := func(name string) string { return m.kubeconfig(name, "token-1") }
	r := s.run("syncer", `[]`)
	t.Run("K1 without the kind everything is as before, and that is said once", func(t *testing.T) {
		s := s.in(t)
		proc.Eventually(t, 30*time.Second, func() error {
			log := r.log()
			for _, said := range []string{"MemberClusters of the host are not used",
				"FederatedServices of the host are not used", "it writes"} {
				if strings.Count(log, said) != 1 {
					return fmt.Errorf("%q is not said once: the log is\n%s", said, log)
				}
			}
			return nil
		})
		s.installCRD()
	})
	t.Run("K1 an object is a member, and its status is in the columns", func(t *testing.T) {
		s := s.in(t)
		s.apply(object("a", good("a")))
		s.becomes("a", "True Ready", "")
		s.publishes(a)
		proc.Eventually(t, 10*time.Second, func() error {
			out := s.kubectl("", "get", "mc", "a", "--no-headers")
			if words := strings.Fields(out); strings.Join(words[:len(words)-1], " ") != "a Ready v1.37.2 eu eu-a 1/1" {
				return fmt.Errorf("%s", out)
			}
			return nil
		})
		s.kubectl("", "wait", "mc/a", "--for=condition=Ready", "--timeout=5s")
	})
	t.Run("K1 a member of the file has the name", func(t *testing.T) {
		s := s.in(t)
		r.write("b.kubeconfig", good("b"))
		r.configure("[{name: b, kubeconfig: {path: b.kubeconfig}, topology: {region: eu, zones: [eu-b]}}]")
		s.publishes(a, b)
		s.apply(object("b", "broken"))
		s.becomes("b", "False NameTaken", "a member of the configuration file has this name")
		s.publishes(a, b)
	})
	t.Run("K5 a member moves from the file to an object in one go", func(t *testing.T) {
		s := s.in(t)
		s.apply(secret("b", good("b")))
		before := s.changes()
		r.configure("[]")
		s.becomes("b", "True Ready", "")
		s.publishes(a, b)
		if n := s.changes() - before; n > 0 || strings.Contains(r.log(), "until its removal is confirmed") {
			t.Errorf("%d changes at the provider, of %q; the log is\n%s", n, s.elements(n), r.log())
		}
	})
	t.Run("K2 a Secret that is rotated under load is used within 5 s, and no contact is lost", func(t *testing.T) {
		s := s.in(t)
		m.change("a", func(api *memberAPI) { api.tokens["token-2"] = true })
		before := s.changes()
		s.apply(secret("a", m.kubeconfig("a", "token-2")))
		s.uses("a")
		// The old client ends before the new one begins: from now on nothing is sent with the old token.
		m.change("a", func(api *memberAPI) { delete(api.tokens, "token-1") })
		n := m.asked("a", "token-2")
		proc.Eventually(t, 20*time.Second, func() error {
			if m.asked("a", "token-2") < n+2 {
				return fmt.Errorf("no more probes")
			}
			return nil
		})
		m.change("a", func(api *memberAPI) {
			if api.refused > 0 {
				t.Errorf("%d requests with the old token", api.refused)
			}
		})
		if n := s.changes() - before; n > 0 {
			t.Errorf("%d changes at the provider: %q", n, s.elements(n))
		}
		s.becomes("a", "True Ready", "")
	})
	t.Run("K2 a broken Secret changes only its member, and the client from before stays in use", func(t *testing.T) {
		s := s.in(t)
		before := s.changes()
		s.apply(secret("a", "clusters: [s3cret"))
		s.becomes("a", "False KubeconfigRefused", "cannot be parsed")
		s.becomes("a", "False KubeconfigRefused", "the kubeconfig from before stays in use until the member refuses it")
		if used, present := s.inUse("a"); used == present {
			t.Errorf("the broken version %s is in use", present)
		}
		s.kubectl("", "delete", "secret", "member-a", "-n", namespace)
		s.becomes("a", "False SecretMissing",
			`the Secret "member-a" in the namespace federation-system: no kubeconfig: it does not exist`)
		n := m.asked("a", "token-2")
		proc.Eventually(t, 20*time.Second, func() error {
			if m.asked("a", "token-2") < n+2 {
				return fmt.Errorf("no more probes")
			}
			return nil
		})
		s.becomes("b", "True Ready", "")
		s.apply(secret("a", m.kubeconfig("a", "token-2")))
		s.becomes("a", "True Ready", "")
		if n := s.changes() - before; n > 0 {
			t.Errorf("%d changes at the provider: %q", n, s.elements(n))
		}
	})
	t.Run("K3 the conditions of others stay", func(t *testing.T) {
		s := s.in(t)
		s.kubectl("", "patch", "mc", "a", "--subresource=status", "--type=json", "-p", `[{"op": "add",
			"path": "/status/conditions/-", "value": {"type": "Other", "status": "True", "reason": "Other",
			"message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}}]`)
		s.kubectl("", "patch", "mc", "a", "--type=merge", "-p", `{"spec": {"drain": true}}`)
		s.becomes("a", "False Drained", "spec.drain is set")
		s.publishes(b)
		if out := s.kubectl("", "get", "mc", "a", "-o", "jsonpath={.status.conditions[*].type}"); !strings.Contains(out,
			"Other") {
			t.Errorf("conditions %q", out)
		}
		s.kubectl("", "patch", "mc", "a", "--type=merge", "-p", `{"spec": {"drain": false}}`)
		s.becomes("a", "True Ready", "")
		s.publishes(a, b)
	})
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, tt := range []struct {
		name, kubeconfig string
		status           int
		want, words      string
	}{
		{"unauthorized", m.kubeconfig("unauthorized", "another"), 0, "False Unauthorized", "Unauthorized"},
		{"forbidden", good("forbidden"), 403, "False Forbidden", `cannot list resource "services"`},
		{"unreachable", kubeconfig("https://"+closed.Addr().String(), m.ca(), "x"), 0, "False Unreachable",
			"connection refused"},
		{"other-ca", kubeconfig(m.URL+"/other-ca", s.ca(), "token-1"), 0, "False CertificateInvalid",
			"certificate signed by unknown authority"},
		{"program", strings.Replace(good("program"), "user: {", "user: {exec: {command: /bin/sh, "+
			"interactiveMode: Never, apiVersion: client.authentication.k8s.io/v1}, ", 1), 0, "False KubeconfigRefused",
			"the field exec is refused"},
		{"double", good("b"), 0, "False DuplicateCluster", `"b" is the same cluster`},
	} {
		t.Run("K3 the reason of a member that cannot take part: "+tt.name, func(t *testing.T) {
			s := s.in(t)
			m.add(tt.name)
			m.change(tt.name, func(api *memberAPI) { api.status = tt.status })
			s.apply(object(tt.name, tt.kubeconfig))
			s.becomes(tt.name, tt.want, tt.words)
			s.kubectl("", "delete", "mc", tt.name)
		})
	}
	t.Run("K1 a Secret without the key", func(t *testing.T) {
		s := s.in(t)
		s.apply(strings.Replace(object("keyless", good("a")), "member-keyless}, topology",
			"member-keyless, key: other}, topology", 1))
		s.becomes("keyless", "False SecretMissing", `it has no key "other"`)
		s.kubectl("", "delete", "mc", "keyless")
	})
	t.Run("K3 a member that is another cluster than before waits for a confirmation", func(t *testing.T) {
		s := s.in(t)
		const other = "3f0a7d0e-0000-4000-8000-999999999999"
		m.add("rebuilt").uid = other
		s.apply(secret("b", good("rebuilt")))
		s.becomes("b", "False IdentityChanged",
			"kubectl annotate membercluster b --overwrite federation-dns.io/cluster-id="+other)
		s.publishes(a, b)
		s.kubectl("", "annotate", "membercluster", "b", "--overwrite", "federation-dns.io/cluster-id="+other)
		s.becomes("b", "True Ready", "")
		proc.Eventually(t, 10*time.Second, func() error {
			if id := s.kubectl("", "get", "mc", "b", "-o", "jsonpath={.status.clusterID}"); id != other {
				return fmt.Errorf("clusterID %q", id)
			}
			return nil
		})
		s.kubectl("", "annotate", "membercluster", "b", "federation-dns.io/cluster-id-")
		s.apply(secret("b", good("b")))
		s.becomes("b", "False IdentityChanged", "")
		s.kubectl("", "annotate", "membercluster", "b", "federation-dns.io/cluster-id="+m.uid("b"))
		s.becomes("b", "True Ready", "")
		s.publishes(a, b)
	})
	departed := func(r *running, name string) bool {
		return strings.Contains(r.log(),
			"until its removal is confirmed\" federation=fed domain=example.com. member="+name)
	}
	t.Run("K1 a restart knows the objects before it writes", func(t *testing.T) {
		s := s.in(t)
		r.stop()
		r = whole.run("again", `[]`)
		proc.Eventually(t, 60*time.Second, func() error {
			if !strings.Contains(r.log(), "members=2") || strings.Count(r.log(), "member is present") < 2 {
				return fmt.Errorf("the log is\n%s", r.log())
			}
			return nil
		})
		s.publishes(a, b)
		if departed(r, "a") || departed(r, "b") {
			t.Errorf("the log is\n%s", r.log())
		}
	})
	t.Run("X4d a deleted object is a member that was removed", func(t *testing.T) {
		s := s.in(t)
		s.kubectl("", "delete", "mc", "b")
		proc.Eventually(t, 10*time.Second, func() error {
			if !departed(r, "b") {
				return fmt.Errorf("the log is\n%s", r.log())
			}
			return nil
		})
	})
	for _, tt := range []struct{ what, role, index, want string }{
		{"secrets", "role", "2", "the kubeconfigs of MemberClusters cannot be read"},
		{"memberclusters", "clusterrole", "1", "MemberClusters of the host are not used"},
	} {
		t.Run("B2 without the right to list "+tt.what, func(t *testing.T) {
			s := s.in(t)
			r.stop()
			s.kubectl("", "patch", tt.role, "federation-syncer-host", "-n", namespace, "--type=json", "-p",
				`[{"op": "remove", "path": "/rules/`+tt.index+`"}]`)
			r = whole.run("without-"+tt.what, "[]")
			proc.Eventually(t, 20*time.Second, func() error {
				if strings.Count(r.log(), tt.want) != 1 || !strings.Contains(r.log(), "is forbidden") {
					return fmt.Errorf("the log is\n%s", r.log())
				}
				return nil
			})
			if tt.what == "secrets" {
				s.becomes("a", "False SecretMissing", "the syncer may not read it, apply deploy/host-rbac.yaml")
			}
		})
	}
}
