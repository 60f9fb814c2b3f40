package dnscheck

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
)

// maxServers bounds how many servers of a zone are asked.
const maxServers = 4

// lookup asks about the zones of a run; what several checks need is asked once.
type lookup struct {
	mu        sync.Mutex
	zones     map[zoneKey]func() *zone
	negatives map[zoneKey]bool // those that were looked at
}

type zoneKey struct {
	env    *check.Env
	domain string
	server string
}

// zone is what DNS says of the zone of a federation's domain.
type zone struct {
	// soa is what the resolver answers; nil if err says why it is not known.
	soa      *dns.SOA
	resolver string
	err      error
	// servers are those that should be authoritative: the provider's primary, and those of the delegation.
	servers []string
}

// of returns the zone of the federation's domain.
func (l *lookup) of(ctx context.Context, e *check.Env, f *admin.FederationStatus) *zone {
	l.mu.Lock()
	key := zoneKey{e, f.Domain, f.Server}
	if l.zones == nil {
		l.zones = map[zoneKey]func() *zone{}
	}
	read := l.zones[key]
	if read == nil {
		read = sync.OnceValue(func() *zone { return readZone(ctx, e, f) })
		l.zones[key] = read
	}
	l.mu.Unlock()
	return read()
}

func readZone(ctx context.Context, e *check.Env, f *admin.FederationStatus) *zone {
	z := &zone{}
	if f.Server != "" {
		z.servers = append(z.servers, withPort(f.Server))
	}
	var reply *dns.Msg
	if reply, z.resolver, z.err = recursive(ctx, e, f.Domain, dns.TypeSOA); z.err != nil {
		return z
	}
	if z.soa = soaOf(reply); z.soa == nil {
		z.err = fmt.Errorf("resolver %s answers %s for the SOA of %s, without one", z.resolver,
			dns.RcodeToString[reply.Rcode], f.Domain)
		return z
	}
	z.delegated(ctx, e)
	return z
}

// delegated adds the servers of the zone's delegation.
func (z *zone) delegated(ctx context.Context, e *check.Env) {
	reply, _, err := recursive(ctx, e, z.soa.Hdr.Name, dns.TypeNS)
	if err != nil {
		return // the provider's own is asked
	}
	var hosts []string
	for _, rr := range reply.Answer {
		if ns, ok := rr.(*dns.NS); ok {
			hosts = append(hosts, ns.Ns)
		}
	}
	slices.Sort(hosts)
	found := make([][]string, len(hosts))
	var wait sync.WaitGroup
	for i, host := range hosts {
		wait.Go(func() { found[i] = addresses(ctx, e, host) })
	}
	wait.Wait()
	for _, list := range found {
		for _, address := range list {
			if len(z.servers) < maxServers && !slices.Contains(z.servers, address) {
				z.servers = append(z.servers, address)
			}
		}
	}
}

// addresses returns one address of a name server, with its port: IPv4 if it has one.
func addresses(ctx context.Context, e *check.Env, host string) []string {
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		reply, _, err := recursive(ctx, e, host, qtype)
		if err != nil {
			continue
		}
		for _, rr := range reply.Answer {
			switch rr := rr.(type) {
			case *dns.A:
				return []string{withPort(rr.A.String())}
			case *dns.AAAA:
				return []string{withPort(rr.AAAA.String())}
			}
		}
	}
	return nil
}

// soaOf returns the SOA record of a reply: that of the zone in which the name is, or would be.
func soaOf(reply *dns.Msg) *dns.SOA {
	for _, rr := range slices.Concat(reply.Answer, reply.Ns) {
		if soa, ok := rr.(*dns.SOA); ok {
			return soa
		}
	}
	return nil
}

func withPort(server string) string {
	if _, _, err := net.SplitHostPort(server); err == nil {
		return server
	}
	return net.JoinHostPort(server, "53")
}

// errNoResolver is the error if there is no resolver to ask.
var errNoResolver = errors.New("no resolver is known here: name one by --resolver")

func resolvers(e *check.Env) ([]string, error) {
	if len(e.Resolvers) > 0 {
		return e.Resolvers, nil
	}
	c, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil || len(c.Servers) == 0 {
		return nil, errNoResolver
	}
	list := make([]string, len(c.Servers))
	for i, s := range c.Servers {
		list[i] = net.JoinHostPort(s, c.Port)
	}
	return list, nil
}

// recursive asks the resolvers, the next if one does not answer.
func recursive(ctx context.Context, e *check.Env, name string, qtype uint16) (reply *dns.Msg, by string, err error) {
	list, err := resolvers(e)
	if err != nil {
		return nil, "", err
	}
	for _, by = range list {
		if reply, err = e.Ask(ctx, by, name, qtype, true); err == nil {
			return reply, by, nil
		}
	}
	return nil, by, err
}
