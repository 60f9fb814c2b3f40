// Package dnscheck has the checks of the federations' domains: whether clients are led to the zone that the syncer
// writes, and find there what it has written.
package dnscheck

import (
	"context"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
)

// Checks returns the checks, in the order in which they are shown.
func Checks() []check.Check {
	l := &lookup{}
	return []check.Check{
		{
			ID: "domain-resolves", Category: check.DNS, Severity: check.SeverityFail,
			Title: "resolvers are led to the zone that the syncer writes",
			About: "Asks a resolver (those of /etc/resolv.conf, or --resolver) for the syncer's claim in each " +
				"domain. If it is not there, the SOA record that the resolver has is compared with that of the " +
				"provider's server. If the domain is not public, name a resolver that is to know it. " + noZone,
			Remedy: "delegate the domain to the provider's name servers by NS records in the zone above; or name the " +
				"resolver that knows it by --resolver",
			Run: each(inZone(func(ctx context.Context, e *check.Env, f *admin.FederationStatus) []check.Finding {
				return check.One(l.resolves(ctx, e, f))
			})),
		},
		{
			ID: "claim-held", Category: check.DNS, Severity: check.SeverityFail,
			Title: "the syncer holds the claim on each federation's names",
			About: "Reports what the syncer says. It writes nothing below names that another owner has claimed, or " +
				"that were there before it.",
			Remedy: "find out who else writes there; to take the names over, start the syncer with --adopt: " +
				"docs/operations.md",
			Run: each(func(_ context.Context, _ *check.Env, f *admin.FederationStatus) []check.Finding {
				return check.One(claimHeld(f))
			}),
		},
		{
			ID: "provider-writes", Category: check.DNS, Severity: check.SeverityFail,
			Title: "the provider takes the changes of the syncer",
			About: "Reports what the syncer has last seen: whether the provider answers, and the names whose changes " +
				"it refuses. Nothing is written. Without a DNS provider it is the host that has the records.",
			Remedy: "check the server, its update policy and the key, or the role of the account: docs/providers.md",
			Run: each(func(_ context.Context, _ *check.Env, f *admin.FederationStatus) []check.Finding {
				return check.One(writes(f))
			}),
		},
		{
			ID: "records-true", Category: check.DNS, Severity: check.SeverityFail,
			Title: "the authoritative servers answer what the syncer has written",
			About: "Asks the provider's server, and those that the domain is delegated to, for the records of the " +
				"services, 600 RRsets at most, evenly from all of them, and compares them with what the syncer has " +
				"written. What differs is compared once more with a new state of the syncer. Also reports " +
				"delegations and wildcards that hide names of the federation (NotServed). " + noZone,
			Remedy: "the syncer repairs its primary at the next audit (auditInterval); a secondary that stays behind " +
				"gets no transfers. All that differs:\n$ kubectl federation records SERVICE -n NAMESPACE --query " +
				"SERVER",
			Run: each(inZone(l.recordsTrue)),
		},
		{
			ID: "negative-ttl", Category: check.DNS, Severity: check.SeverityWarn,
			Title: "resolvers do not remember for long that a name does not exist",
			About: "The lesser of the SOA record's TTL and its last field is how long resolvers keep that a name " +
				"does not exist. It should not be longer than the TTL of the records. " + noZone,
			Remedy: "set the last field of the SOA record to 30 or less",
			Run:    each(inZone(l.negative)),
		},
	}
}

// noZone is what a check says of federations that it leaves out.
const noZone = "A federation without a DNS provider has no zone, and is left out."

// look looks at one federation.
type look func(context.Context, *check.Env, *admin.FederationStatus) []check.Finding

// inZone looks at federations with a DNS provider: nobody resolves the names of the others.
func inZone(l look) look {
	return func(ctx context.Context, e *check.Env, f *admin.FederationStatus) []check.Finding {
		if f.NoProvider {
			return nil
		}
		return l(ctx, e, f)
	}
}

// each looks at all federations of the syncer at once.
func each(l look) func(context.Context, *check.Env) []check.Finding {
	return func(ctx context.Context, e *check.Env) []check.Finding {
		status, err := e.Status(ctx)
		if err != nil {
			return check.One(check.Untested("", err))
		}
		found := make([]chan []check.Finding, len(status.Federations))
		for i := range status.Federations {
			found[i] = make(chan []check.Finding, 1)
			go func() { found[i] <- l(ctx, e, &status.Federations[i]) }()
		}
		var all []check.Finding
		for i := range found {
			all = append(all, <-found[i]...)
		}
		return all
	}
}
