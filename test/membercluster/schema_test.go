package membercluster

import (
	"fmt"
	"strings"
	"testing"
)

// TestSchema has the API server refuse objects, and compares what it says.
func TestSchema(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.installCRD()
	const (
		names = "the name of a member is a DNS label (letters, digits and '-', at most 63): " +
			"it stands in metrics and in the list of levels"
		topology = "say a region, zones, or both; leave topology out to take it from the labels of the Nodes"
		region   = "a region is a DNS label: lower-case letters, digits and '-', as it becomes part of a name"
		zone     = "a topology zone is a DNS label: lower-case letters, digits and '-', as it becomes part of a name"
		prefix   = "each entry is a prefix without host bits, like 10.0.0.0/8 or fd00::/8"
		least    = "a time of at least 1 s, like 45s or 2m"
	)
	of := func(more string) string { return "{kubeconfigSecret: {name: x}, " + more + "}" }
	zones := make([]string, 17)
	for i := range zones {
		zones[i] = fmt.Sprintf("z%d", i)
	}
	for _, tt := range []struct{ what, name, spec, want string }{
		{"a name with a dot", "a.b", of(""), names},
		{"a long name", strings.Repeat("a", 64), of(""), names},
		{"no spec", "x", "", "spec: Required value"},
		{"no Secret", "x", "{}", "spec.kubeconfigSecret: Required value"},
		{"no name of the Secret", "x", "{kubeconfigSecret: {}}", "spec.kubeconfigSecret.name: Required value"},
		{"a bad name of the Secret", "x", "{kubeconfigSecret: {name: A_b}}",
			"the name of a Secret in the namespace of the syncer: lower-case letters, digits, '-' and '.'"},
		{"an empty key", "x", `{kubeconfigSecret: {name: x, key: ""}}`, "should be at least 1 chars long"},
		{"an empty topology", "x", of("topology: {}"), topology},
		{"a topology of no zones", "x", of("topology: {zones: []}"), topology},
		{"a region with a blank", "x", of("topology: {region: EU West}"), region},
		{"a region with a dot", "x", of("topology: {region: eu.west}"), region},
		{"a zone with a dot", "x", of("topology: {zones: [a.b]}"), zone},
		{"17 zones", "x", of("topology: {zones: [" + strings.Join(zones, ",") + "]}"), "must have at most 16 items"},
		{"a zone twice", "x", of("topology: {zones: [a, a]}"), `spec.topology.zones[1]: Duplicate value: "a"`},
		{"a prefix with host bits", "x", of("addressCIDRs: [10.0.0.1/8]"), prefix},
		{"an address, no prefix", "x", of("addressCIDRs: [10.0.0.0]"), prefix},
		{"a prefix twice", "x", of("addressCIDRs: [10.0.0.0/8, 10.0.0.0/8]"), "Duplicate value"},
		{"a wildcard domain", "x", of("hostSuffixes: ['*.example.com']"),
			"each entry is a domain in lower case, like lb.example.com"},
		{"no namespace", "x", of("namespaces: [a/b]"),
			"each entry is the name of a namespace: lower-case letters, digits and '-'"},
		{"a negative limit", "x", of("maxServices: -1"), "should be greater than or equal to 0"},
		{"no duration", "x", of("unreachableAfter: soon"), least},
		{"a short duration", "x", of("unreachableAfter: 100ms"), least},
		{"a misspelt field", "x", of("regoin: eu"), `unknown field "spec.regoin"`},
		{"no boolean", "x", of("drain: 'yes'"), "must be of type boolean"},
	} {
		t.Run("K1 refused: "+tt.what, func(t *testing.T) {
			text := "apiVersion: federation-dns.io/v1alpha1\nkind: MemberCluster\nmetadata: {name: " + tt.name + "}\n"
			if tt.spec != "" {
				text += "spec: " + strings.ReplaceAll(tt.spec, ", }", "}") + "\n"
			}
			out, err := s.host.Kubectl(t.Context(), text, "create", "-f", "-")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s, error %v; want %q", out, err, tt.want)
			}
		})
	}
	t.Run("K1 a new object is Pending, and kubectl get shows it", func(t *testing.T) {
		s := s.in(t)
		s.kubectl("apiVersion: federation-dns.io/v1alpha1\nkind: MemberCluster\nmetadata: {name: new}\n"+
			"spec: {kubeconfigSecret: {name: x}, addressCIDRs: [10.0.0.0/8, 'fd00::/8'], unreachableAfter: 1m30s}\n",
			"create", "-f", "-")
		out := s.kubectl("", "get", "federation")
		if words := strings.Fields(out); strings.Join(words[:6], " ") != "NAME STATUS VERSION REGION ZONES SHARDS" ||
			!strings.Contains(out, "Pending") {
			t.Errorf("%s", out)
		}
		if out := s.kubectl("", "get", "mc", "-o", "wide"); !strings.Contains(out, "no syncer has looked at it yet") {
			t.Errorf("%s", out)
		}
	})
}
