package main

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// client asks one server, each question from a socket of its own. When the
// test ends, none of the sockets may hold a second reply. Many may ask by it.
type client struct {
	t        testing.TB
	udp, tcp string

	mu    sync.Mutex
	conns []net.Conn
}

func newClient(t testing.TB, udp, tcp string) *client {
	c := &client{t: t, udp: udp, tcp: tcp}
	t.Cleanup(c.noMore)
	return c
}

// noMore closes the sockets, after checking what else has arrived.
func (c *client) noMore() {
	deadline := time.Now().Add(50 * time.Millisecond)
	for _, conn := range c.conns {
		_ = conn.SetReadDeadline(deadline)
		buf := make([]byte, 1)
		if n, _ := conn.Read(buf); n > 0 {
			c.t.Error("Q11: a question was answered twice")
		}
		conn.Close()
	}
	c.conns = nil
}

// how a question differs from the usual one: UDP, RD, no EDNS.
type how func(*dns.Msg)

func withEDNS(size uint16) how { return func(m *dns.Msg) { m.SetEdns0(size, false) } }
func withDO(m *dns.Msg)        { m.SetEdns0(1232, true) }
func withAD(m *dns.Msg)        { m.AuthenticatedData = true }

// ask asks over UDP, and askTCP over TCP.

func (c *client) ask(name string, qtype uint16, hows ...how) *dns.Msg {
	c.t.Helper()
	return c.exchange("udp", c.udp, name, qtype, hows)
}

func (c *client) askTCP(name string, qtype uint16, hows ...how) *dns.Msg {
	c.t.Helper()
	return c.exchange("tcp", c.tcp, name, qtype, hows)
}

func (c *client) exchange(network, addr, name string, qtype uint16, hows []how) *dns.Msg {
	c.t.Helper()
	reply, err := c.try(network, addr, name, qtype, hows)
	if err != nil {
		c.t.Fatalf("%s %s over %s: %v", name, dns.TypeToString[qtype], network, err)
	}
	return reply
}

func (c *client) try(network, addr, name string, qtype uint16, hows []how) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(name, qtype)
	for _, h := range hows {
		h(m)
	}
	conn, err := net.Dial(network, addr)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.conns = append(c.conns, conn)
	c.mu.Unlock()
	_ = conn.SetDeadline(time.Now().Add(6 * time.Second))
	co := &dns.Conn{Conn: conn, UDPSize: dns.MaxMsgSize}
	if err := co.WriteMsg(m); err != nil {
		return nil, err
	}
	reply, err := co.ReadMsg()
	if err != nil {
		return nil, err
	}
	if reply.Id != m.Id || !reply.Response || len(reply.Question) != 1 || reply.Question[0] != m.Question[0] {
		return nil, fmt.Errorf("Q11: the reply is for %v", reply.Question)
	}
	return reply, nil
}

// eventually asks until the reply is as wanted, and returns how long it took.
func (c *client) eventually(name string, qtype uint16, want string, within time.Duration, hows ...how) time.Duration {
	c.t.Helper()
	start := time.Now()
	for {
		got := text(c.ask(name, qtype, hows...))
		took := time.Since(start)
		if got == lines(want) {
			return took
		}
		if took > within {
			c.t.Fatalf("%s %s after %s (-want +got):\n%s", name, dns.TypeToString[qtype], took,
				cmp.Diff(lines(want), got))
		}
		time.Sleep(10 * time.Millisecond) // between two looks
	}
}

// check compares a whole reply.
func check(t testing.TB, m *dns.Msg, want string) {
	t.Helper()
	if diff := cmp.Diff(lines(want), text(m)); diff != "" {
		t.Errorf("%s %s (-want +got):\n%s", m.Question[0].Name, dns.TypeToString[m.Question[0].Qtype], diff)
	}
}

// lines are those of a text that is written with indentation.
func lines(s string) string {
	var out []string
	for l := range strings.Lines(strings.TrimSpace(s)) {
		out = append(out, strings.Join(strings.Fields(l), " "))
	}
	return strings.Join(out, "\n")
}

// text is a whole reply: rcode and flags; the records, those of the authority
// and additional section marked; OPT.
func text(m *dns.Msg) string {
	var b strings.Builder
	b.WriteString(dns.RcodeToString[m.Rcode])
	for _, flag := range []struct {
		set  bool
		name string
	}{{m.Authoritative, "aa"}, {m.Truncated, "tc"}, {m.RecursionDesired, "rd"}, {m.RecursionAvailable, "ra"},
		{m.AuthenticatedData, "ad"}, {m.CheckingDisabled, "cd"}} {
		if flag.set {
			b.WriteString(" " + flag.name)
		}
	}
	section := func(mark string, rrs []dns.RR) {
		for _, rr := range rrs {
			if opt, ok := rr.(*dns.OPT); ok {
				fmt.Fprintf(&b, "\nopt %d", opt.UDPSize())
				if opt.Do() {
					b.WriteString(" do")
				}
				for _, o := range opt.Option {
					if ede, ok := o.(*dns.EDNS0_EDE); ok {
						fmt.Fprintf(&b, " ede %d %s", ede.InfoCode, ede.ExtraText)
					} else {
						fmt.Fprintf(&b, " option %d", o.Option())
					}
				}
				continue
			}
			h := rr.Header()
			data := strings.TrimSpace(strings.TrimPrefix(rr.String(), h.String()))
			switch rr := rr.(type) {
			case *dns.SOA: // its serial is a time
				data = fmt.Sprint(rr.Minttl)
			case *dns.NSEC: // its types are nearly all there are
				data = rr.NextDomain
			case *dns.RRSIG: // and so are those of a signature
				data = fmt.Sprint(dns.TypeToString[rr.TypeCovered], " ", rr.SignerName)
			}
			fmt.Fprintf(&b, "\n%s%s %d %s %s", mark, h.Name, h.Ttl, dns.TypeToString[h.Rrtype], data)
		}
	}
	section("", m.Answer)
	section("; ", m.Ns)
	section("+ ", m.Extra)
	return b.String()
}
