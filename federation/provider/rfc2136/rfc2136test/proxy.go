package rfc2136test

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// fate is what happens to a request on its way.
type fate int

const (
	pass fate = iota
	// loseRequest cuts the connection before the server has the request.
	loseRequest
	// loseReply cuts it when the server's reply has come, which is not passed on.
	loseReply
)

// proxy stands between provider and server and reads their messages.
type proxy struct {
	t        testing.TB
	addr     string
	upstream string

	mu       sync.Mutex
	decide   func(n int, request *dns.Msg) fate // n counts from 1
	requests []*dns.Msg
	octets   [2]int // sent and received, with the lengths before the messages
	conns    []net.Conn
	accepted int
	ended    bool
	wg       sync.WaitGroup
}

// startProxy runs a proxy before the server until the test ends.
func startProxy(t testing.TB, s Server) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, addr: l.Addr().String(), upstream: s.TCP}
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			p.wg.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		p.ended = true
		for _, c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

// set makes decide say what becomes of the requests from now on, which it counts anew. It is called by one goroutine at
// a time.
func (p *proxy) set(decide func(n int, request *dns.Msg) fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide, p.requests, p.accepted, p.octets = decide, nil, 0, [2]int{}
}

// updates returns the UPDATE requests since set.
func (p *proxy) updates() []*dns.Msg {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.requests), func(m *dns.Msg) bool { return m.Opcode != dns.OpcodeUpdate })
}

// counts returns how many requests and connections there were since set.
func (p *proxy) counts() (requests, conns int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.requests), p.accepted
}

// passed counts the octets of a message.
func (p *proxy) passed(way int, framed []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.octets[way] += len(framed)
}

// track remembers a connection; false if the proxy has ended.
func (p *proxy) track(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, c)
	return !p.ended
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	p.accepted++
	p.mu.Unlock()
	if !p.track(client) {
		return
	}
	server, err := net.DialTimeout("tcp", p.upstream, 5*time.Second)
	if err != nil {
		return // the server is down
	}
	defer server.Close()
	if !p.track(server) {
		return
	}
	doomed := make(chan uint16, 256) // ids of replies to lose
	var replies sync.WaitGroup
	replies.Go(func() {
		defer client.Close()
		p.passReplies(client, server, doomed)
	})
	p.passRequests(server, client, doomed)
	replies.Wait()
}

// passRequests ends the connection to the server when it returns.
func (p *proxy) passRequests(server, client net.Conn, doomed chan<- uint16) {
	defer server.Close()
	for {
		framed, err := readFramed(client)
		if err != nil {
			return
		}
		m := new(dns.Msg)
		if err := m.Unpack(framed[2:]); err != nil {
			p.t.Errorf("proxy: malformed request: %v", err)
			return
		}
		p.passed(0, framed)
		switch p.request(m) {
		case loseRequest:
			return
		case loseReply:
			doomed <- m.Id
		}
		if _, err := server.Write(framed); err != nil {
			return
		}
	}
}

func (p *proxy) request(m *dns.Msg) fate {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = append(p.requests, m)
	if p.decide == nil {
		return pass
	}
	return p.decide(len(p.requests), m)
}

func (p *proxy) passReplies(client, server net.Conn, doomed <-chan uint16) {
	lose := map[uint16]bool{}
	for {
		framed, err := readFramed(server)
		if err != nil {
			return
		}
		p.passed(1, framed)
		for more := true; more; {
			select {
			case id := <-doomed:
				lose[id] = true
			default:
				more = false
			}
		}
		if len(framed) >= 4 && lose[binary.BigEndian.Uint16(framed[2:])] {
			return
		}
		if _, err := client.Write(framed); err != nil {
			return
		}
	}
}

// readFramed reads one message with the length before it.
func readFramed(c net.Conn) ([]byte, error) {
	framed := make([]byte, 2)
	if _, err := io.ReadFull(c, framed); err != nil {
		return nil, err
	}
	framed = append(framed, make([]byte, binary.BigEndian.Uint16(framed))...)
	_, err := io.ReadFull(c, framed[2:])
	return framed, err
}

// wire returns the octets that were sent and received since set.
func (p *proxy) wire() (sent, received int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.octets[0], p.octets[1]
}
