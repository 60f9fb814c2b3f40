package stage

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// DNSLink is the way from the syncers to the DNS server of a federation, with an
// address for each syncer. All messages are read on the way.
type DNSLink struct {
	upstream string
	watch    func(dnsUpdate)
	ports    []net.Listener

	mu    sync.Mutex
	mode  Mode
	conns map[net.Conn]bool
	done  bool
	wg    sync.WaitGroup
	turn  sync.Mutex // held while the server has an update, so that their order is known
}

// newDNSLink makes a link with addresses for so many syncers; watch is called for
// each update that the server has answered, one after the other.
func newDNSLink(upstream string, syncers int, watch func(dnsUpdate)) (*DNSLink, error) {
	l := &DNSLink{upstream: upstream, watch: watch, conns: map[net.Conn]bool{}}
	for i := range syncers {
		port, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		l.ports = append(l.ports, port)
		l.wg.Go(func() { l.accept(port, i) })
	}
	return l, nil
}

// Addr is the address for a syncer.
func (l *DNSLink) Addr(syncer int) string { return l.ports[syncer].Addr().String() }

// Set changes how the link fails.
func (l *DNSLink) Set(m Mode) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mode = m
	if m.Down {
		l.closeAll()
	}
}

// Close ends the link, and waits.
func (l *DNSLink) Close() {
	for _, p := range l.ports {
		p.Close()
	}
	l.mu.Lock()
	l.done = true
	l.closeAll()
	l.mu.Unlock()
	l.wg.Wait()
}

// closeAll resets all connections.
func (l *DNSLink) closeAll() {
	for c := range l.conns {
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

func (l *DNSLink) accept(port net.Listener, syncer int) {
	for {
		c, err := port.Accept()
		if err != nil {
			return // closed
		}
		l.wg.Go(func() { l.serve(c, syncer) })
	}
}

func (l *DNSLink) current() Mode {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mode
}

// track remembers a connection; false if it is not to live.
func (l *DNSLink) track(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done || l.mode.Down {
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
		return false
	}
	l.conns[c] = true
	return true
}

func (l *DNSLink) drop(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	c.Close()
}

// serve passes the messages of one connection on, one after the other; a zone
// transfer has the rest of it.
func (l *DNSLink) serve(client net.Conn, syncer int) {
	if !l.track(client) {
		return
	}
	defer l.drop(client)
	server, err := net.DialTimeout("tcp", l.upstream, 5*time.Second)
	if err != nil || !l.track(server) {
		return
	}
	defer l.drop(server)
	for {
		wire, err := readFrame(client)
		if err != nil {
			return
		}
		m := new(dns.Msg)
		if err := m.Unpack(wire); err != nil {
			return
		}
		mode := l.current()
		time.Sleep(mode.Delay) // what is slow is slow
		switch {
		case m.Opcode == dns.OpcodeUpdate:
			if !l.update(client, server, wire, m, mode, syncer) {
				return
			}
		case len(m.Question) == 1 && m.Question[0].Qtype == dns.TypeAXFR:
			if writeFrame(server, wire) != nil {
				return
			}
			_, _ = io.Copy(client, server) // until one of them has had enough
			return
		case mode.Unreadable != "" && len(m.Question) == 1 && strings.EqualFold(m.Question[0].Name, mode.Unreadable):
			if !l.unreadable(client, m, mode.Referred) {
				return
			}
		default:
			if reply, err := exchange(server, wire); err != nil || writeFrame(client, reply) != nil {
				return
			}
		}
	}
}

// update passes an update on as the mode has it; false ends the connection.
func (l *DNSLink) update(client, server net.Conn, wire []byte, m *dns.Msg, mode Mode, syncer int) bool {
	switch {
	case mode.LoseRequest:
		return false
	case mode.Servfail:
		return l.answer(client, new(dns.Msg).SetRcode(m, dns.RcodeServerFailure), m)
	case mode.Refuse != "" && slices.ContainsFunc(m.Ns,
		func(rr dns.RR) bool { return strings.HasPrefix(strings.ToLower(rr.Header().Name), mode.Refuse) }):
		return l.answer(client, new(dns.Msg).SetRcode(m, dns.RcodeRefused), m)
	}
	l.turn.Lock()
	reply, err := exchange(server, wire)
	if err == nil {
		answer := new(dns.Msg)
		if err = answer.Unpack(reply); err == nil {
			l.watch(dnsUpdate{syncer, m, answer.Rcode})
		}
	}
	l.turn.Unlock()
	if err != nil || mode.LoseReply {
		return false
	}
	return writeFrame(client, reply) == nil
}

// unreadable answers a query for a name of which the server knows nothing: it
// fails, or says that others have it.
func (l *DNSLink) unreadable(client net.Conn, m *dns.Msg, referred bool) bool {
	reply := new(dns.Msg).SetRcode(m, dns.RcodeServerFailure)
	if referred {
		reply.Rcode = dns.RcodeSuccess
		reply.Ns = []dns.RR{&dns.NS{Hdr: dns.RR_Header{Name: m.Question[0].Name, Rrtype: dns.TypeNS,
			Class: dns.ClassINET, Ttl: 60}, Ns: "ns.elsewhere.example."}}
	}
	return l.answer(client, reply, m)
}

// answer answers instead of the server, signed with the key of the request.
func (l *DNSLink) answer(client net.Conn, reply, m *dns.Msg) bool {
	sig := m.IsTsig()
	if sig == nil {
		return false
	}
	reply.SetTsig(sig.Hdr.Name, sig.Algorithm, 300, time.Now().Unix())
	wire, _, err := dns.TsigGenerate(reply, tsigSecret, sig.MAC, false)
	return err == nil && writeFrame(client, wire) == nil
}

func exchange(server net.Conn, wire []byte) ([]byte, error) {
	if err := server.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	if err := writeFrame(server, wire); err != nil {
		return nil, err
	}
	return readFrame(server)
}

func readFrame(c net.Conn) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	wire := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(c, wire)
	return wire, err
}

func writeFrame(c net.Conn, wire []byte) error {
	_, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...))
	return err
}
