package membercluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/proc"
)

// startMember starts a real API server as a member, with the rights of deploy/member-rbac.yaml, and returns a
// kubeconfig with the account that has them.
func (s *system) startMember(name string) (*kube.Cluster, string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 5*time.Minute)
	defer cancel()
	c, err := kube.Start(ctx, kube.Options{
		Name: name, Dir: filepath.Join(s.dir, name), Nodes: -1,
		PodCIDRs:     []netip.Prefix{netip.MustParsePrefix("10.2.0.0/16")},
		ServiceCIDRs: []netip.Prefix{netip.MustParsePrefix("10.102.0.0/16")},
	})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(c.Kill)
	member := s.as(c)
	member.kubectl("", "apply", "-f", filepath.Join(root, "deploy/member-rbac.yaml"))
	token := member.kubectl("", "create", "token", "federation-syncer", "-n", namespace, "--duration=2h")
	return c, kubeconfig(c.Server(), member.ca(), strings.TrimSpace(token))
}

// as returns the system with another cluster in place of the host, for kubectl.
func (s *system) as(c *kube.Cluster) *system {
	other := *s
	other.host = c
	return &other
}

// TestMemberRights takes one right after the other from the syncer's account in a member.
func TestMemberRights(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.installCRD()
	cluster, config := s.startMember("member")
	member := s.as(cluster)
	// Kubernetes lets everybody read /version; a hardened cluster need not.
	member.kubectl("", "delete", "clusterrolebinding", "system:public-info-viewer", "system:discovery")
	member.kubectl(`{apiVersion: v1, kind: Node, metadata: {name: node-1, labels: {
topology.kubernetes.io/region: eu, topology.kubernetes.io/zone: eu-a}}}`, "apply", "-f", "-")
	s.apply(secret("m", config))
	object := "apiVersion: federation-dns.io/v1alpha1\nkind: MemberCluster\nmetadata: {name: m}\n" +
		"spec: {kubeconfigSecret: {name: member-m}}\n"
	status := func(s *system, path string) string {
		return s.kubectl("", "get", "mc", "m", "-o", "jsonpath={.status."+path+"}")
	}
	t.Run("B1 with the shipped rights the member is ready, and all of it is seen", func(t *testing.T) {
		s := s.in(t)
		s.run("all", "[]")
		s.apply(object)
		s.becomes("m", "True Ready", "")
		have := status(s, "version") + " " + status(s, "topology.region") + " " + status(s, "zones")
		if !strings.HasPrefix(have, "v1.") || !strings.HasSuffix(have, " eu eu-a") || status(s, "clusterID") == "" {
			t.Errorf("%s", have)
		}
	})
	forbidden := func(s *system, _ *running, what string) { s.becomes("m", "False Forbidden", what) }
	problem := func(s *system, r *running, what string) {
		proc.Eventually(s, 30*time.Second, func() error {
			if log := strings.ReplaceAll(r.log(), `\"`, `"`); !strings.Contains(log, what) {
				return fmt.Errorf("the log does not say %q", what)
			}
			return nil
		})
	}
	lacks := map[string]func(s *system, r *running, what string){
		"services list": forbidden, "services watch": forbidden,
		"endpointslices list": forbidden, "endpointslices watch": forbidden,
		"nodes list": problem, "nodes watch": problem, "namespaces get": problem,
		"/version get": func(s *system, r *running, _ string) {
			s.becomes("m", "True Ready", "")
			if have := status(s, "version"); have != "" {
				s.Errorf("version %q", have)
			}
		},
	}
	var role struct {
		Rules []struct {
			Resources, NonResourceURLs []string
			Verbs                      []string
		}
	}
	if err := json.Unmarshal([]byte(member.kubectl("", "get", "clusterrole", "federation-syncer", "-o", "json")),
		&role); err != nil {
		t.Fatal(err)
	}
	for i, rule := range role.Rules {
		for j, verb := range rule.Verbs {
			what := append(rule.Resources, rule.NonResourceURLs...)[0]
			check := lacks[what+" "+verb]
			delete(lacks, what+" "+verb)
			t.Run("B2 without it, cannot "+verb+" "+what, func(t *testing.T) {
				if check == nil {
					t.Fatal("nothing needs it")
				}
				s := s.in(t)
				s.kubectl("", "delete", "mc", "m", "--ignore-not-found")
				replace := func(verb string) {
					member.kubectl("", "patch", "clusterrole", "federation-syncer", "--type=json", "-p",
						fmt.Sprintf(`[{"op": "replace", "path": "/rules/%d/verbs/%d", "value": %q}]`, i, j, verb))
				}
				replace("none")
				defer replace(verb)
				s.apply(object)
				r := s.run(fmt.Sprintf("without-%d-%d", i, j), "[]")
				check(s, r, fmt.Sprintf(`cannot %s resource "%s"`, verb, what))
			})
		}
	}
	for what := range lacks {
		t.Errorf("deploy/member-rbac.yaml does not grant %s", what)
	}
}

// TestUserRights has people with the roles of deploy/users-rbac.yaml, and with those of Kubernetes.
func TestUserRights(t *testing.T) {
	t.Parallel()
	s := newSystem(t, "--controllers=namespace-controller,serviceaccount-controller,clusterrole-aggregation-controller")
	s.installCRD()
	s.kubectl("", "apply", "-f", filepath.Join(root, "deploy/users-rbac.yaml"))
	for _, role := range []string{"view", "edit", "admin", "federation-admin"} {
		s.kubectl("", "create", "clusterrolebinding", "test-"+role, "--clusterrole="+role, "--user="+role)
	}
	s.kubectl("", "-n", namespace, "create", "rolebinding", "test", "--role=federation-admin",
		"--user=federation-admin")
	object := cluster("a", "")
	allowed := func(user, stdin string, args ...string) {
		s.Helper()
		proc.Eventually(s, 20*time.Second, func() error { // roles are aggregated by a controller
			_, err := s.host.Kubectl(s.Context(), stdin, append(args, "--as="+user)...)
			return err
		})
	}
	refused := func(user, stdin string, args ...string) {
		s.Helper()
		out, err := s.host.Kubectl(s.Context(), stdin, append(args, "--as="+user)...)
		if err == nil || !strings.Contains(err.Error(), "orbidden") {
			s.Errorf("%s may %q: %s, error %v", user, args, out, err)
		}
	}
	for _, user := range []string{"view", "edit", "admin"} {
		t.Run("B1 the role "+user+" of Kubernetes sees members, and changes none", func(t *testing.T) {
			s = s.in(t)
			allowed(user, "", "get", "memberclusters")
			refused(user, object, "create", "-f", "-")
			s.apply(object)
			refused(user, "", "delete", "mc", "a")
			refused(user, "", "patch", "mc", "a", "--type=merge", "-p", `{"spec": {"drain": true}}`)
		})
	}
	const service = "apiVersion: federation-dns.io/v1alpha1\nkind: FederatedService\nmetadata: {name: web}\n" +
		"spec: {federation: fed, template: {spec: {ports: [{port: 80}]}}}\n"
	for _, role := range []string{"edit", "admin"} {
		t.Run("B4 the role "+role+" in a namespace creates FederatedServices in it only", func(t *testing.T) {
			s = s.in(t)
			user := role + "-shop"
			s.kubectl("", "create", "namespace", user)
			s.kubectl("", "-n", user, "create", "rolebinding", "test", "--clusterrole="+role, "--user="+user)
			allowed(user, service, "create", "-n", user, "-f", "-")
			allowed(user, strings.Replace(service, "80", "81", 1), "replace", "-n", user, "-f", "-")
			allowed(user, "", "patch", "fsvc", "web", "-n", user, "--type=merge", "-p", `{"spec": {"ttl": 60}}`)
			allowed(user, "", "get", "fsvc", "-n", user)
			refused(user, service, "create", "-n", "default", "-f", "-")
			refused(user, "", "patch", "fsvc", "web", "-n", user, "--subresource=status", "--type=merge", "-p",
				`{"status": {"healthy": "9/9"}}`)
			refused(user, "", "get", "fsvc", "-n", "default")
			allowed(user, "", "delete", "fsvc", "web", "-n", user)
		})
	}
	t.Run("B1 the role view sees FederatedServices, and changes none", func(t *testing.T) {
		s = s.in(t)
		s.kubectl(service, "create", "-f", "-")
		allowed("view", "", "get", "fsvc", "web")
		allowed("federation-admin", "", "get", "fsvc", "-A")
		refused("view", "", "delete", "fsvc", "web")
		refused("federation-admin", "", "delete", "fsvc", "web")
	})
	t.Run("B1 an administrator of the federation joins, drains and removes members", func(t *testing.T) {
		s = s.in(t)
		const user = "federation-admin"
		s.kubectl("", "delete", "mc", "a", "--ignore-not-found")
		allowed(user, object, "create", "-f", "-")
		allowed(user, secret("a", "x"), "create", "-f", "-")
		allowed(user, "", "get", "secret", "member-a", "-n", namespace)
		allowed(user, secret("a", "y"), "apply", "--server-side", "--force-conflicts", "-f", "-")
		allowed(user, "", "patch", "mc", "a", "--type=merge", "-p", `{"spec": {"drain": true}}`)
		allowed(user, "", "auth", "can-i", "get", "deployment/federation-syncer", "-n", namespace)
		allowed(user, "", "auth", "can-i", "get", "configmap/federation-syncer", "-n", namespace)
		allowed(user, "", "auth", "can-i", "create", "pods", "--subresource=exec", "-n", namespace)
		allowed(user, "", "auth", "can-i", "get", "lease/federation-syncer", "-n", namespace)
		allowed(user, "", "delete", "secret", "member-a", "-n", namespace)
		allowed(user, "", "delete", "mc", "a")
	})
	t.Run("B1 and no more than that", func(t *testing.T) {
		s = s.in(t)
		const user = "federation-admin"
		refused(user, "", "get", "secrets", "-n", namespace)
		refused(user, "", "get", "secret", "x", "-n", "default")
		refused(user, "", "get", "crd")
		refused(user, "", "get", "nodes")
		refused(user, "", "delete", "lease", "federation-syncer", "-n", namespace)
	})
}
