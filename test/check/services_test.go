package check

import (
	"flag"
	"strings"
	"testing"

	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/test/docs"
)

var update = flag.Bool("update", false, "write docs/checks.md")

const (
	cart = `
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: mynamespace, labels: {federation-dns.io/federation: myfederation}}
spec: {type: LoadBalancer, selector: {app: nginx}, ports: [{port: 80}]}
`
	mistyped = `
apiVersion: v1
kind: Service
metadata: {name: pay, namespace: mynamespace, labels: {federation-dns.io/federation: myfedration}}
spec: {selector: {app: nginx}, ports: [{port: 80}]}
`
	unlabelled = `
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: mynamespace, labels: {federation-dns.io/federation: myfederation}}
spec: {type: LoadBalancer, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: shop-1, namespace: mynamespace, labels: {kubernetes.io/service-name: shop}}
addressType: IPv4
ports: [{port: 80}]
endpoints: [{addresses: [10.3.9.1], conditions: {ready: true}}]
`
	private = `
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: mynamespace, labels: {federation-dns.io/federation: myfederation}}
spec: {type: ClusterIP, selector: {app: nginx}, ports: [{port: 8080}]}
`
)

func testServices(t *testing.T, s *system) {
	first, last := s.first, s.last
	t.Run("CK2 service-label passes", func(t *testing.T) {
		s.expect(t, "service-label", first.Name, check.OK, "Services with the label: 1...")
	})
	t.Run("CK2 service-label fails: mistyped", func(t *testing.T) {
		first.object(t, mistyped)
		s.expect(t, "service-label", first.Name, check.Warn,
			`label "myfedration" is no federation of this syncer (myfederation?): mynamespace/pay`)
	})
	t.Run("CK2 service-label fails: in one member only", func(t *testing.T) {
		first.object(t, cart)
		s.expect(t, "service-label", "myfederation", check.Warn,
			"Services with a shard in one member only: mynamespace/cart ("+first.Name+")")
	})

	t.Run("CK2 service-slices passes", func(t *testing.T) {
		s.expect(t, "service-slices", "", check.OK, "...shards looked at: 2...")
	})
	t.Run("CK2 service-slices fails", func(t *testing.T) {
		first.object(t, unlabelled)
		s.expect(t, "service-slices", first.Name, check.Fail, "NoSlices: mynamespace/shop")
	})

	t.Run("CK2 service-address passes", func(t *testing.T) {
		s.expect(t, "service-address", "", check.OK, "...shards looked at: 2...")
	})
	t.Run("CK2 service-address fails", func(t *testing.T) {
		first.object(t, named(private, "safe"))
		s.expect(t, "service-address", first.Name, check.Fail, "NoAddress: mynamespace/safe")
	})

	t.Run("CK2 service-ports passes", func(t *testing.T) {
		s.expect(t, "service-ports", "", check.OK, "...Services looked at: 1...")
	})
	t.Run("CK2 service-ports fails", func(t *testing.T) {
		first.object(t, named(private, "till"))
		last.object(t, named(cart, "till"))
		s.expect(t, "service-ports", "mynamespace/till", check.Warn,
			"ports: 80/TCP in "+last.Name+"; 8080/TCP in "+first.Name)
		s.expect(t, "service-ports", "mynamespace/till", check.Warn,
			"type: ClusterIP in "+first.Name+"; LoadBalancer in "+last.Name)
	})
}

func TestChecks(t *testing.T) {
	s := newSystem(t)
	testAll(t, s)
	t.Run("rights", func(t *testing.T) { testRights(t, s) })
	t.Run("CoreDNS", func(t *testing.T) { testCoreDNS(t, s) })
	t.Run("services", func(t *testing.T) { testServices(t, s) })
	t.Run("DNS", func(t *testing.T) { testDNS(t, s) })
	t.Run("the syncer cannot write", func(t *testing.T) { testLost(t, s) })
	if !t.Failed() {
		docs.CheckGenerated(t, "../../docs/checks.md", "test/check", *update,
			map[string]string{"dns-texts": s.texts.Table()})
	}
}

// named is the Service cart with another name: one that has been deleted may still be there for a moment.
func named(yaml, name string) string { return strings.Replace(yaml, "name: cart", "name: "+name, 1) }
