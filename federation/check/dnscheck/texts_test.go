package dnscheck

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/federation/live"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/test/check/texts"
)

// names are what a DNS server answers with authority, each a record in text by its type; REFUSED to all else.
type names map[uint16]string

// start starts a DNS server on loopback, and returns its address.
func (n names) start(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	records := map[uint16]dns.RR{}
	for qtype, text := range n {
		if records[qtype], err = dns.NewRR(text); err != nil {
			t.Fatal(err)
		}
	}
	ready := make(chan struct{})
	s := &dns.Server{PacketConn: conn, NotifyStartedFunc: func() { close(ready) },
		Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			reply := new(dns.Msg).SetReply(q)
			reply.Authoritative, reply.Rcode = true, dns.RcodeRefused
			if rr := records[q.Question[0].Qtype]; rr != nil {
				reply.Rcode = dns.RcodeSuccess
				if q.Question[0].Name == rr.Header().Name {
					reply.Answer = []dns.RR{rr}
				}
			}
			_ = w.WriteMsg(reply) // the client says if nothing comes
		})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.ActivateAndServe() // it ends by Shutdown
	}()
	<-ready
	t.Cleanup(func() {
		_ = s.Shutdown()
		<-done
	})
	return conn.LocalAddr().String()
}

const (
	soa  = "example.com. 30 IN SOA ns.example.com. hostmaster.example.com. 1 2 3 4 30"
	none = "elsewhere. 30 IN TXT none" // so that there is no record of that type
)

// source is a syncer with a federation.
type source struct {
	live.Source
	federation admin.FederationStatus
}

func (s source) Status(context.Context) (*admin.Status, error) {
	return &admin.Status{Federations: []admin.FederationStatus{s.federation}}, nil
}

// world is a federation in example.com. A resolver knows the zone, and the provider's server has it.
type world struct {
	federation        admin.FederationStatus
	resolver, primary names
	unknownServer     bool // the syncer does not say which server it writes to
}

func newWorld() *world {
	return &world{resolver: names{dns.TypeSOA: soa, dns.TypeTXT: none}, primary: names{dns.TypeSOA: soa},
		federation: admin.FederationStatus{Name: "fed", Domain: "example.com", Naming: "flat", State: "writing",
			Owner: "me", FederationLevels: admin.FederationLevels{
				Levels: []admin.LevelStatus{{Name: "example.com.", Kind: "global"}}}}}
}

// finding makes one check, and returns the only finding that is not well, or that all is.
func (w *world) finding(t *testing.T, id string) check.Finding {
	t.Helper()
	if !w.unknownServer {
		w.federation.Server = w.primary.start(t)
	}
	chosen, err := check.Select(Checks(), []string{id}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := check.Run(t.Context(), check.NewEnv(check.Options{Syncer: source{federation: w.federation},
		Resolvers: []string{w.resolver.start(t)}}), chosen)
	if len(r.Results) != 1 {
		t.Fatalf("want one result: %+v", r)
	}
	all := r.Results[0].Findings
	bad := slices.DeleteFunc(slices.Clone(all), func(f check.Finding) bool { return f.Outcome == check.OK })
	if len(bad) > 1 {
		t.Fatalf("want one finding: %+v", bad)
	}
	return slices.Concat(bad, all)[0]
}

// notServed has the syncer say that the names of the federation are not served as they are written.
func (w *world) notServed(s provider.Served) {
	w.federation.Problems = []admin.ProblemStatus{{Reason: string(federation.ReasonNotServed),
		Detail: fmt.Sprintf("%q: %s", "fed.svc.example.com.", s.Problem())}}
}

// testAnswers holds what is said of answers that no DNS server of the whole-system tests gives.
func testAnswers(t *testing.T, seen texts.Seen) {
	for _, c := range []struct {
		rule, id, when string
		change         func(*world)
		outcome        check.Outcome
		text           string // "..." stands for an address
	}{
		{"CK2", "records-true", "all is well", func(*world) {}, check.OK, "server ...: all 0 RRsets"},
		{"CK2", "domain-resolves", "all is well", func(*world) {}, check.OK, "resolver ... has the SOA of server ..."},

		{"CK2", "records-true", "a delegation hides names", func(w *world) {
			w.notServed(provider.Served{Delegated: "svc.example.com."})
		}, check.Fail, `"fed.svc.example.com.": names there are delegated at "svc.example.com.": queries do not ` +
			"reach this zone; remove the delegation, host the federation in that zone, or rename the level"},
		{"CK2", "records-true", "the server is not the zone's", func(w *world) {
			w.notServed(provider.Served{Elsewhere: true})
		}, check.Fail, `"fed.svc.example.com.": the server is not authoritative for names there: check that it is ` +
			"the primary of the zone"},
		{"CK2", "records-true", "a wildcard hides names", func(w *world) {
			w.notServed(provider.Served{Wildcard: "A"})
		}, check.Fail, `"fed.svc.example.com.": a wildcard answers with A for names that do not exist there: ` +
			"remove it"},
		{"CK3", "records-true", "the syncer does not write", func(w *world) { w.federation.State = "deposed" },
			check.Unknown, "could not be tested: the syncer does not write, it is deposed"},
		{"CK3", "records-true", "no name server is known", func(w *world) { w.unknownServer = true }, check.Unknown,
			"could not be tested: no name server of example.com has an address"},
		{"CK3", "records-true", "the server refuses to answer", func(w *world) {
			w.federation.Services = []admin.ServiceStatus{{Name: "shop/cart"}}
		}, check.Unknown, "could not be tested: server ...: the server answers REFUSED"},
		{"CK2", "domain-resolves", "the server has no such zone", func(w *world) { w.primary = names{} }, check.Fail,
			"server ... answers REFUSED, without an SOA record: it does not host the zone"},
		{"CK2", "domain-resolves", "the zone has no claim", func(w *world) { w.unknownServer = true }, check.Fail,
			"resolver ... finds the zone example.com (SOA ns.example.com.), which has no claim of this syncer: it is " +
				"another one than the syncer writes"},
		{"CK3", "domain-resolves", "there is no claim yet", func(w *world) {
			w.unknownServer, w.federation.State = true, "claiming"
		}, check.Unknown, "could not be tested: the syncer has no claim that could be looked for (claim-held)"},
		{"CK3", "domain-resolves", "the resolver has no SOA", func(w *world) { w.resolver[dns.TypeSOA] = none },
			check.Unknown, "could not be tested: resolver ... answers NOERROR for the SOA of example.com, without one"},
	} {
		t.Run(c.rule+" "+c.id+": "+c.when, func(t *testing.T) {
			w := newWorld()
			c.change(w)
			f := w.finding(t, c.id)
			if f.Outcome != c.outcome || !texts.Like(f.Text, c.text) {
				t.Errorf("%s %q, want %s %q", f.Outcome, f.Text, c.outcome, c.text)
			}
			if c.outcome == check.Fail && f.Remedy == "" {
				t.Error("it does not say what to do")
			}
			seen.Add(c.id, f.Outcome, c.text, "")
		})
	}
}
