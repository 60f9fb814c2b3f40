package main

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// forwarder is one address and port of the load balancer.
type forwarder struct {
	addr     netip.AddrPort
	listener net.Listener
	pick     func(vip netip.Addr, port string) []netip.AddrPort

	mu   sync.Mutex
	port string
	turn int
}

func (f *forwarder) setPort(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.port = name
}

func (f *forwarder) close() { _ = f.listener.Close() }

func (f *forwarder) serve() {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return // closed
		}
		go f.forward(conn.(*net.TCPConn))
	}
}

// forward copies between the client and the next ready endpoint that accepts the connection; without one the client's
// connection is reset.
func (f *forwarder) forward(client *net.TCPConn) {
	defer client.Close()
	f.mu.Lock()
	port, turn := f.port, f.turn
	f.turn++
	f.mu.Unlock()
	endpoints := f.pick(f.addr.Addr(), port)
	for i := range endpoints {
		backend, err := net.DialTimeout("tcp", endpoints[(turn+i)%len(endpoints)].String(), time.Second)
		if err != nil {
			continue
		}
		defer backend.Close()
		go func() {
			_, _ = io.Copy(backend, client) // ends with either side
			_ = backend.(*net.TCPConn).CloseWrite()
		}()
		_, _ = io.Copy(client, backend)
		return
	}
	_ = client.SetLinger(0)
}
