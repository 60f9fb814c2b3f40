// Package cutproxy is a TCP proxy that can be told to fail the way networks
// fail: to swallow everything, to refuse, or to be slow.
package cutproxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Mode is what a Proxy does with its traffic.
type Mode int

// The modes.
const (
	// Pass copies both ways.
	Pass Mode = iota
	// Blackhole takes connections and data and answers nothing; data of open
	// connections waits and is passed on afterwards, as TCP would have it.
	Blackhole
	// Reset closes all connections, and every new one at once.
	Reset
)

// String returns the word for the mode.
func (m Mode) String() string { return []string{"pass", "black hole", "reset"}[m] }

// Proxy forwards one address to one upstream.
type Proxy struct {
	listener net.Listener

	mu       sync.Mutex
	upstream string
	mode     Mode
	delay    time.Duration
	change   chan struct{} // closed when mode or delay change
	conns    map[net.Conn]bool
	done     bool
	wg       sync.WaitGroup
}

// New starts a proxy to upstream on a loopback port that the kernel picks.
func New(upstream string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cutting proxy: %w", err)
	}
	p := &Proxy{listener: l, upstream: upstream, change: make(chan struct{}), conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	return p, nil
}

// Addr is the address that the proxy listens on.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Set changes the mode, for open connections too.
func (p *Proxy) Set(m Mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = m
	p.changed()
	if m == Reset {
		p.closeAll()
	}
}

// Redirect gives new connections another upstream, and closes the open ones.
func (p *Proxy) Redirect(upstream string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.upstream = upstream
	p.closeAll()
}

// Slow delays every piece of data, each way, by d; 0 ends that.
func (p *Proxy) Slow(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
	p.changed()
}

// Close ends the proxy and all its connections, and waits.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.done = true
	p.changed()
	p.closeAll()
	p.mu.Unlock()
	err := p.listener.Close()
	p.wg.Wait()
	return err
}

func (p *Proxy) changed() {
	close(p.change)
	p.change = make(chan struct{})
}

// closeAll resets all connections.
func (p *Proxy) closeAll() {
	for c := range p.conns {
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.wg.Go(func() { p.forward(c) })
	}
}

// track remembers a connection; false if it is not to live.
func (p *Proxy) track(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done || p.mode == Reset {
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
		return false
	}
	p.conns[c] = true
	return true
}

func (p *Proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	c.Close()
}

func (p *Proxy) forward(client net.Conn) {
	if !p.track(client) {
		return
	}
	defer p.drop(client)
	if !p.gate() {
		return
	}
	p.mu.Lock()
	upstream := p.upstream
	p.mu.Unlock()
	server, err := net.DialTimeout("tcp", upstream, 5*time.Second)
	if err != nil || !p.track(server) {
		return
	}
	defer p.drop(server)
	var both sync.WaitGroup
	both.Go(func() { p.copy(server, client) })
	both.Go(func() { p.copy(client, server) })
	both.Wait()
}

// copy passes data on in pieces, each through the gate; the end of one side
// ends the other.
func (p *Proxy) copy(to, from net.Conn) {
	defer to.(*net.TCPConn).CloseWrite() //nolint:errcheck // it may be closed already
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if !p.gate() {
				return
			}
			if _, werr := to.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				p.drop(to)
			}
			return
		}
	}
}

// gate waits until data may pass; false if the proxy has been closed.
func (p *Proxy) gate() bool {
	for {
		p.mu.Lock()
		mode, delay, done, change := p.mode, p.delay, p.done, p.change
		p.mu.Unlock()
		switch {
		case done:
			return false
		case mode == Blackhole:
			<-change
		case delay > 0:
			select {
			case <-time.After(delay):
				return true
			case <-change:
			}
		default:
			return true
		}
	}
}
