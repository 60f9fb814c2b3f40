// Package resolve looks up the addresses of host names at recursive DNS servers (H4). It tells for how long an answer
// is good, and tells a name that does not exist from one of which nothing can be learned. It remembers no answer.
package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
)

// Denial says that a name has no records of a type (RFC 2308, section 2).
type Denial string

// The denials: the name does not exist, or it has no records of the type.
const (
	NXDomain Denial = "NXDOMAIN"
	NoData   Denial = "NODATA"
)

// Answer is what the servers say of one name and type: Err, a Denial, or at least one address.
type Answer struct {
	// Addresses are sorted and without doubles.
	Addresses []netip.Addr
	// Aliases are the names that the CNAME records lead to, in their order, of a denial too.
	Aliases []federation.FQDN
	// TTL is for how long the answer is good: the least of the records that it is made of, with the SOA record's
	// negative TTL if it is a denial; 0 if the denial tells none.
	TTL time.Duration
	// Denial is why there are no addresses; "" if there are, or with Err.
	Denial Denial
	// Err says that nothing is known: no server has given an answer that can be used. It names each server and what it
	// said, in the same words each time.
	Err error
}

// Config says who is asked, and for how long.
type Config struct {
	// Servers are recursive servers in the order in which they are asked; none means those of File.
	Servers []netip.AddrPort
	// File is in the form of resolv.conf; "" means DefaultFile. It is read again when it has changed.
	File string
	// TryTimeout is how long one server is waited for; 0 means DefaultTryTimeout.
	TryTimeout time.Duration
}

// The defaults of a Config.
const (
	DefaultFile = "/etc/resolv.conf"
	// DefaultTryTimeout lets two servers be tried before a lookup of 5 s ends.
	DefaultTryTimeout = 2 * time.Second
)

// rounds is how often each server is asked: a datagram may be lost.
const rounds = 2

// ParseServer reads the address of a server: an IP address, or one with a port; the port is 53 without one.
func ParseServer(text string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(a, 53), nil
	}
	if ap, err := netip.ParseAddrPort(text); err == nil && ap.Port() != 0 {
		return ap, nil
	}
	return netip.AddrPort{}, fmt.Errorf("DNS server %q: an IP address, or one with a port such as 192.0.2.53:53 or [2001:db8::53]:53, is allowed", text)
}

// Client looks names up. Its methods may be called at the same time.
type Client struct {
	servers servers
	try     time.Duration
}

// New returns a Client; it sends nothing, and reads no file.
func New(c Config) *Client {
	if c.File == "" {
		c.File = DefaultFile
	}
	if c.TryTimeout == 0 {
		c.TryTimeout = DefaultTryTimeout
	}
	client := &Client{try: c.TryTimeout}
	client.servers.fixed, client.servers.file = c.Servers, c.File
	return client
}

// Lookup asks for both types of addresses of a host name, at the same time, and returns when both are answered or ctx
// ends.
func (c *Client) Lookup(ctx context.Context, host federation.FQDN) (a, aaaa Answer) {
	var wg sync.WaitGroup
	wg.Go(func() { a = c.lookup(ctx, host, dns.TypeA) })
	wg.Go(func() { aaaa = c.lookup(ctx, host, dns.TypeAAAA) })
	wg.Wait()
	return a, aaaa
}

// lookup asks one server after the other until one gives an answer.
func (c *Client) lookup(ctx context.Context, host federation.FQDN, qtype uint16) Answer {
	list, err := c.servers.list(time.Now())
	if err != nil {
		return Answer{Err: err}
	}
	question := dns.Question{Name: string(host), Qtype: qtype, Qclass: dns.ClassINET}
	last := make([]error, len(list)) // of each server
	for range rounds {
		for i, server := range list {
			if ctx.Err() != nil {
				return Answer{Err: failure(host, qtype, last, ctx.Err())}
			}
			answer, err := c.ask(ctx, server, question)
			if err == nil {
				c.servers.answered(server)
				return answer
			}
			if isSilence(err) && ctx.Err() == nil {
				c.servers.silent(server, time.Now())
			}
			last[i] = fmt.Errorf("server %s: %w", server, err)
		}
	}
	return Answer{Err: failure(host, qtype, last, nil)}
}

// failure says what each server that was asked said last; cut is why no more was asked.
func failure(host federation.FQDN, qtype uint16, last []error, cut error) error {
	err := errors.Join(last...)
	if err == nil {
		err = cut
	}
	return fmt.Errorf("%s of %q: %w", dns.TypeToString[qtype], host, oneLine{err})
}

// oneLine is a joined error on one line.
type oneLine struct{ error }

func (e oneLine) Unwrap() error { return e.error }

func (e oneLine) Error() string {
	joined, ok := e.error.(interface{ Unwrap() []error })
	if !ok {
		return e.error.Error()
	}
	text := ""
	for _, err := range joined.Unwrap() {
		if text != "" {
			text += "; "
		}
		text += err.Error()
	}
	return text
}
