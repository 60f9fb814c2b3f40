// Package hostcheck has the checks of the host cluster: whether it answers, has the kinds of the API, and whether the
// syncer there runs, with the configuration that it is to have.
package hostcheck

import (
	"context"

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
			Remedy: "choose the cluster of the syncer by --context, or look at the way to it: VPN, proxy, firewall\n" +
				"$ kubectl config get-contexts",
			Run: reachable,
		},
		{
			ID: "syncer-version", Category: check.Host, Severity: check.SeverityFail,
			Title: "the syncer and this program fit together",
			About: "Both have to be of one major version, and at most one minor version apart.",
			Remedy: "upgrade the older of the two: the syncer by its chart (docs/upgrades.md), this program by the " +
				"release's archive",
			Run: syncerVersion,
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
	if err != nil {
		// That it does not answer in time is what is tested here.
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
