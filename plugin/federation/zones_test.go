package federation

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestZonesAndLimits(t *testing.T) {
	const twoZones = "kubernetes cluster.local b.local in-addr.arpa"
	for _, tc := range []struct{ rule, directive, name, want string }{
		{"Q1 every forward zone is expanded", usualFederation, "healthy.ns.myfed.svc.b.local.",
			"NOERROR; healthy.ns.myfed.svc.b.local. A 10.0.0.1"},
		{"Q1 and the first of them", usualFederation, "healthy.ns.myfed.svc.cluster.local.",
			"NOERROR; healthy.ns.myfed.svc.cluster.local. A 10.0.0.1"},
		{"Q1 only the zones that are named", "federation b.local {\n myfed example.com\n topology region1 zone1\n}",
			"healthy.ns.myfed.svc.cluster.local.", "NXDOMAIN; soa cluster.local."},
		{"Q7a the CNAME does not depend on the zone", usualFederation, "four.ns.myfed.svc.b.local.",
			"NOERROR; four.ns.myfed.svc.b.local. CNAME four.ns.myfed.svc.zone1.example.com.; " +
				"four.ns.myfed.svc.zone1.example.com. A 203.0.113.4"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			f := newPlugin(t, newCluster(), newRecords(t, published...), twoZones, tc.directive)
			if got := short(ask(t, f, tc.name, dns.TypeA)); got != tc.want {
				t.Errorf("%s\n got %s\nwant %s", tc.name, got, tc.want)
			}
		})
	}
	t.Run("Q1 two federations, each with its own domain", func(t *testing.T) {
		f := newPlugin(t, newCluster(), newRecords(t, "dead.ns.one.svc.example.com. 5 IN A 203.0.113.1",
			"dead.ns.two.svc.example.org. 5 IN A 203.0.113.2"),
			usualKubernetes, "federation {\n one example.com\n two example.org\n topology region1\n}")
		for name, want := range map[string]string{"one": "203.0.113.1", "two": "203.0.113.2"} {
			if got := short(ask(t, f, "dead.ns."+name+".svc.cluster.local.", dns.TypeA)); !strings.HasSuffix(got,
				" A "+want) {
				t.Errorf("%s: %s", name, got)
			}
		}
	})
	t.Run("Q3 names that begin with a digit, and labels of 63", func(t *testing.T) {
		c := newCluster()
		long := strings.Repeat("a", 63)
		c.service("0web.1ns", "10.0.1.1")
		c.slice("0web.1ns", "172.0.1.1")
		c.service(long+"."+long, "10.0.1.2")
		c.slice(long+"."+long, "172.0.1.2")
		f := newPlugin(t, c, nil, usualKubernetes, usualFederation)
		for name, want := range map[string]string{"0web.1ns": "10.0.1.1", long + "." + long: "10.0.1.2"} {
			if got := short(ask(t, f, name+".myfed.svc.cluster.local.", dns.TypeA)); !strings.HasSuffix(got,
				" A "+want) {
				t.Errorf("%s: %s", name, got)
			}
		}
	})
	t.Run("Q3 a name of 255 octets is answered", func(t *testing.T) {
		name := strings.Repeat(strings.Repeat("x", 63)+".", 3)
		name += strings.Repeat("y", 254-len(name)-len(".myfed.svc.cluster.local.")) + ".myfed.svc.cluster.local."
		if len(name)+1 != 255 {
			t.Fatalf("%d octets", len(name)+1)
		}
		f := newPlugin(t, newCluster(), nil, usualKubernetes, usualFederation)
		if m := ask(t, f, name, dns.TypeA); m.Rcode != dns.RcodeNameError {
			t.Errorf("got %s", short(m))
		}
	})
}
