package corefile_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation/check/corefile"
)

const kubeadm = `
# kubeadm's, with our block
.:53 {
    errors
    health {
        lameduck 5s
    }
    ready
    federation cluster.local {
        myfederation example.com
        Staging staging.example.com.
        ttl ttl.example.net   # a federation, as its argument has a dot
        naming nested
        ttl 5
        mirror off
        topology us-central1 us-central1-b
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    prometheus :9153
    forward example.com 192.0.2.53 198.51.100.53 {
        except private.example.com
    }
    forward . /etc/resolv.conf {
        max_concurrent 1000
    }
    cache 30 {
        disable success cluster.local
        disable denial cluster.local
    }
}
`

func parse(t *testing.T, files ...string) *corefile.File {
	t.Helper()
	src := corefile.Source{Path: "/etc/coredns/Corefile", Files: map[string]string{},
		Env: map[string]string{"ZONE": "cluster.local"}}
	for i := 0; i < len(files); i += 2 {
		src.Files[files[i]] = files[i+1]
	}
	f, err := corefile.Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestKubeadm(t *testing.T) {
	f := parse(t, "/etc/coredns/Corefile", kubeadm)
	s := f.Route("nginx.mynamespace.myfederation.svc.cluster.local", "53")
	if s == nil || s.String() != ".:53" || !s.Has("kubernetes") || s.Has("autopath") {
		t.Fatalf("the server block is %v", s)
	}
	want := &corefile.Federation{Zones: []string{"cluster.local."}, Naming: "nested", Topology: true, Mirror: "off",
		Domains: map[string]string{"myfederation": "example.com", "staging": "staging.example.com",
			"ttl": "ttl.example.net"}}
	if diff := cmp.Diff(want, s.Federation()); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{
		"a.example.com":         "192.0.2.53 198.51.100.53",
		"a.private.example.com": "/etc/resolv.conf",
		"other":                 "/etc/resolv.conf",
	} {
		if got := strings.Join(s.Forwards(name), " "); got != want {
			t.Errorf("%s is forwarded to %q, not to %q", name, got, want)
		}
	}
	if port := f.MetricsPort(); port != "9153" {
		t.Errorf("metrics are at port %q", port)
	}
	if f.Route("cluster.local", "5353") != nil {
		t.Error("a server block listens on port 5353")
	}
}

func TestDirectiveWithoutZones(t *testing.T) {
	f := parse(t, "/etc/coredns/Corefile", `cluster.local:1053 example.org {
	federation {
		f example.com
	}
	kubernetes {$ZONE} in-addr.arpa ip6.arpa
}`)
	s := f.Servers[0]
	if diff := cmp.Diff([]string{"cluster.local."}, s.Federation().Zones); diff != "" {
		t.Error(diff)
	}
	if s.String() != "cluster.local:1053 example.org:53" || !s.HasPort("1053") || s.HasPort("54") {
		t.Errorf("the server block is %s", s.String())
	}
	if len(s.Forwards("x.")) != 0 || f.MetricsPort() != "" {
		t.Error("something is forwarded, or there are metrics")
	}
}

func TestImports(t *testing.T) {
	f := parse(t, "/etc/coredns/Corefile", `(common) {
	errors
	import more/*.override
}
.:53 {
	import common
	import /etc/elsewhere/x
	forward . 192.0.2.1
}
import custom/*.server
import custom/*.missing
`,
		"/etc/coredns/more/b.override", "cache 30\nlog",
		"/etc/coredns/more/a.override", "hosts {\n 192.0.2.2 b.example.org\n}",
		"/etc/coredns/custom/f.server", "a.example, \n b.example {\n forward . 192.0.2.3\n import common\n}\n",
		"/etc/coredns/custom/f.conf", "never {\n}")
	if diff := cmp.Diff([]string{"/etc/elsewhere/x", "custom/*.missing"}, f.Unseen); diff != "" {
		t.Error(diff)
	}
	var got []string
	for _, s := range f.Servers {
		line := s.String() + ":"
		for _, p := range s.Plugins {
			line += " " + p.Name
		}
		got = append(got, line)
	}
	want := []string{".:53: errors hosts cache log forward",
		"a.example:53 b.example:53: forward errors hosts cache log"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRefused(t *testing.T) {
	for name, src := range map[string]corefile.Source{
		"is not known": {Path: "/Corefile", Files: map[string]string{"/other": ""}},
		"no name":      {Path: "/Corefile", Files: map[string]string{"/Corefile": "{\n errors\n}"}},
		"imports":      {Path: "/Corefile", Files: map[string]string{"/Corefile": "import Corefile"}},
	} {
		if _, err := corefile.Parse(src); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v: the error is %v", src, err)
		}
	}
}

func TestDenialTTL(t *testing.T) {
	for text, want := range map[string]int{
		"cache":    1800,
		"cache 30": 30,
		"cache 30 cluster.local {\n denial 9984 5\n}": 5,
		"cache {\n denial 9984\n}":                    1800,
		"cache {\n disable denial cluster.local\n}":   0,
		"cache {\n disable denial example.com\n}":     1800,
		"cache 30 example.com":                        -1,
		"errors":                                      -1,
	} {
		f := parse(t, "/etc/coredns/Corefile", "cluster.local {\n"+text+"\n}")
		got, ok := f.Servers[0].DenialTTL("svc.cluster.local")
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q keeps denials for %d s, not %d", text, got, want)
		}
	}
}

// What members hold is not trusted: nothing in a Corefile may stop the program.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		kubeadm, "import *", "a, b,\n{\n", "}\n}\n{ a {", "(x) {\nimport x\n}\n. {\nimport x\n}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := corefile.Parse(corefile.Source{Path: "/c", Files: map[string]string{"/c": text, "/d": "x y"}})
		if err != nil {
			return
		}
		for i := range file.Servers {
			s := &file.Servers[i]
			_, _ = s.DenialTTL("a.b")
			_, _, _ = s.Federation(), s.Forwards("a.b"), s.String()
		}
		_, _ = file.Route("a.b", "53"), file.MetricsPort()
	})
}
