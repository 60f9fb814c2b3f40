// Package corednscheck has the checks of the members' CoreDNS: whether it has the plugin, with the federations of the
// syncer, the rights that it needs, and a way to their domains. They look with the user's own rights in each member.
package corednscheck

import (
	"context"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
)

// Checks returns the checks, in the order in which they are shown.
func Checks() []check.Check {
	o := &observer{}
	return []check.Check{
		{
			ID: "plugin-loaded", Category: check.CoreDNS, Severity: check.SeverityFail,
			Title: "each replica of a CoreDNS runs the plugin",
			About: "Finds the CoreDNS of each member by its labels (k8s-app kube-dns or coredns; those of the chart " +
				"federation-dns), reads its Corefile from the ConfigMaps that its pods mount, and asks each replica " +
				"for the metric coredns_plugin_enabled, by pods/proxy. With a Corefile that has no line prometheus " +
				"it cannot be tested.",
			Remedy: "use an image with the plugin, and put federation into the Corefile: docs/plugin.md; or run it " +
				"beside the cluster's DNS: charts/federation-dns",
			Run: o.each(loaded, false),
		},
		{
			ID: "naming-matches", Category: check.CoreDNS, Severity: check.SeverityFail,
			Title: "each Corefile has the federations of the syncer, with the same domain and naming",
			About: "Compares the directive federation of each Corefile with what the syncer writes. Where they " +
				"differ, pods ask for names that nobody writes.",
			Remedy: "make the directive federation in the Corefile like the syncer's configuration: docs/naming.md",
			Run:    o.each(naming, true),
		},
		{
			ID: "federation-name", Category: check.CoreDNS, Severity: check.SeverityFail,
			Title: "no federation is called like a top-level domain or a namespace",
			About: "The search path of pods turns outside names below a top-level domain into names of a federation " +
				"that is called like it. A namespace of that name in a member is a warning: names of two labels are " +
				"Services of the namespace there.",
			Remedy: "rename the federation, or the namespace: docs/naming.md",
			Run:    names,
		},
		{
			ID: "plugin-order", Category: check.CoreDNS, Severity: check.SeverityFail,
			Title: "the plugin is in the server block of kubernetes, which has endpoints",
			About: "The plugin reads the health of shards from the indexes of kubernetes in the same server block. " +
				"With noendpoints there are none.",
			Remedy: "put federation into the server block that has kubernetes, and remove noendpoints: docs/plugin.md",
			Run:    o.each(order, false),
		},
		{
			ID: "plugin-rights", Category: check.CoreDNS, Severity: check.SeverityFail,
			Title: "each CoreDNS knows the region and the topology zone of its Node",
			About: "Asks the API server whether CoreDNS's account may get nodes (SubjectAccessReview), unless " +
				"topology is in the Corefile, and looks at the gauge coredns_federation_topology_known of each " +
				"replica. Without the topology all names lead to global.",
			Remedy: "give it the right, or say topology in the Corefile:\n$ kubectl --context <{{.Subject}}> apply " +
				"-f deploy/coredns-rbac.yaml",
			Run: o.each(rights, false),
		},
		{
			ID: "mirror-readable", Category: check.CoreDNS, Severity: check.SeverityFail,
			Title: "each CoreDNS may read the mirror in its cluster",
			About: "Asks the API server whether CoreDNS's account may get, list and watch ConfigMaps in the " +
				"namespace of mirrors (SubjectAccessReview), and looks in the Corefile for mirror off. Without the " +
				"mirror pods are told by DNS, which takes as long as resolvers keep the old answer: a warning. " +
				"Without a DNS provider nothing else tells them: a failure.",
			Remedy: "name its account\n" +
				"$ kubectl federation join {{.Subject}} --member-context <{{.Subject}}> " +
				"--coredns-account NAMESPACE:NAME",
			Run: o.each(mirrorReadable, true),
		},
		{
			ID: "plugin-forward", Category: check.CoreDNS, Severity: check.SeverityFail,
			Title: "each CoreDNS reaches the domains of the federations",
			About: "Looks in the Corefile for what resolves each domain, and counts for two seconds how the plugin " +
				"answers (coredns_federation_requests_total): more than one SERVFAIL in ten is too much.",
			Remedy: "in the server block of the Corefile: forward DOMAIN SERVERS; TCP and UDP port 53 of them must " +
				"be open",
			Run: o.each(forward, true),
		},
		{
			ID: "multicluster-crds", Category: check.CoreDNS, Severity: check.SeverityFail,
			Title: "a CoreDNS with multicluster has the kinds that it needs",
			About: "kubernetes with multicluster is not ready as long as the cluster does not serve ServiceImport of " +
				"multicluster.x-k8s.io/v1alpha1: the next rollout takes the cluster's DNS down.",
			Remedy: "install the CRD ServiceImport of the Multi-Cluster Services API, or take multicluster out of " +
				"the Corefile",
			Run: o.each(multicluster, false),
		},
		{
			ID: "nodelocal-negative", Category: check.CoreDNS, Severity: check.SeverityWarn,
			Title: "NodeLocal DNS keeps denials for 5 s at most",
			About: "A name that was asked for before its first shard was there stays missing on a Node for as long " +
				"as the Node's cache keeps denials.",
			Remedy: "in the cache of the cluster zone, in ConfigMap node-local-dns: denial 9984 5",
			Run:    o.each(nodeLocal, false),
		},
		{
			ID: "stanza-present", Category: check.CoreDNS, Severity: check.SeverityFail,
			Title: "the cluster's DNS forwards the names of the federations to the CoreDNS beside it",
			About: "Applies where the plugin runs in the CoreDNS of the chart federation-dns only: the cluster's DNS " +
				"has a server block, or a stub domain of kube-dns, for each federation, with the address of the " +
				"chart's Service.",
			Remedy: "the notes of the chart federation-dns have the stanza for the cluster's DNS:\n$ helm get notes " +
				"RELEASE",
			Run: o.each(stanza, true),
		},
	}
}

// view is what is known of a member. Federations are there if the check needs the syncer's status.
type view struct {
	member      string
	client      *check.Client
	facts       *facts
	federations []admin.FederationStatus
}

// each looks at each member.
func (o *observer) each(look func(context.Context, *view) []check.Finding, needsStatus bool,
) func(context.Context, *check.Env) []check.Finding {
	return func(ctx context.Context, e *check.Env) []check.Finding {
		var federations []admin.FederationStatus
		if needsStatus {
			status, err := e.Status(ctx)
			if err != nil {
				return check.One(check.Untested("", err))
			}
			federations = status.Federations
		}
		return e.EachMember(ctx, func(ctx context.Context, m *check.Member) []check.Finding {
			f, err := o.of(ctx, m)
			if err != nil {
				return check.One(check.Untested(m.Name, err))
			}
			c, err := m.OwnClient(ctx)
			if err != nil {
				return check.One(check.Untested(m.Name, err))
			}
			return look(ctx, &view{m.Name, c, f, federations})
		})
	}
}
