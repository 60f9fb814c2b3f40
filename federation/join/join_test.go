package join

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/federation-dns/federation/deploy"
)

func TestMemberObjects(t *testing.T) {
	t.Run("J1 the rights of a mirror are deploy/member-mirror-rbac.yaml", func(t *testing.T) {
		plain, err := memberAccount()
		if err != nil {
			t.Fatal(err)
		}
		with, err := memberAccount(mirrorManifest)
		if err != nil {
			t.Fatal(err)
		}
		var want, have []map[string]any
		for _, o := range with.objects[len(plain.objects):] {
			if !isMirror(o) {
				t.Errorf("%s is not one of a mirror", title(o))
			}
			have = append(have, o.Object)
		}
		for _, text := range strings.Split(deploy.MemberMirrorRBAC, "\n---\n") {
			var o map[string]any
			if err := yaml.Unmarshal([]byte(text), &o); err != nil {
				t.Fatal(err)
			}
			want = append(want, o)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("-want +have\n%s", diff)
		}
	})
	t.Run("J1 what is made in a member is deploy/member-rbac.yaml, with a number at the token", func(t *testing.T) {
		a, err := memberAccount()
		if err != nil {
			t.Fatal(err)
		}
		var want, have []map[string]any
		for _, text := range strings.Split(deploy.MemberRBAC, "\n---\n") {
			var o map[string]any
			if err := yaml.Unmarshal([]byte(text), &o); err != nil {
				t.Fatal(err)
			}
			want = append(want, o)
		}
		token := a.newToken(7, "host-uid")
		if token.GetName() != a.token.GetName()+"-7" || tokenNumber(token.GetName()) != 7 ||
			token.GetAnnotations()[AnnotationHost] != "host-uid" {
			t.Errorf("token %v", token)
		}
		token.SetName(a.token.GetName())
		unstructured.RemoveNestedField(token.Object, "metadata", "annotations", AnnotationHost)
		for _, o := range append(a.objects[:2:2], append([]*Object{token}, a.objects[2:]...)...) {
			have = append(have, o.Object)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("-want +have\n%s", diff)
		}
	})
}

func TestRoute(t *testing.T) {
	admin := func(host string) *rest.Config {
		return &rest.Config{Host: host, TLSClientConfig: rest.TLSClientConfig{CAData: []byte("admin\n")}}
	}
	for _, tt := range []struct {
		name, host, server string
		isHost             bool
		want, err          string
	}{
		{"J4 the server of the kubeconfig", "https://203.0.113.7:6443/", "", false, "https://203.0.113.7:6443", ""},
		{"J4 a server that is given, of loopback too", "https://203.0.113.7:6443", "https://127.0.0.1:1", false,
			"https://127.0.0.1:1", ""},
		{"J4 loopback of IPv6", "https://[::1]:6443", "", false, "", "leads elsewhere from another machine"},
		{"J4 localhost", "https://localhost:6443", "", false, "", "leads elsewhere from another machine"},
		{"J4 all addresses", "https://0.0.0.0:6443", "", false, "", "leads elsewhere from another machine"},
		{"J4 no TLS", "http://203.0.113.7", "", false, "", "leads elsewhere from another machine"},
		{"J5 the host at loopback", "https://127.0.0.1:6443", "", true, "", "https://kubernetes.default.svc"},
		{"J4 a server with credentials", "https://203.0.113.7", "https://a:b@203.0.113.7", false, "", "want an " +
			"address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := routeOf(admin(tt.host), tt.server, nil, tt.isHost)
			if r.server != tt.want || (err != nil) != (tt.err != "") ||
				err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q, error %v, want %q, error %q", r.server, err, tt.want, tt.err)
			}
		})
	}
	for _, tt := range []struct {
		name     string
		admin    *rest.Config
		server   string
		ca, want string
	}{
		{"J4 the kubeconfig's authority", admin("https://a"), "", "", "admin\n"},
		{"J4 the given authority", admin("https://a"), "https://b", "given\n", "given\n"},
		{"J4 another server: both authorities", admin("https://a"), "https://b", "", "admin\npods\n"},
		{"J4 a public certificate stays one", &rest.Config{Host: "https://a"}, "", "", ""},
		{"J4 a certificate that is not checked is checked by the syncer", &rest.Config{Host: "https://a",
			TLSClientConfig: rest.TLSClientConfig{Insecure: true}}, "", "", "pods\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := routeOf(tt.admin, tt.server, []byte(tt.ca), false)
			if err != nil {
				t.Fatal(err)
			}
			if ca := strings.TrimPrefix(string(r.trusting(tt.admin, []byte("pods\n")).ca), "\n"); ca != tt.want {
				t.Errorf("%q, want %q", ca, tt.want)
			}
		})
	}
}

func TestPlaceOfNodes(t *testing.T) {
	node := func(region, zone string) map[string]string {
		return map[string]string{"topology.kubernetes.io/region": region, "topology.kubernetes.io/zone": zone}
	}
	for _, tt := range []struct {
		name                string
		nodes               []map[string]string
		place, missing, err string
	}{
		{"J1 all say it", []map[string]string{node("fra", "fra-b"), node("fra", "fra-a")}, "fra: fra-a,fra-b", "", ""},
		{"J1 one does not", []map[string]string{node("fra", "fra-b"), {}}, "fra: fra-b", "1 of 2 Nodes lack", ""},
		{"J1 a label is no name", []map[string]string{node("fra", "Fra B")}, "fra: ", "1 of 1 Nodes lack", ""},
		{"J1 two regions", []map[string]string{node("fra", "a"), node("ham", "b")}, "fra,ham: a,b", "several " +
			"regions", ""},
		{"J1 nobody says it", []map[string]string{{}}, "", "", "do not say where they are"},
		{"J1 no Nodes", nil, "", "", "has no Nodes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			place, missing, err := placeOfNodes(tt.nodes)
			has := func(text, part string) bool { return (text != "") == (part != "") && strings.Contains(text, part) }
			text := ""
			if err != nil {
				text = err.Error()
			}
			if place != tt.place || !has(missing, tt.missing) || !has(text, tt.err) {
				t.Errorf("%q, %q, %v", place, missing, err)
			}
		})
	}
}

func TestStanding(t *testing.T) {
	object := func(status, reason string, observed int64, used string, drain bool) *Object {
		return &Object{Object: map[string]any{
			"spec": map[string]any{"drain": drain},
			"status": map[string]any{
				"conditions": []any{map[string]any{"type": "Ready", "status": status, "reason": reason,
					"message": "why", "observedGeneration": observed}},
				"kubeconfigSecret": map[string]any{"resourceVersion": used},
			},
		}}
	}
	for _, tt := range []struct {
		name     string
		o        *Object
		evidence bool
		good     bool
		reason   string
	}{
		{"J4 ready", object("True", "Ready", 2, "7", false), false, true, "Ready"},
		{"J4 ready, of the spec before", object("True", "Ready", 1, "7", false), false, false, "Pending"},
		{"J4 ready, with the Secret before", object("True", "Ready", 2, "6", false), false, false, "Pending"},
		{"J4 a syncer that does not tell the Secret", object("True", "Ready", 2, "", false), false, true, "Ready"},
		{"J3 a rotation needs it", object("True", "Ready", 2, "", false), true, false, "Pending"},
		{"J4 drained as it was to be", object("False", "Drained", 2, "7", true), false, true, "Drained"},
		{"J4 not reached", object("False", "Unreachable", 2, "7", true), false, false, "Unreachable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := standingOf(tt.o, 2, "7", tt.evidence)
			if s.good != tt.good || s.reason != tt.reason {
				t.Errorf("%+v", s)
			}
		})
	}
}
