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

// replyError is the error of a reply.
type replyError struct {
	rcode int
	err   error
}

func (e *replyError) Error() string { return e.err.Error() }
func (e *replyError) Unwrap() error { return e.err }

// replied turns a reply into an error, nil for NOERROR. It names server, zone and key and what to check, never the
// secret. Queries use it too, for their rcodes other than NOERROR and NXDOMAIN.
func (p *Provider) replied(reply *dns.Msg) error {
	if reply.Rcode == dns.RcodeSuccess {
		return nil
	}
	kind, text := p.meaning(reply)
	code := dns.RcodeToString[reply.Rcode]
	if code == "" {
		code = fmt.Sprint("rcode ", reply.Rcode)
	}
	return &replyError{reply.Rcode, fmt.Errorf("%w: server %s answers %s: %s", kind, p.config.Server, code, text)}
}

func (p *Provider) meaning(reply *dns.Msg) (kind error, text string) { //nolint:staticcheck // the kind is a value here
	zone, key := p.config.Zone, p.config.TSIG
	switch reply.Rcode {
	case dns.RcodeNXRrset, dns.RcodeYXRrset, dns.RcodeNameError, dns.RcodeYXDomain:
		return provider.ErrConflict, fmt.Sprintf("a prerequisite does not hold in zone %q", zone)
	case dns.RcodeNotAuth:
		return provider.ErrRefused, p.notAuth(reply)
	case dns.RcodeRefused:
		return provider.ErrRefused, fmt.Sprintf("key %q (%s) may not do this in zone %q, or its signature is not "+
			"accepted: "+
			"check the server's rules for the key (allow-update or update-policy in BIND, acl in Knot, "+
			"TSIG-ALLOW-DNSUPDATE and dnsupdate in PowerDNS, "+
			"allow of dynupdate and its limits in CoreDNS; allow-transfer, acl, TSIG-ALLOW-AXFR, transfer for zone "+
			"transfers), "+
			"and the key's name, secret and algorithm on both sides, and that both clocks differ by less than %d s "+
			"(PowerDNS answers an update so, whatever is wrong with its key)", key.Name, key.Algorithm, zone, tsigFudge)
	case dns.RcodeNotZone:
		return provider.ErrRefused,
			fmt.Sprintf("the name is not in zone %q there: check the zone's name and its delegations", zone)
	case dns.RcodeFormatError:
		return provider.ErrRefused,
			fmt.Sprintf("the server cannot read the message: check that it supports RFC 2136 updates of zone %q", zone)
	case dns.RcodeNotImplemented:
		return provider.ErrRefused,
			fmt.Sprintf("the server takes no updates: check that zone %q is a primary zone with updates allowed there",
				zone)
	}
	kind = provider.ErrUnavailable
	if reply.IsTsig() == nil && reply.Opcode == dns.OpcodeUpdate {
		kind = provider.ErrUnknownOutcome // the sender is not known
	}
	return kind, fmt.Sprintf("zone %q, key %q: the server's log says why "+
		"(in BIND, it may be an RRset of more than max-records-per-type records, 100 by default)",
		zone, key.Name)
}

func (p *Provider) notAuth(reply *dns.Msg) string {
	key := p.config.TSIG
	var tsigError uint16
	if sig := reply.IsTsig(); sig != nil {
		tsigError = sig.Error
	}
	switch tsigError {
	case dns.RcodeBadKey:
		return fmt.Sprintf("BADKEY: it does not know TSIG key %q with algorithm %q, "+
			"or has no rule for it (Knot, whose acl must name the key): "+
			"check the key's name, algorithm and rules on both sides", key.Name, key.Algorithm)
	case dns.RcodeBadSig:
		return fmt.Sprintf("BADSIG: it does not accept the signature of TSIG key %q: "+
			"check the secret and the algorithm (here %q) on both sides", key.Name, key.Algorithm)
	case dns.RcodeBadTime:
		return fmt.Sprintf("BADTIME: the clocks of this host and of the server differ by more than %d s "+
			"(TSIG key %q): check both clocks", tsigFudge, key.Name)
	}
	return fmt.Sprintf("it is not authoritative for zone %[1]q, or rejects TSIG key %[2]q (%[3]q) "+
		"without saying why, as PowerDNS does: "+
		"check the zone's name, that this server is its primary, "+
		"the key's name, secret and algorithm on both sides, and that both clocks differ by less than %[4]d s",
		p.config.Zone, key.Name, key.Algorithm, tsigFudge)
}
