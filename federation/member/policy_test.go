package member

import (
	"net/netip"
	"testing"

	"github.com/federation-dns/federation/federation"
)

func TestCheckAddress(t *testing.T) {
	inside := AddressPolicy{AddressCIDRs: prefixes("10.1.0.0/16", "fd00:1::/32", "198.51.100.0/24")}
	everything := AddressPolicy{AddressCIDRs: prefixes("0.0.0.0/0", "::/0")}
	for _, c := range []struct {
		name      string
		policy    AddressPolicy
		annotated bool
		addrs     []string
		ok        bool
	}{
		{"H3a never", everything, false, []string{
			"0.0.0.0", "::", "127.0.0.1", "127.255.255.255", "::1", "169.254.0.1", "fe80::1", "febf::1", "224.0.0.1",
			"239.1.2.3",
			"ff02::1", "ff0e::1", "::ffff:192.0.2.1", "0.1.2.3", "240.0.0.1", "255.255.255.255", "64:ff9b::192.0.2.1",
			"64:ff9b:1::1", "64:ff9b:1:ffff::1", "2002:c000:201::1", "2001::1", "2001:0:ffff::1", "fe80::1%eth0",
			"2001:db8::1%eth0",
			"::127.0.0.1", "::192.0.2.1", "100::1", "192.0.0.1", "192.0.0.255",
		}, false},
		{"H3a never, annotated", everything, true, []string{"127.0.0.1", "0.0.0.0", "64:ff9b::1", "::ffff:10.0.0.1"},
			false},
		{"H3a documentation ranges are allowed", AddressPolicy{}, false, []string{
			"192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "64:ff9b:2::1", "2001:1::1", "2003::1",
			"1.0.0.1", "223.255.255.255",
		}, true},
		{"H3b private outside", AddressPolicy{}, false, []string{
			"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255", "fc00::1",
			"fdff::1",
			"198.18.0.1", "198.19.255.255", "fec0::1", "feff::1",
		}, false},
		{"H3b just beside the private ranges", AddressPolicy{}, false, []string{
			"9.255.255.255", "11.0.0.0", "172.15.0.1", "172.32.0.1", "192.167.0.1", "192.169.0.1", "100.63.255.255",
			"100.128.0.0",
			"192.0.1.0", "198.17.255.255", "198.20.0.0", "100:0:0:1::1",
		}, true},
		{"H3b private inside", inside, false, []string{"10.1.2.3", "fd00:1::5"}, true},
		{"H3b private in another prefix", inside, false, []string{"10.2.0.1", "fd00:2::5"}, false},
		{"H3b public outside addressCIDRs, of a load balancer", inside, false, []string{"203.0.113.1", "2001:db8::1"},
			true},
		{"H3b annotated inside", inside, true, []string{"198.51.100.7", "10.1.0.1"}, true},
		{"H3b annotated outside", inside, true, []string{"203.0.113.1", "2001:db8::1", "10.2.0.1"}, false},
		{"H3b annotated, no addressCIDRs", AddressPolicy{}, true, []string{"203.0.113.1"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, s := range c.addrs {
				if err := c.policy.CheckAddress(netip.MustParseAddr(s), c.annotated); (err == nil) != c.ok {
					t.Errorf("%s: %v", s, err)
				}
			}
		})
	}
	t.Run("H3a no address", func(t *testing.T) {
		if everything.CheckAddress(netip.Addr{}, false) == nil {
			t.Error("the zero address is allowed")
		}
	})
}

func TestCheckHost(t *testing.T) {
	t.Run("H3b annotated, no hostSuffixes", func(t *testing.T) {
		if (AddressPolicy{}).CheckHost("a.lb.example.net.", true) == nil {
			t.Error("it is allowed")
		}
	})
	p := AddressPolicy{
		HostSuffixes:   []federation.FQDN{"lb.example.net."},
		ForbiddenHosts: []federation.FQDN{"example.com.", "cluster.local."},
	}
	for _, c := range []struct {
		name      string
		annotated bool
		hosts     []federation.FQDN
		ok        bool
	}{
		{"H3b annotated below a suffix", true, []federation.FQDN{"a.lb.example.net.", "a.b.lb.example.net."}, true},
		{"H3b annotated not below a suffix", true,
			[]federation.FQDN{"lb.example.net.", "example.net.", "xlb.example.net.", "a.example.org."}, false},
		{"H3b of a load balancer", false, []federation.FQDN{"a.example.org."}, true},
		{"H3c in or below a domain", false,
			[]federation.FQDN{"example.com.", "a.example.com.", "x.svc.cluster.local.", "cluster.local."}, false},
		{"H3c beside a domain", false, []federation.FQDN{"com.", "aexample.com.", "local."}, true},
		{"H3c annotated", true, []federation.FQDN{"a.example.com."}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, h := range c.hosts {
				if err := p.CheckHost(h, c.annotated); (err == nil) != c.ok {
					t.Errorf("%s: %v", h, err)
				}
			}
		})
	}
	t.Run("H3c goes before hostSuffixes", func(t *testing.T) {
		q := AddressPolicy{HostSuffixes: []federation.FQDN{"example.com."}, ForbiddenHosts: p.ForbiddenHosts}
		if q.CheckHost("a.example.com.", true) == nil {
			t.Error("a host below a federation's domain is allowed")
		}
	})
}
