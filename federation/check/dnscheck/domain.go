package dnscheck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
)

// resolves looks for the syncer's claim through a resolver: if it is there, clients are led to the zone that the syncer
// writes. If it is not, the SOA records say to which zone they are led instead.
func (l *lookup) resolves(ctx context.Context, e *check.Env, f *admin.FederationStatus) check.Finding {
	subject := f.Domain
	domain, err := federation.ParseDomain(f.Domain)
	if err != nil {
		return check.Untested(subject, err)
	}
	name := federation.Federation{Name: federation.Label(f.Name), Domain: domain}.ClaimName(domain)
	reply, resolver, err := recursive(ctx, e, string(name), dns.TypeTXT)
	switch {
	case err != nil:
		return check.Untested(subject, err)
	case reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError:
		return check.Bad(subject, "resolver %s answers %s: the servers that the domain is delegated to do not answer, "+
			"or are not authoritative for it", resolver, dns.RcodeToString[reply.Rcode])
	case f.Owner != "" && ownerIn(reply, name) == f.Owner:
		return check.Good(subject, "resolver %s leads to the zone that the syncer writes", resolver)
	}
	seen := l.of(ctx, e, f)
	if seen.err != nil {
		return check.Untested(subject, seen.err)
	}
	if f.Server != "" {
		return l.sameZone(ctx, e, f, seen)
	}
	if f.State != "writing" {
		return check.Untested(subject, errors.New("the syncer has no claim that could be looked for (claim-held)"))
	}
	return check.Bad(subject, "resolver %s finds the zone %s (SOA %s), which has no claim of this syncer: it "+
		"is another one than the syncer writes", resolver, apex(seen.soa), seen.soa.Ns)
}

// sameZone compares the SOA records at the resolver and at the provider's server.
func (l *lookup) sameZone(ctx context.Context, e *check.Env, f *admin.FederationStatus, seen *zone) check.Finding {
	reply, err := e.Ask(ctx, f.Server, f.Domain, dns.TypeSOA, false)
	if err != nil {
		return check.Untested(f.Domain, err)
	}
	soa := soaOf(reply)
	if soa == nil {
		return check.Bad(f.Domain, "server %s answers %s, without an SOA record: it does not host the zone", f.Server,
			dns.RcodeToString[reply.Rcode])
	}
	if apex(soa) == apex(seen.soa) && strings.EqualFold(soa.Ns, seen.soa.Ns) &&
		strings.EqualFold(soa.Mbox, seen.soa.Mbox) {
		return check.Good(f.Domain, "resolver %s has the SOA of server %s", seen.resolver, f.Server)
	}
	found := check.Bad(f.Domain, "resolver %s finds the zone %s (SOA %s), and the syncer writes the zone %s "+
		"(SOA %s) at %s",
		seen.resolver, apex(seen.soa), seen.soa.Ns, apex(soa), soa.Ns, f.Server)
	if hosts := nameServers(ctx, e, f.Server, soa.Hdr.Name); len(hosts) > 0 && apex(soa) != apex(seen.soa) {
		return found.With("in the zone %s: %s. NS %s", apex(seen.soa), apex(soa), strings.Join(hosts, ", "))
	}
	return found
}

// nameServers are those that a server has for a zone.
func nameServers(ctx context.Context, e *check.Env, server, zone string) (hosts []string) {
	reply, err := e.Ask(ctx, server, zone, dns.TypeNS, false)
	if err != nil {
		return nil
	}
	for _, rr := range reply.Answer {
		if ns, ok := rr.(*dns.NS); ok {
			hosts = append(hosts, ns.Ns)
		}
	}
	slices.Sort(hosts)
	return hosts
}

// apex is the name of a zone by its SOA record.
func apex(soa *dns.SOA) string { return strings.TrimSuffix(strings.ToLower(soa.Hdr.Name), ".") }

// ownerIn returns the owner of the claim in a reply; "" if there is none.
func ownerIn(reply *dns.Msg, name federation.FQDN) string {
	for _, rr := range reply.Answer {
		txt, ok := rr.(*dns.TXT)
		if !ok {
			continue
		}
		data := strings.TrimPrefix(txt.String(), txt.Hdr.String())
		c, err := federation.ParseClaim(federation.RRset{Name: name, Type: federation.TypeTXT, Data: []string{data}})
		if err == nil && !c.Removed {
			return c.Owner
		}
	}
	return ""
}

// negative looks at how long resolvers keep that a name does not exist (P3d).
func (l *lookup) negative(ctx context.Context, e *check.Env, f *admin.FederationStatus) []check.Finding {
	key := zoneKey{e, f.Domain, f.Server}
	l.mu.Lock()
	again := l.negatives[key]
	if l.negatives == nil {
		l.negatives = map[zoneKey]bool{}
	}
	l.negatives[key] = true
	l.mu.Unlock()
	if again { // another federation in the same domain
		return nil
	}
	return check.One(l.negativeTTL(ctx, e, f))
}

func (l *lookup) negativeTTL(ctx context.Context, e *check.Env, f *admin.FederationStatus) check.Finding {
	z := l.of(ctx, e, f)
	soa, err := z.soa, z.err
	for _, server := range z.servers { // a resolver counts the TTL down
		reply, askErr := e.Ask(ctx, server, f.Domain, dns.TypeSOA, false)
		if askErr != nil {
			err = askErr
			continue
		}
		if found := soaOf(reply); found != nil && reply.Authoritative {
			soa = found
			break
		}
	}
	if soa == nil {
		return check.Untested(f.Domain, err)
	}
	ttl := f.TTL
	if ttl == 0 {
		ttl = federation.DefaultTTL
	}
	if negative := min(soa.Hdr.Ttl, soa.Minttl); negative > ttl {
		return check.Bad(f.Domain, "%d s; a name without an address is remembered for that long, an address for %d s",
			negative, ttl)
	}
	return check.Good(f.Domain, "%d s", min(soa.Hdr.Ttl, soa.Minttl))
}

// claimHeld reports the state of the claim as the syncer sees it.
func claimHeld(f *admin.FederationStatus) check.Finding {
	because := ""
	if f.Error != "" {
		because = ": " + f.Error
	}
	switch f.State {
	case "writing":
		return check.Good(subject(f), "the claim is ours")
	case "foreign":
		return check.Bad(subject(f), "the names are somebody else's%s", because)
	case "deposed":
		return check.Bad(subject(f), "the syncer has stopped writing%s", because).
			With("find the other syncer that writes %s, and end one of them; then restart this one", subject(f))
	}
	return check.Untested(subject(f), fmt.Errorf("the syncer is %s%s", f.State, because))
}

// subject names a federation.
func subject(f *admin.FederationStatus) string { return f.Name + " in " + f.Domain }
