// Package hostcheck has the checks of the host cluster: whether it answers, has the kinds of the API, and whether the
// syncer there runs, with the configuration that it is to have, and knows its members.
package hostcheck

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/federation/display"
)

// Checks returns the checks, in the order in which they are shown.
func Checks() []check.Check {
	return []check.Check{
		{
			ID: "host-reachable", Category: check.Host, Severity: check.SeverityFail,
			Title: "the API server of the host cluster answers",
			About: "Asks the API server of the chosen context for its version. Everything that is known of " +
				"MemberClusters comes from there. The text is the error's own.",
			Remedy: "choose the cluster of the syncer by --context, or look at the way to it: VPN, proxy, " +
				"firewall\n" +
				"$ kubectl config get-contexts",
			Run: reachable,
		},
		{
			ID: "crds-installed", Category: check.Host, Severity: check.SeverityFail,
			Title: "the host cluster has the kinds of federation-dns.io/v1alpha1",
			About: "Asks the API server which kinds it serves. Without MemberCluster the syncer has the members of " +
				"its file only: a warning if it has some, and a failure otherwise. Without FederatedService it " +
				"creates no Services in the members: a warning.",
			Remedy: "install the CRDs with the chart (crds.install), or\n" +
				"$ kubectl apply --server-side -f deploy/crds",
			Run: crdsInstalled,
		},
		{
			ID: "crds-version", Category: check.Host, Severity: check.SeverityFail,
			Title: "the CRDs have all fields of this version",
			About: "Compares the schema that the API server serves with the fields that this program knows. An " +
				"older CRD drops the fields that it does not know, without a word: neither the settings nor the " +
				"status in them arrive.",
			Remedy: "upgrade the CRDs: helm does so with the chart, otherwise\n" +
				"$ kubectl apply --server-side -f deploy/crds",
			Run: crdsVersion,
		},
		{
			ID: "syncer-running", Category: check.Host, Severity: check.SeverityFail,
			Title: "a replica of the syncer writes, and all replicas are available",
			About: "Reads the Lease that the replicas share: its holder writes, and renews it every few seconds. " +
				"Older than 20 seconds, nobody writes, and no failover happens. If there is a Deployment of the " +
				"Lease's name, as the chart makes, its replicas have to be available; fewer than it wants are a " +
				"warning.",
			Remedy: "find out why it does not run\n" +
				"$ kubectl -n {{.Namespace}} get pods,events\n" +
				"$ kubectl -n {{.Namespace}} logs deployment/{{.Lease}} --all-pods --tail=50",
			Run: syncerRunning,
		},
		{
			ID: "syncer-version", Category: check.Host, Severity: check.SeverityFail,
			Title: "the syncer and this program fit together",
			About: "Both have to be of one major version, and at most one minor version apart.",
			Remedy: "upgrade the older of the two: the syncer by its chart (docs/upgrades.md), this program by the " +
				"release's archive",
			Run: syncerVersion,
		},
		{
			ID: "config-loaded", Category: check.Host, Severity: check.SeverityFail,
			Title: "the syncer uses the configuration that it is to have",
			About: "Asks the syncer for the hash of the file in use, and what is wrong with the present one: a bad " +
				"file leaves the one before in use. With a Deployment of the Lease's name the hash is compared " +
				"with its ConfigMap, which the kubelet brings to the pods within two minutes.",
			Remedy: "correct the file; this says what is wrong with it, field by field\n" +
				"$ federation-syncer --config FILE --validate",
			Run: configLoaded,
		},
		{
			ID: "members-known", Category: check.Members, Severity: check.SeverityFail,
			Title: "there are members, and the syncer has taken up each",
			About: "Compares the MemberClusters with the members that the syncer has, and looks for those that " +
				"have left: what they have in DNS stays until it is confirmed. A MemberCluster that the syncer " +
				"does not see, or whose status it does not write, most often means that it lacks a right in the " +
				"host cluster: the rule is printed.",
			Remedy: "join a cluster\n" +
				"$ kubectl federation join NAME --member-context CONTEXT",
			Run: membersKnown,
		},
	}
}

func reachable(ctx context.Context, e *check.Env) []check.Finding {
	if e.Hostless() {
		return nil
	}
	c, err := e.HostClient()
	if err != nil {
		return check.One(check.Untested("", err))
	}
	v, err := c.Version(ctx)
	switch {
	case apierrors.IsForbidden(err), check.TimedOut(err):
		return check.One(check.Untested("", fmt.Errorf("%s: %w", c.Config.Host, err)))
	case err != nil:
		return check.One(check.Bad("", "%s: %s", c.Config.Host, check.Reason(err)))
	}
	return check.One(check.Good("", "%s, %s", c.Config.Host, v.GitVersion))
}

func syncerVersion(ctx context.Context, e *check.Env) []check.Finding {
	status, err := e.Status(ctx)
	switch {
	case err != nil:
		return check.One(check.Untested("", err))
	case !display.VersionsFit(e.Version, status.Version):
		return check.One(check.Bad("", "the syncer is %s and this program is %s: more than one minor version apart",
			status.Version, e.Version))
	}
	return check.One(check.Good("", "syncer %s, this program %s", orUnknown(status.Version), orUnknown(e.Version)))
}

func orUnknown(version string) string {
	if version == "" {
		return "unknown"
	}
	return version
}
