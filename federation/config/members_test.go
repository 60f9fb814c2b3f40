package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/kubeconfig"
)

const membersFile = `apiVersion: federation-dns.io/v1alpha1
kind: SyncerConfiguration
owner: us
host: {kubeconfig: {path: host}}
federations: [{name: fed, domain: example.com, provider: {route53: {}}}]
resolver: {servers: [192.0.2.53]}
timers: {unreachableAfter: 30s}
`

func parseMembers(t *testing.T, clusters string) *Config {
	t.Helper()
	c, err := Parse(filepath.Join(t.TempDir(), "config.yaml"), []byte(membersFile+"clusters: "+clusters+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func objectNamed(name string) Member {
	return Member{Name: name, Spec: v1alpha1.MemberClusterSpec{
		KubeconfigSecret: v1alpha1.SecretKey{Name: "member-" + name, Key: "kubeconfig"},
	}}
}

func TestWithMembers(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		objects    []string
		want       string // the members, in order, each with where its kubeconfig is
	}{
		{"the file alone", "[{name: a, kubeconfig: {path: /a}}]", nil, "a=/a"},
		{"objects alone", "[]", []string{"b", "a"}, "b=member-b a=member-a"},
		{"both, the file first", "[{name: z, kubeconfig: {path: /z}}]", []string{"a"}, "z=/z a=member-a"},
		{"the same name: the file wins", "[{name: a, kubeconfig: {path: /a}}]", []string{"a", "b"}, "a=/a b=member-b"},
	} {
		t.Run("K1 "+tt.name, func(t *testing.T) {
			var objects []Member
			for _, name := range tt.objects {
				objects = append(objects, objectNamed(name))
			}
			c := parseMembers(t, tt.file)
			before := len(c.Clusters)
			var have []string
			for _, cl := range c.WithMembers(objects).Clusters {
				have = append(have, cl.Member.Name+"="+cl.Kubeconfig.Path+cl.Kubeconfig.Secret.Name)
			}
			if strings.Join(have, " ") != tt.want {
				t.Errorf("members %q, want %q", have, tt.want)
			}
			if len(c.Clusters) != before {
				t.Error("the file's own list has changed")
			}
		})
	}
	t.Run("K5 an object is the same member as an entry of the file, but for its kubeconfig", func(t *testing.T) {
		const entry = `topology: {region: eu, zones: [eu-b, eu-a]}, addressCIDRs: [10.0.0.0/8],
			hostSuffixes: [lb.example.org], allowAddressAnnotation: true, namespaces: [shop],
			unreachableAfter: 5s, drain: true, maxServices: 7`
		file := parseMembers(t, "[{name: a, kubeconfig: {path: /a}, "+entry+"}]").Clusters[0]
		m := objectNamed("a")
		m.Spec.MaxServices = 7
		m.Spec.MemberSettings = v1alpha1.MemberSettings{
			Topology:     &v1alpha1.Topology{Region: "eu", Zones: []string{"eu-b", "eu-a"}},
			AddressCIDRs: []string{"10.0.0.0/8"}, HostSuffixes: []string{"lb.example.org"},
			AllowAddressAnnotation: true, Namespaces: []string{"shop"}, UnreachableAfter: "5s", Drain: true,
		}
		object := parseMembers(t, "[]").WithMembers([]Member{m}).Clusters[0]
		want := Kubeconfig{Secret: kubeconfig.SecretKey{Name: "member-a", Key: "kubeconfig"}}
		if object.Kubeconfig != want {
			t.Errorf("kubeconfig %+v", object.Kubeconfig)
		}
		if object.Kubeconfig = file.Kubeconfig; !reflect.DeepEqual(object, file) {
			t.Errorf("the object is\n%+v\nand the entry\n%+v", object, file)
		}
	})
	t.Run("X7 an object that cannot be used is left out, and says why", func(t *testing.T) {
		m := objectNamed("a")
		m.Spec.AddressCIDRs = []string{"10.0.0.0"}
		m.Spec.UnreachableAfter = "soon"
		c := parseMembers(t, "[]")
		err := c.CheckMember(m)
		want := `spec.unreachableAfter: "soon" is not a duration such as 45s, 5m or 24h
spec.addressCIDRs[0]: "10.0.0.0" is not a prefix such as 192.0.2.0/24`
		if fmt.Sprint(err) != want {
			t.Errorf("error %v", err)
		}
		if all := c.WithMembers([]Member{m, objectNamed("b")}).Clusters; len(all) != 1 || all[0].Member.Name != "b" {
			t.Errorf("members %+v", all)
		}
	})
}
