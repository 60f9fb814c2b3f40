package rfc2136test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider/providertest"
	"github.com/federation-dns/federation/federation/provider/rfc2136"
)

// Zone is the zone of every server under test.
const Zone = federation.FQDN("example.com.")

// The keys of every server under test. The secrets are for tests.
var (
	// Key may update all of the zone and transfer it.
	Key = rfc2136.TSIG{Name: "syncer.", Algorithm: "hmac-sha256",
		Secret: "c3luY2VyIHRlc3Qga2V5LCBub3QgYSBzZWNyZXQhISE="}
	// Foreign may too; it signs what the tests write as another client.
	Foreign = rfc2136.TSIG{Name: "foreign.", Algorithm: "hmac-sha256",
		Secret: "Zm9yZWlnbiB0ZXN0IGtleSwgbm90IGEgc2VjcmV0ISE="}
	// Powerless is known to the server and may do nothing.
	Powerless = rfc2136.TSIG{Name: "powerless.", Algorithm: "hmac-sha256",
		Secret: "cG93ZXJsZXNzIHRlc3Qga2V5LCBub3QgYSBzZWNyZXQ="}
)

// ZoneFile is what the zone holds at first: nothing of ours, a wildcard and a delegation. The mark, a label, stands in
// the SOA record, where a test can tell its own server from another.
func ZoneFile(mark string) string {
	return fmt.Sprintf(`$ORIGIN example.com.
@    60 IN SOA ns.example.com. %s.example.com. 1 3600 600 86400 30
@    60 IN NS ns.example.com.
ns   60 IN A 192.0.2.53
*.wild 60 IN MX 10 mail.example.org.
*.wild 60 IN A 192.0.2.25
sub  60 IN NS ns.example.org.
`, mark)
}

// Server is a name server under test.
type Server struct {
	// UDP and TCP are its addresses.
	UDP, TCP string
	// Kill ends it without notice where that can be done, and Start starts it again at the same TCP address with every
	// change that it has confirmed. Both are nil for a server that does not keep its zone.
	Kill, Start func() error
	// AnyAlgorithm says that it takes a known key with any algorithm.
	AnyAlgorithm bool
	// Strict says that it refuses a CNAME and another RRset of its name in one message, so that an ignored CNAME leaves
	// the name empty for a round trip.
	Strict bool
	// Silent says that it does not say what is wrong with a key: REFUSED to an update, NOTAUTH to a query.
	Silent bool
}

// Provider returns a provider of the server's zone.
func (s Server) Provider(t testing.TB, change func(*rfc2136.Config)) *rfc2136.Provider {
	t.Helper()
	config := rfc2136.Config{Server: s.TCP, Zone: Zone, TSIG: Key}
	if change != nil {
		change(&config)
	}
	p, err := rfc2136.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// met returns the provider once it has learned what it learns of a server by its first changes: what the tests count is
// what it costs from then on.
func (s Server) met(t testing.TB, p *rfc2136.Provider) *rfc2136.Provider {
	t.Helper()
	var now []federation.RRset
	for _, next := range [][]federation.RRset{addresses("met", "192.0.2.1", "2001:db8::1"),
		alias("met", "nginx.example.org."), nil} {
		if err := p.Apply(t.Context(), nil, []plan.Change{change(now, next)})[0]; err != nil {
			t.Fatal(err)
		}
		now = next
	}
	return p
}

// Target is the server for the suite of all providers.
func (s Server) Target(t testing.TB) providertest.Target {
	t.Helper()
	return providertest.Target{
		Provider: s.Provider(t, nil), Zone: Zone, DNS: s.UDP,
		Put: func(set federation.RRset) { s.put(t, set) },
	}
}

// put writes an RRset as another client would.
func (s Server) put(t testing.TB, set federation.RRset) {
	t.Helper()
	m := new(dns.Msg).SetUpdate(string(Zone))
	for _, line := range strings.Split(strings.TrimSpace(set.String()), "\n") {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		m.Insert([]dns.RR{rr})
	}
	s.update(t, m)
}

// fill writes that many A RRsets as another client would.
func (s Server) fill(t testing.TB, count int) {
	t.Helper()
	for i := 0; i < count; {
		m := new(dns.Msg).SetUpdate(string(Zone))
		for range min(1000, count-i) {
			rr, err := dns.NewRR(fmt.Sprintf("host-%d.%s 60 IN A 192.0.2.1", i, Zone))
			if err != nil {
				t.Fatal(err)
			}
			m.Insert([]dns.RR{rr})
			i++
		}
		m.Compress = true
		s.update(t, m)
	}
}

// update sends an update with another client's key.
func (s Server) update(t testing.TB, m *dns.Msg) {
	t.Helper()
	m.SetTsig(Foreign.Name, dns.HmacSHA256, 300, time.Now().Unix())
	client := &dns.Client{Net: "tcp", Timeout: 10 * time.Second,
		TsigSecret: map[string]string{Foreign.Name: Foreign.Secret}}
	reply, _, err := client.Exchange(m, s.TCP)
	if err != nil || reply.Rcode != dns.RcodeSuccess {
		t.Fatalf("an update of somebody else: %v, %v", err, reply)
	}
}

// Serial asks for the zone's serial number: each update that changes something raises it.
func (s Server) Serial(t testing.TB) uint32 {
	t.Helper()
	reply, _, err := (&dns.Client{Net: "tcp"}).Exchange(new(dns.Msg).SetQuestion(string(Zone), dns.TypeSOA), s.TCP)
	if err != nil || len(reply.Answer) != 1 {
		t.Fatalf("SOA: %v, %v", err, reply)
	}
	return reply.Answer[0].(*dns.SOA).Serial
}
