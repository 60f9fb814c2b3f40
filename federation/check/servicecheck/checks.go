// Package servicecheck has the checks of the federated Services: whether their labels name a federation, and whether
// each has what it needs to be published.
package servicecheck

import (
	"context"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
)

// Checks returns the checks, in the order in which they are shown.
func Checks() []check.Check {
	r := &reader{}
	return []check.Check{
		{
			ID: "service-label", Category: check.Services, Severity: check.SeverityWarn,
			Title: "each label names a federation, and each Service has shards in several members",
			About: "Lists the Services with the label federation-dns.io/federation in each member, and those whose " +
				"label names no federation of this syncer: it may be mistyped, or another syncer's. A Service with a " +
				"shard in one member only has no other that could take over.",
			Remedy: "correct the label, or take it away:\n$ kubectl --context <{{.Subject}}> edit service NAME -n " +
				"NAMESPACE",
			Run: r.labels,
		},
		{
			ID: "service-slices", Category: check.Services, Severity: check.SeverityFail,
			Title: "the EndpointSlices of each Service have its label",
			About: "Reports the shards of which the syncer sees no EndpointSlice with the label (NoSlices): it does " +
				"not know their health. The EndpointSlice controller copies the label; slices made by hand, and " +
				"Endpoints objects, need it themselves.",
			Remedy: "label the slices:\n$ kubectl --context <{{.Subject}}> label endpointslices -n NAMESPACE -l " +
				"kubernetes.io/service-name=NAME federation-dns.io/federation=FEDERATION",
			Run: each(unsliced),
		},
		{
			ID: "service-address", Category: check.Services, Severity: check.SeverityFail,
			Title: "each shard has an address that may be published",
			About: "Reports the shards without an address (NoAddress), and the addresses and host names that the " +
				"syncer refuses or cannot resolve (AddressRefused, HostRefused, HostUnresolved). docs/operations.md " +
				"explains the reasons.",
			Remedy: "look at the load balancer of the Service; a private address needs a prefix in the member's " +
				"addressCIDRs:\n$ kubectl --context <{{.Subject}}> describe service NAME -n NAMESPACE",
			Run: each(addresses),
		},
		{
			ID: "service-ports", Category: check.Services, Severity: check.SeverityWarn,
			Title: "the shards of a Service have the same ports and the same type",
			About: "Compares the Services in all members. Clients that fail over to another member expect the same " +
				"port there; the Multi-Cluster Services API calls the difference PortConflict and TypeConflict.",
			Remedy: "make the ports and the type of the Service the same in all members",
			Run:    r.ports,
		},
		{
			ID: "propagation-blocked", Category: check.Services, Severity: check.SeverityFail,
			Title: "each FederatedService is in place in the members that are to have it",
			About: "Reads the status of the FederatedServices, and the condition PropagationReady of the members. " +
				"What has kept one out of a member for more than a minute is reported with its reason, as " +
				"docs/api.md explains them, and what to do about that.",
			Remedy: "let a member have it: set spec.propagation of a MemberCluster, or correct spec.placement\n" +
				"$ kubectl federation services NAME -n NAMESPACE",
			Run: propagationBlocked,
		},
	}
}

// each is a check of what the syncer sees.
func each(look func(*admin.Status) []check.Finding) func(context.Context, *check.Env) []check.Finding {
	return func(ctx context.Context, e *check.Env) []check.Finding {
		status, err := e.Status(ctx)
		if err != nil {
			return check.One(check.Untested("", err))
		}
		return look(status)
	}
}
