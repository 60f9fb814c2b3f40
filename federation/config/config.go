// Package config reads and validates the configuration file of the syncer (C1). It knows what members and providers
// need, and nothing of what the syncer does with it.
package config

import (
	"net/netip"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/policy"
)

// The identity of the configuration file (C1).
const (
	APIVersion = "federation-dns.io/v1alpha1"
	Kind       = "SyncerConfiguration"
)

// Config is a whole, validated configuration.
type Config struct {
	// Owner is the syncer's id in its claims; "" is the host's (O1d).
	Owner string
	// Host is the cluster that the syncer belongs to, or nil.
	Host        *Host
	Federations []Federation
	Clusters    []Cluster
	Policy      policy.Config
	// AuditInterval is the time between audits (X6).
	AuditInterval time.Duration
	// MetricsAddress is where /metrics, /healthz and /readyz are served.
	MetricsAddress string
	// AdminSocket is the path of the Unix socket for the status.
	AdminSocket string
	// LogLevel and LogFormat are those of log/slog: debug, info, warn or error;
	// text or json.
	LogLevel, LogFormat string

	// Files are those that the configuration names and that were read with it.
	Files []string
}

// Federation is one federation and where its records stand.
type Federation struct {
	federation.Federation
	Options  federation.Options
	Provider Provider
	// NameProblem says why a federation may not begin to have this name (N4); one whose claim is there already goes on,
	// with a warning. "" mostly.
	NameProblem string
}

// Key is what makes it this federation: name and domain.
func (f Federation) Key() string { return string(f.Name) + " in " + string(f.Domain) }

// Cluster is one member and how to reach it.
type Cluster struct {
	Member     member.Config
	Kubeconfig Kubeconfig
	// UnreachableAfter is the member's own (X2a); 0 is the common one.
	UnreachableAfter time.Duration
	// Drain: its shards count as unhealthy (H5).
	Drain bool
	// DNS are the servers that are asked for the host names of its load
	// balancers; none means those of /etc/resolv.conf (H4).
	DNS []netip.AddrPort
}

// Host is the cluster that the syncer belongs to, and where its Lease stands
// there (O4).
type Host struct {
	Kubeconfig       Kubeconfig
	Namespace, Lease string
}

// Kubeconfig is a context of a kubeconfig file; "" is the current one.
type Kubeconfig struct{ Path, Context string }
