package rfc2136

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
)

// Serves queries the server, as a client would, for addresses of a name that does not exist; see provider.ClientView.
func (p *Provider) Serves(ctx context.Context, suffix federation.FQDN) (provider.Served, error) {
	if !suffix.In(p.config.Zone) {
		return provider.Served{}, fmt.Errorf("%w: suffix %q is not in zone %q", provider.ErrRefused, suffix,
			p.config.Zone)
	}
	name := federation.FQDN("_served-" + strings.ToLower(rand.Text()[:12]) + "." + string(suffix))
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		m := newQuery(name, qtype)
		replies, err := p.client.exchange(ctx, m)
		if err != nil {
			return provider.Served{}, err
		}
		reply := replies[0]
		if reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
			return provider.Served{}, p.replied(reply)
		}
		if s := p.served(name, reply); s != (provider.Served{}) {
			return s, nil
		}
	}
	return provider.Served{}, nil
}

// served evaluates one answer for a name that does not exist.
func (p *Provider) served(name federation.FQDN, reply *dns.Msg) provider.Served {
	for _, rr := range append(reply.Answer[:len(reply.Answer):len(reply.Answer)], reply.Ns...) {
		owner := federation.CanonicalName(rr.Header().Name)
		typ := rr.Header().Rrtype
		below := owner != p.config.Zone && owner.In(p.config.Zone) && name.In(owner)
		if typ == dns.TypeDNAME && name.In(owner) || below && (typ == dns.TypeNS || typ == dns.TypeSOA) {
			return provider.Served{Delegated: owner}
		}
	}
	if !reply.Authoritative {
		return provider.Served{Elsewhere: true}
	}
	for _, set := range setsAt(reply, name) {
		if set.Type != federation.TypeTXT {
			return provider.Served{Wildcard: set.Type}
		}
	}
	return provider.Served{}
}
