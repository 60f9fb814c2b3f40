package rfc2136

import (
	"fmt"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation/provider"
)

// refusals are the rcodes that another attempt will not change.
var refusals = []int{
	dns.RcodeRefused, dns.RcodeNotAuth, dns.RcodeNotZone, dns.RcodeFormatError, dns.RcodeNotImplemented,
}

// replyError is the error that a reply stands for.
type replyError struct {
	rcode int
	err   error
}

func (e *replyError) Error() string { return e.err.Error() }
func (e *replyError) Unwrap() error { return e.err }

// replied turns a reply into an error, nil for NOERROR. It names server, zone
// and key and what to check, never the secret. Queries use it too, for their
// rcodes other than NOERROR and NXDOMAIN.
func (p *Provider) replied(reply *dns.Msg) error {
	if reply.Rcode == dns.RcodeSuccess {
		return nil
	}
	server, zone, key := p.config.Server, p.config.Zone, p.config.TSIG
	code := dns.RcodeToString[reply.Rcode]
	fail := func(kind error, format string, args ...any) error {
		text := fmt.Sprintf("server %s answers %s: %s", server, code, fmt.Sprintf(format, args...))
		if kind == nil {
			return &replyError{reply.Rcode, fmt.Errorf("%s", text)}
		}
		return &replyError{reply.Rcode, fmt.Errorf("%w: %s", kind, text)}
	}
	switch reply.Rcode {
	case dns.RcodeNXRrset, dns.RcodeYXRrset, dns.RcodeNameError, dns.RcodeYXDomain:
		return fail(provider.ErrConflict, "a prerequisite does not hold in zone %q", zone)
	case dns.RcodeNotAuth:
		return fail(provider.ErrRefused, "%s", p.notAuth(reply))
	case dns.RcodeRefused:
		return fail(provider.ErrRefused, "key %q may not do this in zone %q: check the server's rules for it (allow-update or update-policy in BIND, acl in Knot, allow of dynupdate and its limits in CoreDNS; allow-transfer, acl, transfer for zone transfers)", key.Name, zone)
	case dns.RcodeNotZone:
		return fail(provider.ErrRefused, "the name is not in zone %q there: check the zone's name and its delegations", zone)
	case dns.RcodeFormatError:
		return fail(provider.ErrRefused, "the server cannot read the message: check that it supports RFC 2136 updates of zone %q", zone)
	case dns.RcodeNotImplemented:
		return fail(provider.ErrRefused, "the server takes no updates: check that zone %q is a primary zone with updates allowed there", zone)
	}
	return fail(nil, "zone %q, key %q", zone, key.Name)
}

func (p *Provider) notAuth(reply *dns.Msg) string {
	key := p.config.TSIG
	var tsigError uint16
	if sig := reply.IsTsig(); sig != nil {
		tsigError = sig.Error
	}
	switch tsigError {
	case dns.RcodeBadKey:
		return fmt.Sprintf("BADKEY: it does not know TSIG key %q with algorithm %q, or has no rule for it (Knot, whose acl must name the key): check the key's name, algorithm and rules on both sides", key.Name, key.Algorithm)
	case dns.RcodeBadSig:
		return fmt.Sprintf("BADSIG: it does not accept the signature of TSIG key %q: check the secret and the algorithm (here %q) on both sides", key.Name, key.Algorithm)
	case dns.RcodeBadTime:
		return fmt.Sprintf("BADTIME: the clocks of this host and of the server differ by more than %d s (TSIG key %q): check both clocks", tsigFudge, key.Name)
	}
	return fmt.Sprintf("it is not authoritative for zone %q, or rejects TSIG key %q (%q): check the zone's name, that this server is its primary, and the key", p.config.Zone, key.Name, key.Algorithm)
}
