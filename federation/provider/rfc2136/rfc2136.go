// Package rfc2136 is the provider for name servers that take dynamic updates (RFC 2136) signed with TSIG (RFC 8945):
// BIND, Knot, CoreDNS's dynupdate and others. All messages go over TCP to the zone's primary.
//
// Each change demands in its prerequisites exactly the RRsets of its From, of the types A, AAAA and CNAME and, if it
// has TXT RRsets, TXT. The TTLs are not compared (RFC 2136, section 2.4.2); an RRset that changes is replaced as a
// whole, which repairs its TTL too.
//
// A name that only a wildcard matches has no RRsets of its own: Get checks with the server whether the name is in use.
package rfc2136

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/internal/last"
)

// Provider implements provider.Provider and provider.ClientView.
type Provider struct {
	config Config
	client *client
	// plain is set once the server has refused an old RRset beside a new CNAME in one message (newJob's putBack) and
	// accepted it without.
	plain atomic.Bool
	// compares is set once the server has shown that it compares prerequisites.
	compares atomic.Bool
	last     last.Names
}

// New returns the provider of a zone, or says which field of the configuration is wrong. It does not connect.
func New(config Config) (*Provider, error) {
	config, err := config.checked()
	if err != nil {
		return nil, fmt.Errorf("rfc2136: %w", err)
	}
	return &Provider{config: config, client: &client{
		server:  config.Server,
		timeout: config.Timeout,
		key:     config.TSIG,
		turn:    make(chan struct{}, 1),
	}}, nil
}

// Close closes the connection that is kept between requests; it waits for a request in progress. The provider can be
// used again.
func (p *Provider) Close() error {
	p.client.close()
	return nil
}

// Caps says what RFC 2136 can do.
func (p *Provider) Caps() provider.Caps {
	return provider.Caps{ListsWholeZone: true}
}

// Apply makes the changes in as few messages as the limits allow; see provider.Provider. A refused message is halved
// until the bad change is alone.
func (p *Provider) Apply(ctx context.Context, claim *federation.RRset, changes []plan.Change) []error {
	r := &run{p: p, claim: claim, errs: make([]error, len(changes))}
	if err := provider.CheckClaim(p.config.Zone, claim); err != nil {
		for i := range changes {
			r.errs[i] = err
		}
		return r.errs
	}
	jobs := make([]job, 0, len(changes))
	for i, c := range changes {
		j, err := p.job(i, c)
		if err != nil {
			r.errs[i] = err
			continue
		}
		jobs = append(jobs, j)
	}
	first, failed := last.Order(&p.last, jobs, func(j job) federation.FQDN { return j.change.Name })
	batches := split(first, claim, p.config.MaxBatch)
	for _, group := range failed {
		batches = append(batches, split(group, claim, p.config.MaxBatch)...)
	}
	if len(batches) > 0 {
		r.dead = p.comparing(ctx)
	}
	for i, batch := range batches {
		r.send(ctx, batch, i+1 < len(batches))
	}
	return r.errs
}

func (p *Provider) job(index int, c plan.Change) (job, error) {
	if err := provider.Check(p.config.Zone, c); err != nil {
		return job{}, err
	}
	j, err := newJob(index, c, !p.plain.Load())
	if err != nil {
		return j, fmt.Errorf("%w: %w", provider.ErrRefused, err)
	}
	if j.octets > maxOctets {
		return j, fmt.Errorf("%w: the change of %q takes %d octets, a message holds %d", provider.ErrRefused, c.Name,
			j.octets, maxOctets)
	}
	return j, nil
}

// update sends one message; nil means that the server made all of it.
func (p *Provider) update(ctx context.Context, claim *federation.RRset, jobs []job) error {
	m, err := message(p.config.Zone, claim, jobs)
	if err != nil {
		return fmt.Errorf("%w: %w", provider.ErrRefused, err)
	}
	replies, err := p.client.exchange(ctx, m)
	if err != nil {
		return err
	}
	return p.replied(replies[0])
}

// query sends a query to the primary and accepts only an authoritative answer; NXDOMAIN is one.
func (p *Provider) query(ctx context.Context, name federation.FQDN, qtype uint16) (*dns.Msg, error) {
	m := newQuery(name, qtype)
	replies, err := p.client.exchange(ctx, m)
	if err != nil {
		return nil, err
	}
	return replies[0], p.authoritative(m, replies[0])
}

func newQuery(name federation.FQDN, qtype uint16) *dns.Msg {
	m := new(dns.Msg).SetQuestion(string(name), qtype)
	m.RecursionDesired = false
	return m
}

func (p *Provider) authoritative(query, reply *dns.Msg) error {
	question := query.Question[0]
	what := fmt.Sprintf("query %s %s", question.Name, dns.TypeToString[question.Qtype])
	if reply.Rcode != dns.RcodeNameError {
		if err := p.replied(reply); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	if reply.Truncated {
		return fmt.Errorf("%s: %w: server %s has cut its answer short", what, provider.ErrUnavailable, p.config.Server)
	}
	if !reply.Authoritative {
		return fmt.Errorf("%s: %w: server %s is not authoritative for the name: check that it is the primary of zone "+
			"%q, "+
			"and that the name is not delegated from there", what, provider.ErrRefused, p.config.Server, p.config.Zone)
	}
	return nil
}
