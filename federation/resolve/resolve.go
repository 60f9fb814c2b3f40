// Package resolve looks up the addresses of load balancers' host names (H4).
//
// A Client asks recursive DNS servers once. It returns for how long an answer is valid, and distinguishes a name that
// does not exist from a lookup that failed. A Cache looks up the names of its users again as their TTLs expire, and
// combines the answers into what counts now.
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

// Answer is the result of looking up one name and type: Err, a Denial, or at least one address.
type Answer struct {
	// Addresses are sorted and unique.
	Addresses []netip.Addr
	// Aliases are the targets of the CNAME records, in order; a denial may have some too.
	Aliases []federation.FQDN
	// TTL is the least TTL of the records that the answer consists of; for a denial including the SOA record's negative
	// TTL, or 0 without one.
	TTL time.Duration
	// Denial is why there are no addresses; "" if there are some, or with Err.
	Denial Denial
	// Err says that nothing is known: no server has given a usable answer. It names each server and its last failure,
	// in the same words each time.
	Err error
}

// Config configures a Client.
type Config struct {
	// Servers are recursive servers, in order of preference; none means those of File.
	Servers []netip.AddrPort
	// File is in resolv.conf format; "" means DefaultFile. Changes of it take effect.
	File string
	// TryTimeout bounds each exchange with a server; 0 means DefaultTryTimeout.
	TryTimeout time.Duration
}

// The defaults of a Config.
const (
	DefaultFile = "/etc/resolv.conf"
	// DefaultTryTimeout allows for two servers within LookupTimeout.
	DefaultTryTimeout = 2 * time.Second
)

// rounds is how often each server is asked: a datagram may be lost.
const rounds = 2

// ParseServer parses the address of a server: an IP address with or without a port; the default is port 53.
func ParseServer(text string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(a, 53), nil
	}
	if ap, err := netip.ParseAddrPort(text); err == nil && ap.Port() != 0 {
		return ap, nil
	}
	return netip.AddrPort{}, fmt.Errorf("DNS server %q: an IP address, or one with a port such as 192.0.2.53:53 or "+
		"[2001:db8::53]:53, is allowed", text)
}

// Client looks up names. Its methods may be called concurrently.
type Client struct {
	servers servers
	try     time.Duration
}

// New returns a Client. It does no I/O.
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

// Lookup asks for the A and the AAAA records of a host name concurrently, and returns when both lookups are done or ctx
// ends.
func (c *Client) Lookup(ctx context.Context, host federation.FQDN) (a, aaaa Answer) {
	var wg sync.WaitGroup
	wg.Go(func() { a = c.lookup(ctx, host, dns.TypeA) })
	wg.Go(func() { aaaa = c.lookup(ctx, host, dns.TypeAAAA) })
	wg.Wait()
	return a, aaaa
}

// lookup asks one server after another until one answers.
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

// failure returns an error with the last failure of each server that was asked, or else fallback.
func failure(host federation.FQDN, qtype uint16, last []error, fallback error) error {
	err := errors.Join(last...)
	if err == nil {
		err = fallback
	}
	return fmt.Errorf("%s of %q: %w", dns.TypeToString[qtype], host, oneLine{err})
}

// oneLine is a joined error whose text is one line.
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
