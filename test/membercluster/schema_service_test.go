package membercluster

import (
	"strings"
	"testing"
)

// TestServiceSchema has the API server refuse FederatedServices, and compares what it says.
func TestServiceSchema(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.installCRD()
	const (
		name     = "the name is that of the Services in the members: a DNS label that begins with a letter"
		label    = "the name of a federation is a DNS label: lower-case letters, digits and '-'"
		external = "type ExternalName has no endpoints whose health could be known: use ClusterIP, NodePort or " +
			"LoadBalancer"
		clusterIP = "each member allocates its own clusterIP: leave clusterIP and clusterIPs out, or say None " +
			"for a headless Service"
		one        = "externalIPs and loadBalancerIP belong to one cluster: leave them out"
		either     = "say either clusters or selector"
		port       = "ports: [{port: 80}]"
		headless   = "a headless Service (clusterIP None) has type ClusterIP"
		labels     = "labels of federation-dns.io are set by the syncer: leave them out"
		annotation = "annotations of federation-dns.io belong to one member, or are set by the syncer: leave them " +
			"out, and say spec.ttl for a TTL"
	)
	// of has a template with this spec, and more fields beside it.
	of := func(spec, more string) string {
		return "{federation: fed, template: {spec: {" + spec + "}}, " + more + "}"
	}
	meta := func(fields string) string {
		return "{federation: fed, template: {metadata: {" + fields + "}, spec: {" + port + "}}}"
	}
	text := func(name, spec string) string {
		text := "apiVersion: federation-dns.io/v1alpha1\nkind: FederatedService\nmetadata: {name: " + name + "}\n"
		if spec != "" {
			text += "spec: " + strings.ReplaceAll(spec, ", }", "}") + "\n"
		}
		return text
	}
	for _, tt := range []struct{ what, name, spec, want string }{
		{"a name that begins with a digit", "9a", of(port, ""), name},
		{"a name with a dot", "a.b", of(port, ""), name},
		{"no spec", "x", "", "spec: Required value"},
		{"no federation", "x", "{template: {spec: {" + port + "}}}", "spec.federation: Required value"},
		{"no template", "x", "{federation: fed}", "spec.template: Required value"},
		{"no Service", "x", "{federation: fed, template: {}}", "spec.template.spec: Required value"},
		{"a federation called svc", "x", "{federation: svc, template: {spec: {" + port + "}}}",
			"a federation is not called svc or pod"},
		{"a federation called pod", "x", "{federation: pod, template: {spec: {" + port + "}}}",
			"a federation is not called svc or pod"},
		{"a federation with a dot", "x", "{federation: a.b, template: {spec: {" + port + "}}}", label},
		{"our label", "x", meta("labels: {federation-dns.io/federation: other}"), labels},
		{"our annotation", "x", meta("annotations: {federation-dns.io/addresses: 192.0.2.1}"), annotation},
		{"no such type", "x", of("type: LoadBalencer, "+port, ""), "type is ClusterIP, NodePort or LoadBalancer"},
		{"ExternalName", "x", of("type: ExternalName, externalName: www.example.com", ""), external},
		{"a clusterIP", "x", of("clusterIP: 10.0.0.1, "+port, ""), clusterIP},
		{"clusterIPs", "x", of("clusterIPs: [10.0.0.1], "+port, ""), clusterIP},
		{"a headless load balancer", "x", of("type: LoadBalancer, clusterIP: None, "+port, ""), headless},
		{"no port", "x", of("type: LoadBalancer", ""),
			"say at least one port: only a headless Service (clusterIP None) may have none"},
		{"port 0", "x", of("ports: [{port: 0}]", ""), "a port is a number from 1 to 65535"},
		{"port 65536", "x", of("ports: [{port: 65536}]", ""), "a port is a number from 1 to 65535"},
		{"two ports without names", "x", of("ports: [{port: 80}, {port: 443}]", ""),
			"each of several ports has a name"},
		{"a port twice", "x", of("ports: [{port: 80, name: a}, {port: 80, name: b}]", ""), "Duplicate value"},
		{"a nodePort", "x", of("ports: [{port: 80, nodePort: 30080}]", ""),
			"each member allocates its own nodePort: leave it out"},
		{"a healthCheckNodePort", "x", of("type: LoadBalancer, healthCheckNodePort: 30081, "+port, ""),
			"each member allocates its own healthCheckNodePort: leave it out"},
		{"externalIPs", "x", of("externalIPs: [192.0.2.1], "+port, ""), one},
		{"a loadBalancerIP", "x", of("type: LoadBalancer, loadBalancerIP: 192.0.2.1, "+port, ""), one},
		{"an empty placement", "x", of(port, "placement: {}"), either},
		{"two placements", "x", of(port, "placement: {clusters: [a], selector: {matchLabels: {a: b}}}"), either},
		{"a placement of no cluster", "x", of(port, "placement: {clusters: []}"), "should have at least 1 items"},
		{"a cluster twice", "x", of(port, "placement: {clusters: [a, a]}"), `Duplicate value: "a"`},
		{"a cluster with a dot", "x", of(port, "placement: {clusters: [a.b]}"),
			"each entry is the name of a MemberCluster"},
		{"a TTL of 0", "x", of(port, "ttl: 0"), "should be greater than or equal to 1"},
		{"a TTL of more than a day", "x", of(port, "ttl: 86401"), "should be less than or equal to 86400"},
		{"a misspelt field", "x", of(port+", portz: []", ""), `unknown field "spec.template.spec.portz"`},
	} {
		t.Run("K6 refused: "+tt.what, func(t *testing.T) {
			out, err := s.host.Kubectl(t.Context(), text(tt.name, tt.spec), "create", "-f", "-")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s, error %v; want %q", out, err, tt.want)
			}
		})
	}
	t.Run("K6 a new object is Pending, and kubectl get shows it", func(t *testing.T) {
		s := s.in(t)
		s.kubectl(text("new", of("type: LoadBalancer, externalTrafficPolicy: Local, "+port,
			"placement: {selector: {matchExpressions: [{key: a, operator: Exists}]}}, ttl: 60, adopt: true")),
			"create", "-f", "-")
		s.kubectl(text("headless", of("clusterIP: None, selector: {app: x}", "placement: {clusters: [a, b]}")),
			"create", "-f", "-")
		want := "NAME FEDERATION PROPAGATED PUBLISHED HEALTHY AGE headless fed Pending Pending"
		out := strings.Join(strings.Fields(s.kubectl("", "get", "fsvc")), " ")
		if !strings.HasPrefix(out, want) {
			t.Errorf("%s; want %s", out, want)
		}
		if out := s.kubectl("", "get", "fsvc", "new", "-o", "jsonpath={.status.conditions[*].message}"); out !=
			"no syncer has looked at it yet no syncer has looked at it yet" {
			t.Errorf("%s", out)
		}
		if out := s.kubectl("", "get", "federation"); !strings.Contains(out, "federatedservice.federation-dns.io/new") {
			t.Errorf("%s", out)
		}
	})
	t.Run("K6 the federation cannot be changed", func(t *testing.T) {
		s := s.in(t)
		s.kubectl(text("fixed", of(port, "")), "create", "-f", "-")
		out, err := s.host.Kubectl(t.Context(), "", "patch", "fsvc", "fixed", "--type=merge", "-p",
			`{"spec": {"federation": "other"}}`)
		if want := "federation cannot be changed: make another FederatedService, and delete this one when nobody " +
			"asks for the old name"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s, error %v; want %q", out, err, want)
		}
	})
	t.Run("K6 a member is read-only unless it says otherwise", func(t *testing.T) {
		s := s.in(t)
		s.kubectl("apiVersion: federation-dns.io/v1alpha1\nkind: MemberCluster\nmetadata: {name: careful}\n"+
			"spec: {kubeconfigSecret: {name: x}}\n", "create", "-f", "-")
		if out := s.kubectl("", "get", "mc", "careful", "-o", "jsonpath={.spec.propagation}"); out != "Disabled" {
			t.Errorf("%s", out)
		}
		_, err := s.host.Kubectl(t.Context(), "", "patch", "mc", "careful", "--type=merge", "-p",
			`{"spec": {"propagation": "Yes"}}`)
		if want := `supported values: "Enabled", "Disabled"`; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want %q", err, want)
		}
	})
}
