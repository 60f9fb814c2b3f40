package rfc2136

import (
	"context"
	"errors"
	"fmt"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation/provider"
)

// comparing checks, before the first change, that the server compares prerequisites: one that does not would let two
// syncers overwrite each other, and foreign records. It sends an update without changes whose prerequisites cannot hold
// at the apex, which always has SOA and NS records. It returns why nothing may be sent; a check that failed is repeated
// next time.
func (p *Provider) comparing(ctx context.Context) error {
	if p.compares.Load() {
		return nil
	}
	apex := string(p.config.Zone)
	for _, demand := range []struct {
		rr   dns.RR
		what string
	}{
		{emptyRR(p.config.Zone, "SOA", dns.ClassNONE), "that the zone has no SOA record"},
		{&dns.NS{
			Hdr: dns.RR_Header{Name: apex, Rrtype: dns.TypeNS, Class: dns.ClassINET},
			Ns:  "no-such-name-server.invalid.",
		},
			"that the zone's name server is no-such-name-server.invalid"},
	} {
		m := new(dns.Msg).SetUpdate(apex)
		m.Answer = []dns.RR{demand.rr}
		replies, err := p.client.exchange(ctx, m)
		if err == nil {
			err = p.replied(replies[0])
		}
		switch {
		case errors.Is(err, provider.ErrConflict):
		case err == nil:
			return fmt.Errorf("%w: server %s does not compare prerequisites as RFC 2136, section 3.2, says: "+
				"it agreed to one that demands %s; "+
				"nothing is written there, as it would overwrite what others have written: use another server, or "+
				"another provider",
				provider.ErrRefused, p.config.Server, demand.what)
		case errors.Is(err, provider.ErrRefused):
			return err
		default:
			return provider.Recast(provider.ErrNotSent,
				fmt.Errorf("the server was asked first whether it compares prerequisites: %w", err))
		}
	}
	p.compares.Store(true)
	return nil
}
