// Package dynupdate_test runs the suite of all providers, and what only this
// one does, against CoreDNS with its dynupdate plugin, the embedded default.
// It is a folder of its own because CoreDNS takes long to compile.
package dynupdate_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	_ "github.com/coredns/coredns/plugin/bind" // the plugins of the Corefile
	_ "github.com/coredns/coredns/plugin/dynupdate"
	clog "github.com/coredns/coredns/plugin/pkg/log"
	_ "github.com/coredns/coredns/plugin/transfer"
	_ "github.com/coredns/coredns/plugin/tsig"
	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider/rfc2136"
)

const (
	zone      = federation.FQDN("example.com.")
	keyName   = "syncer."
	keySecret = "c3luY2VyIHRlc3Qga2V5LCBub3QgYSBzZWNyZXQhISE="
	// The other key signs what the tests write as somebody else.
	otherName   = "foreign."
	otherSecret = "Zm9yZWlnbiB0ZXN0IGtleSwgbm90IGEgc2VjcmV0ISE="
)

var key = rfc2136.TSIG{Name: keyName, Algorithm: "hmac-sha256", Secret: keySecret}

// starting serializes starts: CoreDNS has global state.
var starting sync.Mutex

// server is a running CoreDNS with one dynamic zone.
type server struct {
	t        testing.TB
	udp, tcp string
	instance *caddy.Instance
}

// options are what tests change in the Corefile.
type options struct {
	database string // path; "" keeps the zone in memory
	allow    string // what the key may write; "" is everything
	limits   string // further lines of dynupdate
	port     string // "" is any
}

const corefile = `%[1]s:%[7]s {
	bind 127.0.0.1
	tsig {
		secret %[2]s %[3]s
		secret %[8]s %[9]s
		require AXFR
		require_opcode UPDATE
	}
	transfer {
		to *
	}
	dynupdate {
		file %[4]q
		%[5]s
		allow %[2]s %[6]s
		allow %[8]s * *
	}
}
`

const seed = `$ORIGIN example.com.
@    60 IN SOA ns.example.com. hostmaster.example.com. 1 3600 600 86400 30
@    60 IN NS ns.example.com.
ns   60 IN A 192.0.2.53
*.wild 60 IN TXT "wildcard"
sub  60 IN NS ns.example.org.
`

// start runs a server until the test ends.
func start(t testing.TB, o options) *server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "zone")
	if err := os.WriteFile(file, []byte(seed), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := o.limits
	if o.database != "" {
		lines += fmt.Sprintf("\n\t\tdatabase %q", o.database)
	}
	if o.allow == "" {
		o.allow = "* *"
	}
	if o.port == "" {
		o.port = "0"
	}
	text := fmt.Sprintf(corefile, zone, keyName, keySecret, file, lines, o.allow, o.port, otherName, otherSecret)
	starting.Lock()
	defer starting.Unlock()
	caddy.Quiet, dnsserver.Quiet = true, true
	clog.Discard()
	instance, err := caddy.Start(caddy.CaddyfileInput{Contents: []byte(text), Filepath: "Corefile", ServerTypeName: "dns"})
	if err != nil {
		t.Fatalf("CoreDNS: %v\n%s", err, text)
	}
	s := &server{t: t, instance: instance}
	s.udp = instance.Servers()[0].LocalAddr().String()
	s.tcp = instance.Servers()[0].Addr().String()
	t.Cleanup(s.stop)
	return s
}

func (s *server) stop() {
	if s.instance == nil {
		return
	}
	for _, err := range s.instance.ShutdownCallbacks() {
		s.t.Errorf("CoreDNS: %v", err)
	}
	if err := s.instance.Stop(); err != nil {
		s.t.Errorf("CoreDNS: %v", err)
	}
	s.instance = nil
}

// provider returns a provider of the server's zone.
func (s *server) provider(change func(*rfc2136.Config)) *rfc2136.Provider {
	s.t.Helper()
	config := rfc2136.Config{Server: s.tcp, Zone: zone, TSIG: key}
	if change != nil {
		change(&config)
	}
	p, err := rfc2136.New(config)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = p.Close() })
	return p
}

// put places an RRset as somebody else would.
func (s *server) put(set federation.RRset) {
	s.t.Helper()
	m := new(dns.Msg).SetUpdate(string(zone))
	for _, line := range strings.Split(strings.TrimSpace(set.String()), "\n") {
		rr, err := dns.NewRR(line)
		if err != nil {
			s.t.Fatal(err)
		}
		m.Insert([]dns.RR{rr})
	}
	m.SetTsig(otherName, dns.HmacSHA256, 300, time.Now().Unix())
	client := &dns.Client{Net: "tcp", TsigSecret: map[string]string{otherName: otherSecret}}
	reply, _, err := client.Exchange(m, s.tcp)
	if err != nil || reply.Rcode != dns.RcodeSuccess {
		s.t.Fatalf("placing %s: %v, %v", set, err, reply)
	}
}

// serial asks for the zone's serial number.
func serial(t testing.TB, s *server) uint32 {
	t.Helper()
	reply, err := dns.Exchange(new(dns.Msg).SetQuestion(string(zone), dns.TypeSOA), s.udp)
	if err != nil || len(reply.Answer) != 1 {
		t.Fatalf("SOA: %v, %v", err, reply)
	}
	return reply.Answer[0].(*dns.SOA).Serial
}

// watch asks for the name's addresses until stop; an empty answer is an error.
func watch(server string, name federation.FQDN, stop <-chan struct{}) error {
	conn, err := dns.Dial("udp", server)
	if err != nil {
		return err
	}
	defer conn.Close()
	client := &dns.Client{Timeout: 5 * time.Second}
	for n := 1; ; n++ {
		reply, _, err := client.ExchangeWithConn(new(dns.Msg).SetQuestion(string(name), dns.TypeA), conn)
		if err != nil {
			return err
		}
		if len(reply.Answer) != 1 {
			return fmt.Errorf("answer %d is %v", n, reply.Answer)
		}
		select {
		case <-stop:
			return nil
		default:
		}
	}
}
