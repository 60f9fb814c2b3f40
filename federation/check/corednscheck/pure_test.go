package corednscheck

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check/corefile"
)

func TestCommand(t *testing.T) {
	for _, c := range []struct {
		name       string
		container  corev1.Container
		path, port string
	}{
		{"kubeadm", corev1.Container{Args: []string{"-conf", "/etc/coredns/Corefile"}}, "/etc/coredns/Corefile", ""},
		{"joined, and another port", corev1.Container{Args: []string{"--conf=/c/Corefile", "-dns.port=1053"}},
			"/c/Corefile", "1053"},
		{"the default of the image", corev1.Container{Image: "registry.k8s.io/coredns/coredns:v1.14.7"},
			"/Corefile", ""},
		{"a relative path", corev1.Container{Command: []string{"/coredns", "-conf", "Corefile"},
			WorkingDir: "/etc/dns"}, "/etc/dns/Corefile", ""},
		{"kube-dns", corev1.Container{Image: "registry.k8s.io/dns/k8s-dns-kube-dns:1.26.8",
			Args: []string{"--domain=cluster.local.", "--config-dir=/kube-dns-config"}}, "", ""},
	} {
		t.Run("CK1 "+c.name, func(t *testing.T) {
			src, ok := command(&c.container)
			if ok != (c.path != "") || ok && (src.Path != c.path || src.Port != c.port) {
				t.Errorf("%t %q %q, want %q %q", ok, src.Path, src.Port, c.path, c.port)
			}
		})
	}
}

func dnsServer(t *testing.T, text string) *server {
	t.Helper()
	f, err := corefile.Parse(corefile.Source{Path: "/c", Files: map[string]string{"/c": text}})
	if err != nil {
		t.Fatal(err)
	}
	return &server{namespace: "kube-system", name: "coredns", file: f}
}

const directive = "federation {\n myfederation example.com\n%}\nkubernetes cluster.local\n"

func TestNoWay(t *testing.T) {
	feds := []admin.FederationStatus{{Name: "myfederation", Domain: "example.com"},
		{Name: "myfederation", Domain: "example.org",
			FederationProvider: admin.FederationProvider{NoProvider: true}}}
	plain, alone := strings.Replace(directive, "%", "", 1), strings.Replace(directive, "%", "no_chase\n", 1)
	for _, c := range []struct{ name, corefile, domain string }{
		{"forwarded", ".:53 {\n" + plain + "forward . 192.0.2.1\n}", ""},
		{"no forward", ".:53 {\n" + plain + "}", "example.com"},
		{"except the domain", ".:53 {\n" + plain + "forward . 192.0.2.1 {\n except example.com\n}\n}", "example.com"},
		{"a server block of its own", ".:53 {\n" + plain + "}\nexample.com {\n forward . 192.0.2.1\n}", ""},
		{"one of another port", ".:53 {\n" + plain + "}\nexample.com:54 {\n forward . 192.0.2.1\n}", "example.com"},
		{"an authority for it", ".:53 {\n" + plain + "file /zone example.com\n}", ""},
		{"the client follows", ".:53 {\n" + alone + "}", ""},
		{"what is imported may", ".:53 {\n" + plain + "import /elsewhere\n}", ""},
		{"no DNS provider", ".:53 {\n" + strings.Replace(plain, "example.com", "example.org", 1) + "}", ""},
		{"another syncer's federation", ".:53 {\n" + strings.Replace(plain, "example.com", "example.net", 1) + "}", ""},
	} {
		t.Run("CK1 plugin-forward: "+c.name, func(t *testing.T) {
			if domain := dnsServer(t, c.corefile).noWay(feds); domain != c.domain {
				t.Errorf("%q, want %q", domain, c.domain)
			}
		})
	}
}

func TestForwarded(t *testing.T) {
	const name = "myfederation.svc.cluster.local"
	for _, c := range []struct {
		name, corefile string
		want           bool
	}{
		{"a server block", name + " {\nforward . 10.96.0.53\n}", true},
		{"with a port", name + ":8053 {\nforward . 10.96.0.53:53\n}", true},
		{"over IPv6", name + " {\nforward . dns://[fd00::53]:53\n}", true},
		{"in the block of the zone", "cluster.local {\nforward " + name + " 10.96.0.53\nkubernetes\n}", true},
		{"of another port of the Service", name + " {\nforward . 10.96.0.53:9153\n}", false},
		{"hidden by a longer zone", name + " {\nforward . 10.96.0.53\n}\nx." + name + " {\nerrors\n}", false},
		{"none", ". {\nforward . 192.0.2.1\n}", false},
	} {
		t.Run("CK1 stanza-present: "+c.name, func(t *testing.T) {
			f := &facts{beside: []string{"10.96.0.53", "fd00::53"}, servers: []*server{dnsServer(t, c.corefile)}}
			if got := f.forwarded(name); got != c.want {
				t.Errorf("%t", got)
			}
		})
	}
}
