package rfc2136

import (
	"context"
	"errors"
	"fmt"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
)

// maxReads is how often Get reads a name that changes between the queries.
const maxReads = 3

// Get queries the primary; see provider.Provider.
func (p *Provider) Get(ctx context.Context, name federation.FQDN) ([]federation.RRset, error) {
	if !name.In(p.config.Zone) {
		return nil, fmt.Errorf("%w: name %q is not in zone %q", provider.ErrRefused, name, p.config.Zone)
	}
	for range maxReads {
		sets, stable, err := p.read(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		if stable {
			return sets, nil
		}
	}
	return nil, fmt.Errorf("%q: server %s: %w: the name changed between the queries, %d times", name, p.config.Server,
		provider.ErrUnavailable, maxReads)
}

// read queries CNAME first: beside one there is nothing else, and the answers to other queries would only chase it. If
// one appears later, the name has changed meanwhile and the answers do not belong together. The queries are not
// pipelined: Nagle's algorithm on BIND and Knot would delay small replies by 40 ms each.
func (p *Provider) read(ctx context.Context, name federation.FQDN) (sets []federation.RRset, stable bool, err error) {
	reply, err := p.query(ctx, name, dns.TypeCNAME)
	if err != nil {
		return nil, false, err
	}
	sets = setsAt(reply, name)
	if len(sets) == 0 {
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeTXT} {
			reply, err := p.query(ctx, name, qtype)
			if err != nil {
				return nil, false, err
			}
			sets = append(sets, setsAt(reply, name)...)
		}
		if provider.Find(sets, federation.TypeCNAME) != nil {
			return nil, false, nil
		}
	}
	if len(sets) > 0 {
		used, err := p.inUse(ctx, name)
		if err != nil {
			return nil, false, err
		}
		if !used {
			return nil, true, nil // a wildcard's, or gone by now
		}
	}
	return sets, true, nil
}

// inUse checks by an update without changes whether the name has records of its own (RFC 2136, section 2.4.4).
func (p *Provider) inUse(ctx context.Context, name federation.FQDN) (bool, error) {
	m := new(dns.Msg).SetUpdate(string(p.config.Zone))
	m.Answer = []dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: string(name), Rrtype: dns.TypeANY, Class: dns.ClassANY}}}
	replies, err := p.client.exchange(ctx, m)
	if err != nil {
		return false, err
	}
	if replies[0].Rcode == dns.RcodeNameError {
		return false, nil
	}
	return true, p.replied(replies[0])
}

// setsAt returns the RRsets of the answer section at the name itself.
func setsAt(reply *dns.Msg, name federation.FQDN) []federation.RRset {
	var at []dns.RR
	for _, rr := range reply.Answer {
		if federation.CanonicalName(rr.Header().Name) == name {
			at = append(at, rr)
		}
	}
	return provider.RRsets(at)
}

// NegativeTTL reads the zone's SOA record; see provider.Provider.
func (p *Provider) NegativeTTL(ctx context.Context) (minimum uint32, err error) {
	reply, err := p.query(ctx, p.config.Zone, dns.TypeSOA)
	if err != nil {
		return 0, err
	}
	for _, rr := range reply.Answer {
		if soa, ok := rr.(*dns.SOA); ok {
			return min(soa.Hdr.Ttl, soa.Minttl), nil
		}
	}
	return 0, fmt.Errorf("%w: server %s: zone %q has no SOA record there: check that it is the name of a zone",
		provider.ErrRefused, p.config.Server, p.config.Zone)
}

// List transfers the zone (RFC 5936) and yields the subtree; see provider.Provider. Nothing is yielded before the
// transfer is complete.
func (p *Provider) List(ctx context.Context, suffix federation.FQDN, yield func(federation.RRset) error) error {
	if !suffix.In(p.config.Zone) {
		return fmt.Errorf("%w: suffix %q is not in zone %q", provider.ErrRefused, suffix, p.config.Zone)
	}
	rrs, err := p.transfer(ctx, suffix)
	if err != nil {
		return fmt.Errorf("transfer of zone %q: %w", p.config.Zone, err)
	}
	for _, set := range provider.RRsets(rrs) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := yield(set); err != nil {
			return err
		}
	}
	return nil
}

// transfer returns the zone's records of our types in the subtree. It uses a connection of its own, so that updates
// need not wait.
func (p *Provider) transfer(ctx context.Context, suffix federation.FQDN) ([]dns.RR, error) {
	if err := ctx.Err(); err != nil {
		return nil, p.client.failed(ctx, provider.ErrNotSent, err)
	}
	co, err := p.client.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer co.Close()
	defer co.bind(ctx)()
	m := newQuery(p.config.Zone, dns.TypeAXFR)
	wire, mac, err := p.config.TSIG.sign(m)
	if err != nil {
		return nil, err
	}
	if err := co.write(ctx, wire); err != nil {
		return nil, p.client.failed(ctx, provider.ErrNotSent, err)
	}
	x := axfr{p: p, id: m.Id, suffix: suffix, stream: stream{key: p.config.TSIG, mac: mac}}
	for !x.done {
		wire, err := co.read(ctx)
		if err != nil {
			return nil, p.client.failed(ctx, provider.ErrUnavailable, err)
		}
		if err := x.message(wire); err != nil {
			if provider.KindOf(err) == nil {
				err = fmt.Errorf("%w: %w", provider.ErrUnavailable, err)
			}
			return nil, err
		}
	}
	return x.rrs, nil
}

// axfr is a transfer in progress.
type axfr struct {
	p      *Provider
	id     uint16
	suffix federation.FQDN
	stream stream

	soa  *dns.SOA // the first
	done bool     // the second has come, signed
	rrs  []dns.RR
}

func (x *axfr) message(wire []byte) error {
	m := new(dns.Msg)
	if err := m.Unpack(wire); err != nil {
		return fmt.Errorf("server %s: malformed message: %w", x.p.config.Server, err)
	}
	if m.Id != x.id || !m.Response {
		return fmt.Errorf("server %s: the message belongs to no request of ours", x.p.config.Server)
	}
	if err := x.p.replied(m); err != nil {
		return err
	}
	signed, err := x.stream.next(wire, m)
	if err != nil {
		return fmt.Errorf("server %s: %w", x.p.config.Server, err)
	}
	for _, rr := range m.Answer {
		if err := x.record(rr); err != nil {
			return fmt.Errorf("server %s: %w", x.p.config.Server, err)
		}
	}
	if len(m.Answer) == 0 {
		return fmt.Errorf("server %s: a message without records", x.p.config.Server)
	}
	if x.done && !signed {
		return fmt.Errorf("server %s: %w at the end", x.p.config.Server, errUnsigned)
	}
	return nil
}

func (x *axfr) record(rr dns.RR) error {
	soa, isSOA := rr.(*dns.SOA)
	switch {
	case x.done:
		return errors.New("records after the closing SOA")
	case x.soa == nil && !isSOA:
		return errors.New("the transfer does not begin with the SOA")
	case x.soa == nil:
		x.soa = soa
	case isSOA && soa.Serial != x.soa.Serial:
		return fmt.Errorf("the zone changed during the transfer, serial %d to %d", x.soa.Serial, soa.Serial)
	case isSOA:
		x.done = true
	case federation.CanonicalName(rr.Header().Name).In(x.suffix):
		x.rrs = append(x.rrs, rr)
	}
	return nil
}
