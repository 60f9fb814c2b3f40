package join

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation/join"
	"github.com/federation-dns/federation/federation/mirror"
	"github.com/federation-dns/federation/test/docs"
	"github.com/federation-dns/federation/test/kube"
)

// shard returns a Service with an address and a ready endpoint, and its namespace.
func (s *system) shard(c *kube.Cluster, name, address string) {
	s.Helper()
	s.kubectl(c, fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: shop, labels: {federation-dns.io/federation: fed}}
spec: {type: LoadBalancer, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: %[1]s
  namespace: shop
  labels: {federation-dns.io/federation: fed, kubernetes.io/service-name: %[1]s}
addressType: IPv4
ports: [{name: http, port: 80}]
endpoints: [{addresses: [10.1.2.3], conditions: {ready: true}}]
`, name), "apply", "-f", "-")
	s.kubectl(c, "", "patch", "service", name, "-n", "shop", "--subresource=status", "--type=merge", "-p",
		fmt.Sprintf(`{"status": {"loadBalancer": {"ingress": [{"ip": %q}]}}}`, address))
}

// records are the names and data at the provider.
func (s *system) records() string {
	var b strings.Builder
	for _, set := range s.cloud.RRsets(zoneID) {
		if set.Type == "A" || set.Type == "CNAME" {
			fmt.Fprintln(&b, set.Name, set.Data)
		}
	}
	return b.String()
}

func (s *system) published(want ...string) {
	s.Helper()
	poll(s, "the records", func() error {
		for _, w := range want {
			if have := s.records(); !strings.Contains(have, w) {
				return fmt.Errorf("there is no %q in\n%s", w, have)
			}
		}
		return nil
	})
}

// propagated are Services as the syncer creates and adopts them, and one of another syncer.
const propagated = `apiVersion: v1
kind: Service
metadata: {name: created, namespace: shop, labels: {federation-dns.io/federation: other},
  annotations: {federation-dns.io/created-by: us/shop/created}}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: adopted, namespace: shop, labels: {federation-dns.io/federation: other},
  annotations: {federation-dns.io/adopted-by: us/shop/adopted}}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: others, namespace: shop, labels: {federation-dns.io/federation: other},
  annotations: {federation-dns.io/created-by: them/shop/others}}
spec: {ports: [{port: 80}]}
`

func TestUnjoin(t *testing.T) {
	s := newSystem(t)
	s.install()
	s.start("[]")
	s.good("join", "self", "--member-context", "host", "--region", "ham", "--zones", "ham-a")
	s.shard(s.host, "nginx", "203.0.113.10")
	before := s.objectsOf(t.Context())
	comes := func(s *system) {
		s.Helper()
		poll(s, "a to join", func() error { // its namespace may be on its way out
			_, _, err := s.run("join", "a", "--member-context", "member")
			return err
		})
		s.shard(s.member, "nginx", "203.0.113.20")
		s.shard(s.member, "cart", "203.0.113.30")
		s.published("nginx.shop.fed.svc.example.com. [203.0.113.10 203.0.113.20]",
			"cart.shop.fed.svc.fra-a.example.com. [203.0.113.30]")
	}
	gone := func(s *system) {
		s.Helper()
		if after := s.objectsOf(t.Context()); after != before && !strings.Contains(after, "Namespace") {
			s.Errorf("it leaves\n%s\nand there was\n%s", after, before)
		}
		if have := s.records(); strings.Contains(have, "fra") || strings.Contains(have, "cart") ||
			!strings.Contains(have, "nginx.shop.fed.svc.example.com. [203.0.113.10]") {
			s.Errorf("records\n%s", have)
		}
	}
	t.Run("J6 it says what moves, drains, and removes records, levels, account and Secret", func(t *testing.T) {
		s := s.in(t)
		comes(s)
		s.kubectl(s.member, propagated, "apply", "-f", "-")
		out := s.good("unjoin", "a", "--member-context", "member", "--yes")
		t.Log(out)
		have := s.kubectl(s.member, "", "get", "services", "-n", "shop", "-o", "jsonpath={range .items[*]}"+
			`{.metadata.name} {.metadata.labels} {.metadata.annotations.federation-dns\.io/adopted-by};{end}`)
		if strings.Contains(have, "created ") ||
			!strings.Contains(have, `adopted {"federation-dns.io/federation":"other"} ;`) ||
			!strings.Contains(have, `others {"federation-dns.io/federation":"other"} ;`) {
			t.Errorf("left are %s", have)
		}
		s.kubectl(s.member, "", "delete", "service", "adopted", "others", "-n", "shop")
		text := steady(out)
		for _, want := range []string{"2 services lose a shard; 1 has no other: cart.shop.", "spec.drain is true\n",
			"waiting  1 s, for as long as resolvers", "host membercluster/a deleted\n",
			"host secret/member-a deleted\n",
			"syncer has no records and no levels of a\n", "member secret/federation-syncer-token-1 deleted\n",
			"member service/created deleted (in shop)\n", "member service/adopted given back (in shop)\n",
			"member clusterrolebinding/federation-syncer deleted\n", "member clusterrole/federation-syncer deleted\n",
			"member rolebinding/coredns deleted\n", "member role/coredns deleted\n",
			"member rolebinding/federation-syncer deleted\n", "member role/federation-syncer deleted\n",
			"member namespace/federation-mirror deleted\n",
			"member serviceaccount/federation-syncer deleted\n", "member namespace/federation-system " +
				"deleted\nunjoined a"} {
			if !strings.Contains(strings.Join(strings.Split(out, "\n"), " "), want) && !strings.Contains(text, want) {
				t.Errorf("%q is not in\n%s", want, text)
			}
		}
		gone(s)
	})
	t.Run("J6 what others use, or have made, is kept, and named", func(t *testing.T) {
		s.in(t).keeps()
	})
	t.Run("J6 --force without the member ends within 10 s, and says what stays", func(t *testing.T) {
		s := s.in(t)
		comes(s)
		if err := s.member.Pause(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		out, _, err := s.run("unjoin", "a", "--member-context", "member", "--yes", "--force")
		took := time.Since(began)
		if err := s.member.Resume(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%v\n%s", took, out)
		if err != nil || took > 10*time.Second {
			t.Errorf("%v, after %v", err, took)
		}
		for _, want := range []string{"stays there; these delete it:\n",
			"  kubectl --context member delete clusterrole/federation-syncer\n",
			"  kubectl --context member -n federation-system delete serviceaccount/federation-syncer\n",
			"  kubectl --context member delete namespace/federation-mirror\n"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not in\n%s", want, out)
			}
		}
		poll(s, "the records to go", func() error {
			if have := s.records(); strings.Contains(have, "fra") || strings.Contains(have, "cart") {
				return errors.New(have)
			}
			return nil
		})
		s.good("unjoin", "a", "--member-context", "member", "--yes") // what was left there
		gone(s)
	})
	t.Run("J2 J6 killed after any write and run again, nothing is left", func(t *testing.T) {
		s := s.in(t)
		for _, name := range []string{namespace, mirror.Namespace} {
			poll(s, "the namespace to go", func() error {
				_, err := s.member.Kubectl(t.Context(), "", "get", "namespace", name)
				if err == nil {
					return errors.New("it is there")
				}
				return nil
			})
			s.kubectl(s.member, "", "create", "namespace", name) // it is not join's, and stays
		}
		leave := func(wrap func(http.RoundTripper) http.RoundTripper) error { return s.leave(t.Context(), wrap) }
		n := 0
		for ; ; n++ {
			s.good("join", "a", "--member-context", "member")
			if err := leave(killAfterWrites(n)); err == nil {
				break
			}
			if err := leave(nil); err != nil && !errors.Is(err, join.ErrNoMember) {
				t.Fatalf("after a kill at write %d: %v", n, err)
			}
			if gone(s); t.Failed() {
				t.Fatalf("after a kill at write %d", n)
			}
		}
		t.Logf("%d writes", n)
		if gone(s); n < 6 {
			t.Errorf("%d writes were swept", n)
		}
	})
	t.Run("J5 the host leaves itself, and keeps what is the syncer's", func(t *testing.T) {
		s := s.in(t)
		out := s.good("unjoin", "self", "--member-context", "host", "--yes")
		t.Log(out)
		s.kubectl(s.host, "", "get", "serviceaccount", "federation-syncer", "-n", namespace)
		poll(s, "what join has made to go", func() error { // namespaces take a moment
			if rest := s.objectsOf(t.Context()); rest != "" {
				return fmt.Errorf("it leaves\n%s", rest)
			}
			return nil
		})
	})
}

// theirs are a token of the syncer of another host, and something else in the namespace.
const theirs = `
apiVersion: v1
kind: Secret
type: kubernetes.io/service-account-token
metadata:
  name: federation-syncer-token-9
  namespace: federation-system
  annotations: {kubernetes.io/service-account.name: federation-syncer, federation-dns.io/host: another}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: mine, namespace: federation-system}
`

// keeps lets a leave while others use what is in the member, for the table in docs/joining.md.
func (s *system) keeps() {
	poll(s, "a to join", func() error { // its namespace may be on its way out
		_, _, err := s.run("join", "a", "--member-context", "member")
		return err
	})
	s.kubectl(s.member, theirs, "apply", "-f", "-")
	s.kubectl(s.member, "", "label", "clusterrole", "federation-syncer", join.LabelManagedBy+"-")
	var said []string // for the table
	unjoin := func(want ...string) {
		s.Helper()
		out := s.good("unjoin", "a", "--member-context", "member", "--yes")
		lines := strings.Split(steady(out), "\n")
		for i := range lines {
			lines[i] = strings.TrimSpace(lines[i])
		}
		for _, w := range want {
			if !slices.Contains(lines, w) {
				s.Errorf("%q is not in\n%s", w, out)
			}
		}
		said = append(said, want...)
	}
	unjoin("member secret/federation-syncer-token-9 kept (another host uses the account)")
	s.kubectl(s.member, "", "get", "serviceaccount/federation-syncer", "-n", namespace)
	s.kubectl(s.member, "", "delete", "secret/federation-syncer-token-9", "-n", namespace)
	unjoin("member clusterrole/federation-syncer kept (not made by join)",
		"member namespace/federation-system kept (it has configmap/mine)",
		"kubectl --context member delete clusterrole/federation-syncer",
		"kubectl --context member delete namespace/federation-system")
	s.kubectl(s.member, "", "delete", "clusterrole/federation-syncer")
	s.kubectl(s.member, "", "delete", "configmap/mine", "-n", namespace)
	var table strings.Builder
	for _, line := range said {
		table.WriteString(docs.ListItem("`" + line + "`"))
	}
	unjoin("member namespace/federation-system deleted")
	if !s.Failed() {
		docs.CheckGenerated(s.T, filepath.Join(root, "docs/joining.md"), "test/join", *update,
			map[string]string{"unjoin-kept": table.String()})
	}
}

// leave removes the member a, without draining it.
func (s *system) leave(ctx context.Context, wrap func(http.RoundTripper) http.RoundTripper) error {
	opt := s.options(wrap)
	l, err := join.FindLeaving(ctx, join.LeaveOptions{Name: opt.Name, Host: opt.Host, Member: &opt.Member,
		Namespace: opt.Namespace, Source: opt.Source, Timeout: 20 * time.Second, Progress: opt.Progress})
	if err != nil {
		return err
	}
	return l.Remove(ctx, []string{"shop/cart"})
}
