package e2e

import (
	"net/netip"
	"testing"
	"time"

	"github.com/federation-dns/federation/test/plugincases"
	"github.com/federation-dns/federation/test/world/pluginworld"
)

// testPodsOfCollisions asks, as programs in pods do, for names that a search
// path makes federated ones, in federations that are called like something
// else. musl stops its search at NODATA.
func testPodsOfCollisions(t *testing.T, w *pluginworld.World, setups []plugincases.Setup) {
	libraries := compileStubs(t, t.TempDir())[:2] // glibc and musl
	for _, tc := range []struct {
		setup, namespace string
		lookups          []lookup
	}{
		{"like-a-top-level-domain", "ns", []lookup{
			{rule: "Q4b", name: "pkg.go.dev", want: addrs("192.0.2.91")},
			{rule: "Q4c", name: "go.dev", want: addrs("192.0.2.90")},
			{rule: "Q4b", name: "google.com", want: addrs("192.0.2.92")},
			{rule: "Q4b", name: "healthy.ns.dev", want: addrs("10.96.1.1")},
			{rule: "Q4b", name: "dead.ns.dev", want: addrs("203.0.113.15")},
			{rule: "Q4b", name: "www.go.dev"},
		}},
		{"like-a-namespace", "coll", []lookup{
			{rule: "Q4a", name: "google.com", want: addrs("192.0.2.92")},
			{rule: "Q4a", name: "pkg.go.dev", want: addrs("192.0.2.91")},
			{rule: "Q4a", name: "redis.cache", want: addrs("10.96.1.42")},
			{rule: "Q4a", name: "web-0.web", want: addrs("10.64.40.1")},
			{rule: "Q4a", name: "ns", want: addrs("10.96.1.41")},
			{rule: "Q4a", name: "redis.cache.coll", want: addrs("10.96.1.42")},
			{rule: "Q4a", name: "nobody.example"},
		}},
	} {
		server := startSetup(t, w, setup(t, setups, tc.setup), w.Kubeconfig(false))
		if err := server.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, library := range libraries {
			for _, l := range tc.lookups {
				t.Run(l.rule+" "+tc.setup+" "+l.name+" "+library.Name, func(t *testing.T) {
					began := time.Now()
					out, err := w.As(t.Context(), server, tc.namespace, library.Lookup("any", l.name)...)
					if err != nil {
						t.Fatal(err)
					}
					got := parseOutcome(t, out)
					if diff := diffAddrs(l.want, got.addrs); diff != "" {
						t.Errorf("addresses of %s (-want +got):\n%s\n%q", l.name, diff, got.failure)
					}
					if took := time.Since(began); took > slowest {
						t.Errorf("it took %s, more than %s", took, slowest)
					}
				})
			}
		}
	}
}

func addrs(text ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range text {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}
