package federation

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

var (
	referenceLabel    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`) // DNS-1123
	referenceEndpoint = regexp.MustCompile(`^[-a-z0-9]+$`)                    // --1 is ::1
	referencePort     = regexp.MustCompile(`^_[-a-z0-9]*$`)
)

// reference is Q3's matcher, written to be obvious: it splits the name.
func reference(name string) (s shape, prefix, key string) {
	labels := dns.SplitDomainName(strings.ToLower(name))
	n := len(labels) - 3
	if n < 1 || strings.Join(labels[n:], ".") != "svc.cluster.local" || labels[n-1] != "myfed" {
		return shapeNone, "", ""
	}
	left := labels[:n-1]
	label := func(labels ...string) bool {
		return !slices.ContainsFunc(labels, func(l string) bool { return !referenceLabel.MatchString(l) })
	}
	switch {
	case len(left) == 0:
		return shapeBare, "", ""
	case len(left) == 1 && label(left[0]):
		return shapeNamespace, "", ""
	case len(left) == 2 && label(left...):
		return shapeService, "", strings.Join(left, ".")
	case len(left) == 3 && referenceEndpoint.MatchString(left[0]) && label(left[1:]...):
		return shapeEndpoint, left[0] + ".", strings.Join(left[1:], ".")
	case len(left) == 4 && referencePort.MatchString(left[0]) && referencePort.MatchString(left[1]) &&
		label(left[2:]...):
		return shapePort, left[0] + "." + left[1] + ".", strings.Join(left[2:], ".")
	}
	return shapeNone, "", ""
}

func FuzzMatch(f *testing.F) {
	for _, name := range []string{
		"s.n.myfed.svc.cluster.local.", "S.N.MyFed.svc.cluster.LOCAL.", "myfed.svc.cluster.local.",
		"n.myfed.svc.cluster.local.",
		"_p._t.s.n.myfed.svc.cluster.local.", "_p._t.s.myfed.svc.cluster.local.", "e.s.n.myfed.svc.cluster.local.",
		`a\.b.n.myfed.svc.cluster.local.`,
		"s.n.other.svc.cluster.local.", "xmyfed.svc.cluster.local.", "s.n.myfed.svc.cluster.local.example.com.", ".",
		"svc.cluster.local.", `\046.n.myfed.svc.cluster.local.`,
		"-s.n.myfed.svc.cluster.local.", "s-.n.myfed.svc.cluster.local.", "s.n_.myfed.svc.cluster.local.",
		"s/t.n.myfed.svc.cluster.local.",
		"--1.s.n.myfed.svc.cluster.local.", "_p.t.s.n.myfed.svc.cluster.local.", "_p._t._s.n.myfed.svc.cluster.local.",
		"_p_._t.s.n.myfed.svc.cluster.local.",
	} {
		f.Add(name)
	}
	p := newPlugin(f, newCluster(), nil, usualKubernetes, usualFederation)
	f.Fuzz(func(t *testing.T, name string) {
		// Names as the DNS library hands them over: unpacked from a message.
		buf := make([]byte, 300)
		n, err := dns.PackDomainName(dns.Fqdn(name), buf, 0, nil, false)
		if err != nil || n > 255 {
			return
		}
		if name, _, err = dns.UnpackDomainName(buf[:n], 0); err != nil {
			return
		}
		r := new(dns.Msg)
		r.SetQuestion(name, dns.TypeA)
		var m match
		ours := p.matches(r, &m)
		s, prefix, key := reference(name)
		if ours != (s != shapeNone) || ours && (m.shape != s || m.prefix != prefix || m.key != key) {
			t.Errorf("%q: got %t %d %q %q, want %d %q %q", name, ours, m.shape, m.prefix, m.key, s, prefix, key)
		}
	})
}

func FuzzServeDNS(f *testing.F) {
	for _, name := range []string{"healthy.ns.myfed.svc.cluster.local.", "DEAD.ns.myfed.svc.cluster.local.",
		"x.gone.ns.myfed.svc.cluster.local.", "myfed.svc.cluster.local."} {
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeSRV, dns.TypeANY, dns.TypeCNAME, dns.TypeSOA} {
			m := new(dns.Msg)
			m.SetQuestion(name, qtype)
			m.SetEdns0(1232, true)
			b, err := m.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	p := newPlugin(f, newCluster(), newRecords(f, published...), usualKubernetes, usualFederation)
	f.Fuzz(func(t *testing.T, wire []byte) {
		r := new(dns.Msg)
		if r.Unpack(wire) != nil || len(r.Question) != 1 || r.Response {
			return // the server answers these itself
		}
		var m match
		if !p.matches(r, &m) {
			return
		}
		reply := exchange(t, p, r) // checks one reply, that packs, and the request unchanged
		for i, rr := range reply.Answer {
			if i == 0 && rr.Header().Name != r.Question[0].Name {
				t.Errorf("%s: first owner %q", question(r), rr.Header().Name)
			}
		}
	})
}

func BenchmarkNotOurs(b *testing.B) {
	p := newPlugin(b, newCluster(), nil, usualKubernetes, usualFederation)
	for _, name := range []string{"healthy.ns.svc.cluster.local.", "www.example.org."} {
		b.Run(name, func(b *testing.B) {
			r := new(dns.Msg)
			r.SetQuestion(name, dns.TypeA)
			b.ReportAllocs()
			for b.Loop() {
				p.candidate(r)
			}
		})
	}
}
