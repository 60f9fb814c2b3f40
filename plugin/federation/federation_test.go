package federation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coredns/coredns/plugin/test"

	"github.com/miekg/dns"
)

// published is what the syncer keeps: nothing at zone1 for "up", a CNAME at zone1 and region1 for "dead", whose global
// level has addresses.
var published = []string{
	"dead.ns.myfed.svc.zone1.example.com. 180 IN CNAME dead.ns.myfed.svc.region1.example.com.",
	"dead.ns.myfed.svc.region1.example.com. 180 IN CNAME dead.ns.myfed.svc.example.com.",
	"dead.ns.myfed.svc.example.com. 180 IN A 203.0.113.1",
	"dead.ns.myfed.svc.example.com. 180 IN AAAA 2001:db8::1",
	"gone.ns.myfed.svc.zone1.example.com. 180 IN CNAME gone.ns.myfed.svc.region1.example.com.",
	"gone.ns.myfed.svc.region1.example.com. 180 IN CNAME gone.ns.myfed.svc.example.com.",
	"up.ns.myfed.svc.example.com. 180 IN A 203.0.113.2",
	"four.ns.myfed.svc.zone1.example.com. 180 IN A 203.0.113.4",
}

const (
	deadChain = "CNAME dead.ns.myfed.svc.zone1.example.com.; " +
		"dead.ns.myfed.svc.zone1.example.com. CNAME dead.ns.myfed.svc.region1.example.com.; " +
		"dead.ns.myfed.svc.region1.example.com. CNAME dead.ns.myfed.svc.example.com.; "
)

func TestAnswers(t *testing.T) {
	for _, tc := range []struct {
		rule  string
		name  string
		qtype uint16
		want  string
	}{
		{"N1 S.N.F.svc.Z", "healthy.ns.myfed.svc.cluster.local.", dns.TypeA,
			"NOERROR; healthy.ns.myfed.svc.cluster.local. A 10.0.0.1"},
		{"N1 _port._proto.S.N.F.svc.Z", "_http._tcp.healthy.ns.myfed.svc.cluster.local.", dns.TypeSRV,
			"NOERROR; _http._tcp.healthy.ns.myfed.svc.cluster.local. SRV 0 100 80 healthy.ns.svc.cluster.local."},
		{"N1 endpoint.S.N.F.svc.Z", "one.headless.ns.myfed.svc.cluster.local.", dns.TypeA,
			"NOERROR; one.headless.ns.myfed.svc.cluster.local. A 172.0.0.1"},
		{"N1 without svc", "healthy.ns.myfed.cluster.local.", dns.TypeA, "NXDOMAIN; soa cluster.local."},
		{"Q3 not a federation", "healthy.ns.svc.cluster.local.", dns.TypeA,
			"NOERROR; healthy.ns.svc.cluster.local. A 10.0.0.1"},
		{"Q3 another zone", "healthy.ns.myfed.svc.example.net.", dns.TypeA, "REFUSED"},
		{"Q3 pod names", "1-2-3-4.ns.myfed.pod.cluster.local.", dns.TypeA, "NXDOMAIN; soa cluster.local."},
		{"Q3 three labels with an underscore are SRV of a Service in namespace myfed",
			"_http._tcp.x.myfed.svc.cluster.local.", dns.TypeSRV, "NXDOMAIN; soa cluster.local."},
		{"Q3 longer names", "a.b.c.healthy.ns.myfed.svc.cluster.local.", dns.TypeA, "NXDOMAIN; soa cluster.local."},
		{"Q3 wildcards", "*.ns.myfed.svc.cluster.local.", dns.TypeA, "NXDOMAIN; soa cluster.local."},
		{"Q3 escapes", `hea\.lthy.ns.myfed.svc.cluster.local.`, dns.TypeA, "NXDOMAIN; soa cluster.local."},
		{"Q3 the answer echoes the question's case", "HeaLthy.nS.MyFed.sVc.Cluster.LOCAL.", dns.TypeA,
			"NOERROR; HeaLthy.nS.MyFed.sVc.Cluster.LOCAL. A 10.0.0.1"},
		{"Q3 and the CNAME's target is lower case", "DEAD.ns.MYFED.svc.cluster.local.", dns.TypeCNAME,
			"NOERROR; DEAD.ns.MYFED.svc.cluster.local. CNAME dead.ns.myfed.svc.zone1.example.com."},
		{"Q4c the bare federation is NODATA", "myfed.svc.cluster.local.", dns.TypeA, "NOERROR; soa cluster.local."},
		{"Q4c a namespace that exists is NODATA", "ns.myfed.svc.cluster.local.", dns.TypeA,
			"NOERROR; soa cluster.local."},
		{"Q4c a namespace that does not is passed on", "www.myfed.svc.cluster.local.", dns.TypeA,
			"NXDOMAIN; soa cluster.local."},
		{"Q5 no endpoints", "dead.ns.myfed.svc.cluster.local.", dns.TypeA,
			"NOERROR; dead.ns.myfed.svc.cluster.local. " + deadChain + "dead.ns.myfed.svc.example.com. A 203.0.113.1"},
		{"Q5 none ready", "notready.ns.myfed.svc.cluster.local.", dns.TypeCNAME,
			"NOERROR; notready.ns.myfed.svc.cluster.local. CNAME notready.ns.myfed.svc.zone1.example.com."},
		{"Q5 ready in one of several slices", "severalslices.ns.myfed.svc.cluster.local.", dns.TypeA,
			"NOERROR; severalslices.ns.myfed.svc.cluster.local. A 10.0.0.3"},
		{"Q5 no Service", "four.ns.myfed.svc.cluster.local.", dns.TypeA,
			"NOERROR; four.ns.myfed.svc.cluster.local. CNAME four.ns.myfed.svc.zone1.example.com.; " +
				"four.ns.myfed.svc.zone1.example.com. A 203.0.113.4"},
		{"Q6 AAAA of an IPv4-only Service is NODATA", "healthy.ns.myfed.svc.cluster.local.", dns.TypeAAAA,
			"NOERROR; soa cluster.local."},
		{"Q6 dual stack A", "dual.ns.myfed.svc.cluster.local.", dns.TypeA,
			"NOERROR; dual.ns.myfed.svc.cluster.local. A 10.0.0.2"},
		{"Q6 dual stack AAAA", "dual.ns.myfed.svc.cluster.local.", dns.TypeAAAA,
			"NOERROR; dual.ns.myfed.svc.cluster.local. AAAA fd00::2"},
		{"Q6 IPv6-only", "six.ns.myfed.svc.cluster.local.", dns.TypeA, "NOERROR; soa cluster.local."},
		{"Q6 SRV", "_http._tcp.healthy.ns.myfed.svc.cluster.local.", dns.TypeSRV,
			"NOERROR; _http._tcp.healthy.ns.myfed.svc.cluster.local. SRV 0 100 80 healthy.ns.svc.cluster.local."},
		{"Q6 headless", "headless.ns.myfed.svc.cluster.local.", dns.TypeA,
			"NOERROR; headless.ns.myfed.svc.cluster.local. A 172.0.0.1; " +
				"headless.ns.myfed.svc.cluster.local. A 172.0.0.2"},
		{"Q6 endpoint name", "one.headless.ns.myfed.svc.cluster.local.", dns.TypeA,
			"NOERROR; one.headless.ns.myfed.svc.cluster.local. A 172.0.0.1"},
		{"Q6 an endpoint name that does not exist", "six.headless.ns.myfed.svc.cluster.local.", dns.TypeA,
			"NXDOMAIN; soa cluster.local."},
		{"Q6 MX has no data", "healthy.ns.myfed.svc.cluster.local.", dns.TypeHTTPS, "NOERROR; soa cluster.local."},
		{"Q6 CNAME of a healthy name has no data", "healthy.ns.myfed.svc.cluster.local.", dns.TypeCNAME,
			"NOERROR; soa cluster.local."},
		{"Q7a every type is a CNAME", "dead.ns.myfed.svc.cluster.local.", dns.TypeMX,
			"NOERROR; dead.ns.myfed.svc.cluster.local. " + strings.TrimSuffix(deadChain, "; ") + "; soa example.com."},
		{"Q7a the prefix is kept", "_http._tcp.dead.ns.myfed.svc.cluster.local.", dns.TypeCNAME,
			"NOERROR; _http._tcp.dead.ns.myfed.svc.cluster.local. CNAME " +
				"_http._tcp.dead.ns.myfed.svc.zone1.example.com."},
		{"Q7a so is the endpoint's", "one.headlessdead.ns.myfed.svc.cluster.local.", dns.TypeCNAME,
			"NOERROR; one.headlessdead.ns.myfed.svc.cluster.local. CNAME " +
				"one.headlessdead.ns.myfed.svc.zone1.example.com."},
		{"Q7b a level without a name leads to the next", "up.ns.myfed.svc.cluster.local.", dns.TypeA,
			"NOERROR; up.ns.myfed.svc.cluster.local. CNAME up.ns.myfed.svc.example.com.; " +
				"up.ns.myfed.svc.example.com. A 203.0.113.2"},
		{"Q7b none exists: the first asked", "nowhere.ns.myfed.svc.cluster.local.", dns.TypeA,
			"NXDOMAIN; nowhere.ns.myfed.svc.cluster.local. CNAME nowhere.ns.myfed.svc.zone1.example.com.; " +
				"soa example.com."},
		{"Q7c SRV has no record at the levels", "_http._tcp.dead.ns.myfed.svc.cluster.local.", dns.TypeSRV,
			"NXDOMAIN; _http._tcp.dead.ns.myfed.svc.cluster.local. CNAME " +
				"_http._tcp.dead.ns.myfed.svc.zone1.example.com.; soa example.com."},
		{"Q8b NXDOMAIN at the end of the chain", "gone.ns.myfed.svc.cluster.local.", dns.TypeA,
			"NXDOMAIN; gone.ns.myfed.svc.cluster.local. CNAME gone.ns.myfed.svc.zone1.example.com.; " +
				"gone.ns.myfed.svc.zone1.example.com. CNAME gone.ns.myfed.svc.region1.example.com.; " +
				"gone.ns.myfed.svc.region1.example.com. CNAME gone.ns.myfed.svc.example.com.; soa example.com."},
		{"Q8b NODATA at the end of the chain", "four.ns.myfed.svc.cluster.local.", dns.TypeAAAA,
			"NOERROR; four.ns.myfed.svc.cluster.local. CNAME four.ns.myfed.svc.zone1.example.com.; soa example.com."},
		{"Q8b type CNAME is not followed", "dead.ns.myfed.svc.cluster.local.", dns.TypeCNAME,
			"NOERROR; dead.ns.myfed.svc.cluster.local. CNAME dead.ns.myfed.svc.zone1.example.com."},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			f := newPlugin(t, newCluster(), newRecords(t, published...), usualKubernetes, usualFederation)
			if got := short(ask(t, f, tc.name, tc.qtype)); got != tc.want {
				t.Errorf("%s %s\n got %s\nwant %s", tc.name, dns.TypeToString[tc.qtype], got, tc.want)
			}
		})
	}
}

func TestCollisions(t *testing.T) {
	c := newCluster()
	c.namespaces["myfed"] = true
	c.service("com.myfed", "10.0.1.1") // a Service whose pods are google.com.myfed
	c.service("ns.other", "10.0.1.2")
	f := newPlugin(t, c, newRecords(t, published...), usualKubernetes, usualFederation)
	for _, tc := range []struct{ rule, name, want string }{
		{"Q4a a Service N in namespace F has the name", "google.com.myfed.svc.cluster.local.",
			"NXDOMAIN; soa cluster.local."},
		{"Q4a no such Service, and namespace N exists", "healthy.ns.myfed.svc.cluster.local.",
			"NOERROR; healthy.ns.myfed.svc.cluster.local. A 10.0.0.1"},
		{"Q4a nor namespace N", "google.net.myfed.svc.cluster.local.", "NXDOMAIN; soa cluster.local."},
		{"Q4a endpoint names only of Services here", "x.gone.ns.myfed.svc.cluster.local.",
			"NXDOMAIN; soa cluster.local."},
		{"Q4a an endpoint name of a Service here", "one.headless.ns.myfed.svc.cluster.local.",
			"NOERROR; one.headless.ns.myfed.svc.cluster.local. A 172.0.0.1"},
		{"Q4c a Service in namespace F keeps its name", "com.myfed.svc.cluster.local.",
			"NOERROR; com.myfed.svc.cluster.local. A 10.0.1.1"},
		{"Q4c the namespace F is Kubernetes'", "myfed.svc.cluster.local.", "NOERROR; soa cluster.local."},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			if got := short(ask(t, f, tc.name, dns.TypeA)); got != tc.want {
				t.Errorf("%s\n got %s\nwant %s", tc.name, got, tc.want)
			}
		})
	}
	for _, name := range []string{"internal", "local", "lan", "home", "corp", "localdomain", "test"} {
		t.Run("Q4b "+name+", which outside names end in, is expanded for existing namespaces only", func(t *testing.T) {
			f := newPlugin(t, newCluster(), newRecords(t, "x.ns."+name+".svc.example.com. 5 IN A 203.0.113.3"),
				usualKubernetes, "federation {\n "+name+" example.com\n}")
			up := f.chaser.upstream.(*records)
			for _, outside := range []string{"metadata.google.", "ip-10-0-0-1.ec2.", "printer.office.",
				"_ldap._tcp.dc.acme."} {
				if got, want := short(ask(t, f, outside+name+".svc.cluster.local.", dns.TypeA)),
					"NXDOMAIN; soa cluster.local."; got != want {
					t.Errorf("%s:\n got %s\nwant %s", outside, got, want)
				}
			}
			if n := up.asked.Load(); n > 0 {
				t.Errorf("%d lookups of outside names", n)
			}
			if got, want := short(ask(t, f, "x.ns."+name+".svc.cluster.local.", dns.TypeA)),
				" A 203.0.113.3"; !strings.HasSuffix(got, want) {
				t.Errorf("name of a namespace here: %s", got)
			}
		})
	}
	t.Run("Q4b a federation with the name of a top-level domain", func(t *testing.T) {
		f := newPlugin(t, newCluster(), newRecords(t, "x.ns.dev.svc.example.com. 5 IN A 203.0.113.3"), usualKubernetes,
			"federation {\n dev example.com\n}")
		if got, want := short(ask(t, f, "pkg.go.dev.svc.cluster.local.", dns.TypeA)),
			"NXDOMAIN; soa cluster.local."; got != want {
			t.Errorf("outside name:\n got %s\nwant %s", got, want)
		}
		if got, want := short(ask(t, f, "x.ns.dev.svc.cluster.local.", dns.TypeA)),
			"NOERROR; x.ns.dev.svc.cluster.local. CNAME x.ns.dev.svc.example.com.; "+
				"x.ns.dev.svc.example.com. A 203.0.113.3"; got != want {
			t.Errorf("name of a namespace here:\n got %s\nwant %s", got, want)
		}
	})
}

func TestLocal(t *testing.T) {
	t.Run("Q5 a namespace that is not exposed", func(t *testing.T) {
		f := newPlugin(t, newCluster(), newRecords(t, published...), usualKubernetes+" {\n namespaces ns\n}",
			usualFederation)
		got := short(ask(t, f, "hidden.secret.myfed.svc.cluster.local.", dns.TypeCNAME))
		if want := "NOERROR; hidden.secret.myfed.svc.cluster.local. CNAME " +
			"hidden.secret.myfed.svc.zone1.example.com."; got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
	t.Run("Q5 ExternalName is healthy when it exists", func(t *testing.T) {
		f := newPlugin(t, newCluster(), newRecords(t, "www.example.net. 60 IN A 192.0.2.80"), usualKubernetes,
			usualFederation)
		got := short(ask(t, f, "external.ns.myfed.svc.cluster.local.", dns.TypeA))
		if want := "NOERROR; external.ns.myfed.svc.cluster.local. CNAME www.example.net.; " +
			"www.example.net. A 192.0.2.80"; got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
	t.Run("Q11 only records of the delegated name are renamed", func(t *testing.T) {
		f := newPlugin(t, newCluster(), newRecords(t, "www.example.net. 60 IN CNAME host.example.net.",
			"host.example.net. 60 IN A 192.0.2.80"), usualKubernetes, usualFederation)
		m := ask(t, f, "external.ns.myfed.svc.cluster.local.", dns.TypeA)
		var owners []string
		for _, rr := range m.Answer {
			owners = append(owners, rr.Header().Name)
		}
		if want := []string{"external.ns.myfed.svc.cluster.local.", "www.example.net.",
			"host.example.net."}; !slices.Equal(owners, want) {
			t.Errorf("owners %q, want %q", owners, want)
		}
	})
	t.Run("Q6 the additional section of SRV is not renamed", func(t *testing.T) {
		f := newPlugin(t, newCluster(), nil, usualKubernetes, usualFederation)
		m := ask(t, f, "_http._tcp.healthy.ns.myfed.svc.cluster.local.", dns.TypeSRV)
		if len(m.Extra) != 1 || m.Extra[0].Header().Name != "healthy.ns.svc.cluster.local." {
			t.Errorf("additional section: %v", m.Extra)
		}
	})
	t.Run("Q6 a Service that vanishes on the way is decided on again", func(t *testing.T) {
		c := newCluster()
		c.service("vanishing.ns", "None")
		c.slice("vanishing.ns", "172.0.0.5")
		looks := 0
		c.beforeEndpoints = func() {
			if looks++; looks == 2 {
				delete(c.services, "vanishing.ns")
				delete(c.endpoints, "vanishing.ns")
			}
		}
		f := newPlugin(t, c, newRecords(t), usualKubernetes, usualFederation)
		got := short(ask(t, f, "_http._tcp.vanishing.ns.myfed.svc.cluster.local.", dns.TypeSRV))
		if want := "NXDOMAIN; _http._tcp.vanishing.ns.myfed.svc.cluster.local. CNAME " +
			"_http._tcp.vanishing.ns.myfed.svc.zone1.example.com."; !strings.HasPrefix(got, want) || looks < 2 {
			t.Errorf("got %s after %d looks\nwant %s", got, looks, want)
		}
	})
	t.Run("Q9 not synced", func(t *testing.T) {
		c := newCluster()
		c.unsynced.Store(true)
		f := newPlugin(t, c, nil, usualKubernetes, usualFederation)
		r := new(dns.Msg)
		r.SetQuestion("healthy.ns.myfed.svc.cluster.local.", dns.TypeA)
		r.SetEdns0(1232, false)
		m := exchange(t, f, r)
		if m.Rcode != dns.RcodeServerFailure || f.Ready() {
			t.Errorf("rcode %d, ready %t", m.Rcode, f.Ready())
		}
		t.Run("Q14 with an extended error", func(t *testing.T) {
			opt := m.IsEdns0()
			if opt == nil || len(opt.Option) != 1 ||
				opt.Option[0].(*dns.EDNS0_EDE).InfoCode != dns.ExtendedErrorCodeNotReady {
				t.Errorf("OPT: %v", opt)
			}
		})
		c.unsynced.Store(false)
		if m := exchange(t, f, r); m.Rcode != dns.RcodeSuccess || !f.Ready() {
			t.Errorf("after the sync: rcode %d, ready %t", m.Rcode, f.Ready())
		}
	})
	t.Run("Q11 a reply that cannot be packed becomes SERVFAIL", func(t *testing.T) {
		f := newPlugin(t, newCluster(), nil, usualKubernetes, usualFederation)
		w := &countingWriter{ResponseWriter: &test.ResponseWriter{}}
		a := &answerer{f: f, ctx: context.Background(), w: w,
			r: new(dns.Msg).SetQuestion("healthy.ns.myfed.svc.cluster.local.", dns.TypeA)}
		bad := a.newReply(dns.RcodeSuccess)
		bad.Answer = []dns.RR{&dns.CNAME{Hdr: dns.RR_Header{Name: "..", Rrtype: dns.TypeCNAME, Class: dns.ClassINET},
			Target: "."}}
		w.fail = errors.New("pack")
		_ = a.write(bad)
		if w.written != 2 || a.result != resultServFail {
			t.Errorf("%d messages, result %q", w.written, a.result)
		}
	})
	t.Run("Q11 an error of the network is not answered again", func(t *testing.T) {
		f := newPlugin(t, newCluster(), nil, usualKubernetes, usualFederation)
		w := &countingWriter{ResponseWriter: &test.ResponseWriter{}, fail: errors.New("broken pipe")}
		r := new(dns.Msg).SetQuestion("healthy.ns.myfed.svc.cluster.local.", dns.TypeA)
		if _, err := f.ServeDNS(context.Background(), w, r); err != nil || w.written != 1 {
			t.Errorf("%d messages, %v", w.written, err)
		}
	})
}

func TestLevels(t *testing.T) {
	up := newRecords(t, published...)
	for _, tc := range []struct{ rule, directive, want string }{
		{"Q7a no topology: global", "federation {\n myfed example.com\n}", "up.ns.myfed.svc.example.com."},
		{"Q7a region only", "federation {\n myfed example.com\n topology region1\n}",
			"up.ns.myfed.svc.region1.example.com."},
		{"N3 nested", "federation {\n myfed example.com\n topology region1 zone1\n naming nested\n}",
			"up.ns.myfed.svc.zone1.region1.example.com."},
		{"N5 a topology zone named like its region", "federation {\n myfed example.com\n topology one one\n}",
			"up.ns.myfed.svc.one.example.com."},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			f := newPlugin(t, newCluster(), up, usualKubernetes, tc.directive)
			m := ask(t, f, "up.ns.myfed.svc.cluster.local.", dns.TypeCNAME)
			if got := m.Answer[0].(*dns.CNAME).Target; got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
	t.Run("Q7b a level that exists without such an address is the answer", func(t *testing.T) {
		records := newRecords(t, "mixed.ns.myfed.svc.zone1.example.com. 180 IN A 203.0.113.4",
			"mixed.ns.myfed.svc.region1.example.com. 180 IN AAAA 2001:db8::4")
		f := newPlugin(t, newCluster(), records, usualKubernetes, usualFederation)
		got := short(ask(t, f, "mixed.ns.myfed.svc.cluster.local.", dns.TypeAAAA))
		if want := "NOERROR; mixed.ns.myfed.svc.cluster.local. CNAME mixed.ns.myfed.svc.zone1.example.com.; " +
			"soa example.com."; got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
	for _, name := range []string{"dead", "_http._tcp.healthy", "healthy", "nowhere"} {
		t.Run("Q11 the request of "+name+" is as it was", func(t *testing.T) {
			r := new(dns.Msg).SetQuestion(name+".ns.MyFed.svc.cluster.local.", dns.TypeSRV)
			r.SetEdns0(1232, true)
			before := r.Copy()
			f := newPlugin(t, newCluster(), up, usualKubernetes, usualFederation)
			if _, err := f.ServeDNS(t.Context(), &test.ResponseWriter{}, r); err != nil {
				t.Fatal(err)
			}
			if before.String() != r.String() {
				t.Errorf("it is %s", r)
			}
		})
	}
	t.Run("Q14 a client without OPT gets none", func(t *testing.T) {
		c := newCluster()
		c.unsynced.Store(true)
		m := ask(t, newPlugin(t, c, nil, usualKubernetes, usualFederation), "dead.ns.myfed.svc.cluster.local.",
			dns.TypeA)
		if m.Rcode != dns.RcodeServerFailure || m.IsEdns0() != nil {
			t.Errorf("%s", m)
		}
	})
	t.Run("Q7b with no_chase it is always the first level", func(t *testing.T) {
		f := newPlugin(t, newCluster(), up, usualKubernetes,
			"federation {\n myfed example.com\n topology region1 zone1\n no_chase\n}")
		got := short(ask(t, f, "up.ns.myfed.svc.cluster.local.", dns.TypeA))
		if want := "NOERROR; up.ns.myfed.svc.cluster.local. CNAME up.ns.myfed.svc.zone1.example.com."; got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
	t.Run("N6 a target longer than a name can be is never sent", func(t *testing.T) {
		long := strings.Repeat("d", 60)
		f := newPlugin(t, newCluster(), nil, usualKubernetes,
			"federation {\n myfed "+long+"."+long+"."+long+".example.com\n topology "+long+"\n no_chase\n}")
		if m := ask(t, f, "dead.ns.myfed.svc.cluster.local.", dns.TypeA); m.Rcode != dns.RcodeServerFailure {
			t.Errorf("got %s", short(m))
		}
	})
	t.Run("Q7a TTL", func(t *testing.T) {
		for directive, want := range map[string]uint32{
			"federation {\n myfed example.com\n}": 5, "federation {\n myfed example.com\n ttl 17\n}": 17,
		} {
			f := newPlugin(t, newCluster(), up, usualKubernetes, directive)
			m := ask(t, f, "up.ns.myfed.svc.cluster.local.", dns.TypeCNAME)
			if got := m.Answer[0].Header().Ttl; got != want {
				t.Errorf("%q: TTL %d, want %d", directive, got, want)
			}
		}
	})
}

func TestChase(t *testing.T) {
	const name, first = "dead.ns.myfed.svc.cluster.local.", "dead.ns.myfed.svc.zone1.example.com."
	servfail := func(t *testing.T, up *records) {
		t.Helper()
		f := newPlugin(t, newCluster(), up, usualKubernetes, usualFederation)
		if m := ask(t, f, name, dns.TypeA); m.Rcode != dns.RcodeServerFailure || len(m.Answer) > 0 {
			t.Errorf("got %s, want SERVFAIL", short(m))
		}
	}
	t.Run("Q8a a reply that ends in a CNAME is asked on", func(t *testing.T) {
		f := newPlugin(t, newCluster(), stepwise{newRecords(t, published...)}, usualKubernetes, usualFederation)
		got := short(ask(t, f, name, dns.TypeA))
		if want := "NOERROR; " + name + " " + deadChain + "dead.ns.myfed.svc.example.com. A 203.0.113.1"; got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
	t.Run("Q8a loop", func(t *testing.T) {
		servfail(t, newRecords(t, first+" 5 IN CNAME a.example.net.", "a.example.net. 5 IN CNAME "+first))
	})
	t.Run("Q8a eight links are followed, nine are not", func(t *testing.T) {
		lines := []string{first + " 5 IN CNAME n2.example.net."}
		for _, n := range "2345678" {
			lines = append(lines, "n"+string(n)+".example.net. 5 IN CNAME n"+string(n+1)+".example.net.")
		}
		eight := newRecords(t, append(lines, "n9.example.net. 5 IN A 203.0.113.9")...)
		f := newPlugin(t, newCluster(), eight, usualKubernetes, usualFederation)
		if m := ask(t, f, name, dns.TypeA); m.Rcode != dns.RcodeSuccess || len(m.Answer) != 10 {
			t.Errorf("eight: %s", short(m))
		}
		servfail(t, newRecords(t, append(lines, "n9.example.net. 5 IN CNAME n0.example.net.",
			"n0.example.net. 5 IN A 203.0.113.9")...))
	})
	t.Run("Q8a 3 s for all levels together", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			up := newRecords(t)
			up.silent[first] = true
			start := time.Now()
			servfail(t, up)
			if took := time.Since(start); took != 3*time.Second {
				t.Errorf("took %s", took)
			}
		})
	})
	t.Run("Q8a beyond 1,000 at once", func(t *testing.T) {
		up := newRecords(t, published...)
		f := newPlugin(t, newCluster(), up, usualKubernetes, usualFederation)
		hold := make(chan struct{})
		defer close(hold)
		for i := range 1000 {
			if f.chaser.start(lookupKey{name: fmt.Sprint(i)}, fmt.Sprint("client", i),
				func() (*dns.Msg, error) { <-hold; return nil, nil }) == nil {
				t.Fatalf("lookup %d is refused", i)
			}
		}
		if m := ask(t, f, name, dns.TypeA); m.Rcode != dns.RcodeServerFailure || up.asked.Load() > 0 {
			t.Errorf("got %s after %d lookups", short(m), up.asked.Load())
		}
	})
	t.Run("Q8a a slot is held until the lookup returns", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			up := newRecords(t, published...)
			up.block = make(chan struct{})
			f := newPlugin(t, newCluster(), up, usualKubernetes, usualFederation)
			if m := ask(t, f, name, dns.TypeA); m.Rcode != dns.RcodeServerFailure {
				t.Errorf("got %s", short(m))
			}
			if held, _, _ := inUse(f, ""); held != 1 {
				t.Errorf("%d slots held while the lookup runs, want 1", held)
			}
			close(up.block)
			synctest.Wait()
			if f.chaser.slots != 0 || len(f.chaser.slotsByClient) != 0 || len(f.chaser.running) != 0 {
				t.Errorf("%d slots held after it, %v, %d running", f.chaser.slots, f.chaser.slotsByClient,
					len(f.chaser.running))
			}
		})
	})
	t.Run("Q8b SERVFAIL", func(t *testing.T) {
		up := newRecords(t, published...)
		up.rcode[first] = dns.RcodeServerFailure
		servfail(t, up)
	})
	t.Run("Q8b nil message", func(t *testing.T) {
		up := newRecords(t)
		up.lost[first] = true
		servfail(t, up)
	})
	t.Run("Q8b AD is cleared, TC passed on, the upstream's OPT dropped", func(t *testing.T) {
		f := newPlugin(t, newCluster(), changed{newRecords(t, published...),
			func(m *dns.Msg) { m.Truncated = true; m.SetEdns0(4096, true) }}, usualKubernetes, usualFederation)
		m := ask(t, f, name, dns.TypeA)
		if m.AuthenticatedData || !m.Truncated || len(m.Extra) > 0 {
			t.Errorf("AD %t, TC %t, additional %v", m.AuthenticatedData, m.Truncated, m.Extra)
		}
	})
	t.Run("Q8c negative answers are kept for a moment", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			up := newRecords(t)
			f := newPlugin(t, newCluster(), up, usualKubernetes, usualFederation)
			ask(t, f, name, dns.TypeA)
			asked := up.asked.Load()
			ask(t, f, name, dns.TypeA)
			if up.asked.Load() != asked {
				t.Errorf("asked again at once: %d lookups, then %d", asked, up.asked.Load())
			}
			time.Sleep(5 * time.Second) // the clock of synctest
			ask(t, f, name, dns.TypeA)
			if up.asked.Load() == asked {
				t.Error("never asked again")
			}
		})
	})
	t.Run("Q8c nor longer than 5 s", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			up := newRecords(t)
			f := newPlugin(t, newCluster(), changed{up, func(m *dns.Msg) {
				long := dns.Copy(soa).(*dns.SOA)
				long.Minttl, long.Hdr.Ttl = 300, 300
				m.Ns = []dns.RR{long}
			}}, usualKubernetes, usualFederation)
			ask(t, f, name, dns.TypeA)
			asked := up.asked.Load()
			time.Sleep(5 * time.Second)
			ask(t, f, name, dns.TypeA)
			if up.asked.Load() == asked {
				t.Error("not asked again")
			}
		})
	})
	t.Run("Q8c no longer than the SOA says", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			up := newRecords(t)
			f := newPlugin(t, newCluster(), changed{up, func(m *dns.Msg) {
				brief := dns.Copy(soa).(*dns.SOA)
				brief.Minttl = 1
				m.Ns = []dns.RR{brief}
			}}, usualKubernetes, usualFederation)
			ask(t, f, name, dns.TypeA)
			asked := up.asked.Load()
			time.Sleep(time.Second)
			ask(t, f, name, dns.TypeA)
			if up.asked.Load() == asked {
				t.Error("not asked again")
			}
		})
	})
	own := func(t *testing.T, lines ...string) string {
		c := newCluster()
		c.services["dead.ns"].ExternalIPs = []string{"203.0.113.99", "2001:db8::99"}
		return short(ask(t, newPlugin(t, c, newRecords(t, lines...), usualKubernetes, usualFederation), name,
			dns.TypeA))
	}
	const region, global = "dead.ns.myfed.svc.region1.example.com.", "dead.ns.myfed.svc.example.com."
	t.Run("Q8d own address beside others is dropped", func(t *testing.T) {
		got := own(t, first+" 5 IN A 203.0.113.99", first+" 5 IN A 203.0.113.1")
		if want := "NOERROR; " + name + " CNAME " + first + "; " + first + " A 203.0.113.1"; got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
	t.Run("Q8d own address alone leads to the next level", func(t *testing.T) {
		got := own(t, first+" 5 IN A 203.0.113.99", region+" 5 IN A 203.0.113.99", global+" 5 IN A 203.0.113.99",
			global+" 5 IN A 203.0.113.1")
		if want := "NOERROR; " + name + " CNAME " + global + "; " + global + " A 203.0.113.1"; got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
	t.Run("Q8d the next level's NXDOMAIN is taken as it is", func(t *testing.T) {
		got := own(t, first+" 5 IN A 203.0.113.99")
		if want := "NXDOMAIN; " + name + " CNAME " + region + "; soa example.com."; got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
	t.Run("Q8d only own addresses up to global", func(t *testing.T) {
		got := own(t, first+" 5 IN A 203.0.113.99", region+" 5 IN A 203.0.113.99", global+" 5 IN A 203.0.113.99")
		if want := "NOERROR; " + name + " CNAME " + first + "; " + first + " A 203.0.113.99"; got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
	t.Run("Q8d so it is if the first level has no name", func(t *testing.T) {
		got := own(t, region+" 5 IN A 203.0.113.99", global+" 5 IN A 203.0.113.99")
		if want := "NOERROR; " + name + " CNAME " + region + "; " + region + " A 203.0.113.99"; got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
}
