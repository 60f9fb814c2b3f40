package check

import (
	"fmt"
	"os"
	"testing"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/test/world"
)

const (
	subject   = world.FederationName + " in " + world.Domain
	elsewhere = "198.51.100.54" // a server with another zone of the domain
	published = "nginx.mynamespace.myfederation.svc.us-central1.example.com."
)

// otherZone is what resolvers find if the domain is not delegated to the server that the syncer writes to.
const otherZone = `$ORIGIN example.com.
@   3600 IN SOA ns.registrar.example. hostmaster.registrar.example. 7 3600 600 86400 3600
@   3600 IN NS  ns.registrar.example.
`

func testDNS(t *testing.T, s *system) {
	zone := s.Path("dns", "other.zone")
	if err := os.WriteFile(zone, []byte(otherZone), 0o644); err != nil {
		t.Fatal(err)
	}
	s.coreDNS(t, "elsewhere", elsewhere, "example.com:53 {\n bind "+elsewhere+"\n file "+zone+"\n}\n")
	other := s.options()
	other.Resolvers = []string{elsewhere}

	t.Run("CK2 domain-resolves passes", func(t *testing.T) {
		s.expect(t, "domain-resolves", world.Domain, check.OK,
			"resolver ... leads to the zone that the syncer writes")
	})
	t.Run("CK2 domain-resolves fails", func(t *testing.T) {
		s.expectWith(t, other, "domain-resolves", world.Domain, check.Fail,
			"resolver ... finds the zone example.com (SOA ns.registrar.example.), and the syncer writes the zone "+
				"example.com (SOA "+world.AuthorityName+") at ...")
	})
	t.Run("CK2 domain-resolves fails: the server does not answer for it", func(t *testing.T) {
		o := s.options()
		o.Resolvers = []string{s.last.DNS.String()} // its upstream is dead
		s.expectWith(t, o, "domain-resolves", world.Domain, check.Fail, "resolver ... answers SERVFAIL: "+
			"the servers that the domain is delegated to do not answer, or are not authoritative for it")
	})
	t.Run("CK3 domain-resolves is unknown if no resolver answers", func(t *testing.T) {
		o := s.options()
		o.Resolvers = []string{nobody}
		s.expectWith(t, o, "domain-resolves", world.Domain, check.Unknown,
			"could not be tested: DNS server ...: dial udp ...: connect: network is unreachable")
	})

	t.Run("CK2 negative-ttl passes", func(t *testing.T) {
		s.expect(t, "negative-ttl", world.Domain, check.OK, "5 s")
	})
	t.Run("CK2 negative-ttl fails", func(t *testing.T) {
		o := other
		o.Syncer = changed{s.source(), func(f *admin.FederationStatus) { f.Server = elsewhere }}
		s.expectWith(t, o, "negative-ttl", world.Domain, check.Warn,
			"3600 s; a name without an address is remembered for that long, an address for 180 s")
	})

	t.Run("CK2 records-true passes", func(t *testing.T) {
		s.expect(t, "records-true", subject, check.OK, "server 198.51.100.53:53: all ...")
	})
	t.Run("CK2 records-true fails: another writer", func(t *testing.T) {
		before := s.first.Published[0].String()
		replace(t, published+" 180 IN A 203.0.113.99")
		s.expect(t, "records-true", subject, check.Fail,
			"server ...: 1 of ... RRsets are not as written: "+
				"nginx.mynamespace.myfederation.svc.us-central1.example.com A is 203.0.113.99, written was ...")
		replace(t, published+" 180 IN A "+before)
	})
	t.Run("CK2 records-true fails: no authority", func(t *testing.T) {
		o := s.options()
		o.Syncer = changed{s.source(), func(f *admin.FederationStatus) { f.Server = s.last.DNS.String() }}
		s.expectWith(t, o, "records-true", subject, check.Fail,
			"server ... is not authoritative for example.com: it answers SERVFAIL without AA")
	})

	t.Run("CK2 provider-writes passes", func(t *testing.T) {
		s.expect(t, "provider-writes", subject, check.OK, "no change fails...")
	})
	t.Run("CK2 claim-held passes", func(t *testing.T) {
		s.expect(t, "claim-held", subject, check.OK, "the claim is ours")
	})
}

// testLost is last, as the syncer does not write any more afterwards.
func testLost(t *testing.T, s *system) {
	t.Run("CK2 provider-writes fails: another key", func(t *testing.T) {
		secret := s.Path("syncer", "another")
		if err := os.WriteFile(secret, []byte("YW5vdGhlciBrZXksIGFuZCBub3QgdGhlIHNlY3JldA==\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		another := func(c *world.SyncerConfig) { c.Federations[0].SecretFile = secret }
		if err := s.Syncer.Reconfigure(another); err != nil {
			t.Fatal(err)
		}
		s.expect(t, "provider-writes", subject, check.Fail, "the provider does not answer: ... BADSIG: ...")
		if err := s.Syncer.Reconfigure(func(*world.SyncerConfig) {}); err != nil {
			t.Fatal(err)
		}
		s.expect(t, "provider-writes", subject, check.OK, "...")
	})
	t.Run("CK2 claim-held fails", func(t *testing.T) {
		claim := federation.Claim{Owner: "another", Generation: 1, Federation: world.FederationName,
			Naming: federation.Flat, Instance: "0123456789abcdef"}
		set := claim.RRset("_claim." + world.FederationName + ".svc." + world.Domain + ".")
		replace(t, fmt.Sprintf("%s %d IN TXT %s", set.Name, set.TTL, set.Data[0]))
		s.last.object(t, named(cart, "late")) // the next change finds it
		s.expect(t, "claim-held", subject, check.Fail, "the syncer has stopped writing: "+
			"the claim has been taken over: held by someone else: claim ... is owner \"another\"'s, this is ...")
	})
}

func replace(t *testing.T, line string) {
	t.Helper()
	if err := world.Replace(t.Context(), line); err != nil {
		t.Fatal(err)
	}
}
