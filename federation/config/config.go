// Package config reads and validates the configuration file of the syncer (C1). Load reports everything that is wrong
// with the file at once, each with its line and field and with what is allowed there; Config.Warnings returns what may
// not work although the file is valid. The package knows what members and providers need, but not what the syncer does
// with it.
package config

import (
	"net/netip"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/host"
	"github.com/federation-dns/federation/federation/kubeconfig"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/policy"
)

// The identity of the configuration file (C1).
const (
	APIVersion = "federation-dns.io/v1alpha1"
	Kind       = "SyncerConfiguration"
)

// Config is a complete, validated configuration.
type Config struct {
	// Owner is the syncer's id in its claims; if empty, the id of the host cluster (O1d).
	Owner string
	// Host is the cluster that the syncer runs in, or nil.
	Host        *Host
	Federations []Federation
	Clusters    []Cluster
	Policy      policy.Config
	// DNS lists the servers that resolve the host names of the members' load balancers; see Cluster.
	DNS []netip.AddrPort
	// AuditInterval is the time between audits (X6).
	AuditInterval time.Duration
	// MetricsAddress is where /metrics, /healthz and /readyz are served.
	MetricsAddress string
	// PageAddress is where the page is served, a loopback address; "" if it is not (W1).
	PageAddress string
	// AdminSocket is the path of the Unix socket for the status.
	AdminSocket string
	// LogLevel is debug, info, warn or error; LogFormat is text or json.
	LogLevel, LogFormat string

	// Files lists the files that were read because the configuration names them.
	Files []string
}

// Federation is one federation and the provider of its records.
type Federation struct {
	federation.Federation
	Options  federation.PublishOptions
	Provider Provider
	// Mirror reports whether the members get mirrors of the records (M).
	Mirror bool
	// NameProblem says why a new federation must not have this name, or is empty (N4). A federation that already has
	// its claim continues, with a warning.
	NameProblem string
}

// Key identifies the federation by name and domain.
func (f Federation) Key() string { return string(f.Name) + " in " + string(f.Domain) }

// Cluster is one member cluster and how to reach it.
type Cluster struct {
	Member     member.Config
	Kubeconfig Kubeconfig
	// UID is that of the cluster's namespace kube-system, if it is known from before: what another cluster has does not
	// count.
	UID string
	// UnreachableAfter is the member's own (X2a), or 0 for that of Policy.
	UnreachableAfter time.Duration
	// Drain makes its shards count as unhealthy (H5).
	Drain bool
	// DNS lists the servers that resolve the host names of its load balancers; if empty, those of /etc/resolv.conf
	// (H4).
	DNS []netip.AddrPort
}

// Host is the cluster that the syncer runs in, and its Lease there (O4).
type Host struct {
	// InCluster takes the account of the pod that the syncer runs in (I3); Kubeconfig is then empty.
	InCluster        bool
	Kubeconfig       Kubeconfig
	Namespace, Lease string
}

// Client returns how package host reaches it.
func (h Host) Client() host.Config {
	return host.Config{
		InCluster: h.InCluster, Kubeconfig: h.Kubeconfig.Path, Context: h.Kubeconfig.Context,
		Namespace: h.Namespace, Lease: h.Lease,
	}
}

// Kubeconfig is a context of a kubeconfig file, where an empty Context is the current one, or a key of a Secret in the
// namespace of the host's Lease.
type Kubeconfig struct {
	Path, Context string
	Secret        kubeconfig.SecretKey
}
