// Package syncer wires the members, the policy, the publishing rule and the
// providers of a federation up: configuration, the loop, status and metrics.
package syncer

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider/rfc2136"
)

// The identity of the configuration file (C1).
const (
	APIVersion = "federation-dns.io/v1alpha1"
	Kind       = "SyncerConfiguration"
)

// Config is a whole, validated configuration.
type Config struct {
	// Owner is the syncer's id in its claims (O1d).
	Owner       string
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
}

// Federation is one federation and where its records stand.
type Federation struct {
	federation.Federation
	Options federation.Options
	RFC2136 rfc2136.Config
}

// String names the federation as messages do: name and domain.
func (f Federation) String() string { return string(f.Name) + " in " + string(f.Domain) }

// Cluster is one member and how to reach it.
type Cluster struct {
	Member     member.Config
	Kubeconfig string
	Context    string
	// UnreachableAfter is the member's own (X2a); 0 is the common one.
	UnreachableAfter time.Duration
}

// The file, as it is written. Each default stands in defaults, with its reason.
type file struct {
	APIVersion     string           `yaml:"apiVersion"`
	Kind           string           `yaml:"kind"`
	Owner          string           `yaml:"owner"`
	Federations    []fileFederation `yaml:"federations"`
	Clusters       []fileCluster    `yaml:"clusters"`
	Timers         fileTimers       `yaml:"timers"`
	PanicThreshold int              `yaml:"panicThreshold"`
	Metrics        struct {
		Address string `yaml:"address"`
	} `yaml:"metrics"`
	Admin struct {
		Socket string `yaml:"socket"`
	} `yaml:"admin"`
	Log struct {
		Level  string `yaml:"level"`
		Format string `yaml:"format"`
	} `yaml:"log"`
}

type fileTimers struct {
	UnreachableAfter duration `yaml:"unreachableAfter"`
	StartupTimeout   duration `yaml:"startupTimeout"`
	EmptyGrace       duration `yaml:"emptyGrace"`
	PanicHold        duration `yaml:"panicHold"`
	HeldMax          duration `yaml:"heldMax"`
	AuditInterval    duration `yaml:"auditInterval"`
}

type fileFederation struct {
	Name           string              `yaml:"name"`
	Domain         string              `yaml:"domain"`
	Naming         string              `yaml:"naming"`
	TTL            uint32              `yaml:"ttl"`
	Levels         string              `yaml:"levels"`
	MaxAddresses   int                 `yaml:"maxAddresses"`
	RegionFallback map[string][]string `yaml:"regionFallback"`
	Provider       fileProvider        `yaml:"provider"`
}

type fileProvider struct {
	RFC2136 *fileRFC2136 `yaml:"rfc2136"`
}

type fileRFC2136 struct {
	Server string `yaml:"server"`
	Zone   string `yaml:"zone"`
	TSIG   struct {
		Name       string `yaml:"name"`
		Algorithm  string `yaml:"algorithm"`
		SecretFile string `yaml:"secretFile"`
	} `yaml:"tsig"`
}

type fileCluster struct {
	Name       string `yaml:"name"`
	Kubeconfig struct {
		Path    string `yaml:"path"`
		Context string `yaml:"context"`
	} `yaml:"kubeconfig"`
	Topology *struct {
		Region string   `yaml:"region"`
		Zones  []string `yaml:"zones"`
	} `yaml:"topology"`
	AddressCIDRs           []string `yaml:"addressCIDRs"`
	HostSuffixes           []string `yaml:"hostSuffixes"`
	AllowAddressAnnotation bool     `yaml:"allowAddressAnnotation"`
	Namespaces             []string `yaml:"namespaces"`
	MaxServices            int      `yaml:"maxServices"`
	UnreachableAfter       duration `yaml:"unreachableAfter"`
}

// defaults is the file before it is read: each default with its reason.
func defaults() file {
	var f file
	f.Timers = fileTimers{
		// Longer than the restart of an API server, shorter than people's patience.
		UnreachableAfter: duration(45 * time.Second),
		// A list of everything federated takes seconds; after a minute a member is ill.
		StartupTimeout: duration(time.Minute),
		// A service with one shard is rolled in seconds, and NXDOMAIN is cached longer than that.
		EmptyGrace: duration(30 * time.Second),
		// Long enough for a switch of the syncer's own network.
		PanicHold: duration(5 * time.Minute),
		// A member that is away for a day is away.
		HeldMax: duration(24 * time.Hour),
		// Drift is rare, and an audit may read a whole zone.
		AuditInterval: duration(10 * time.Minute),
	}
	// More than half of the members at once is likelier our own link than theirs.
	f.PanicThreshold = 50
	// The port of CoreDNS's own metrics, which this is scraped beside.
	f.Metrics.Address = ":9153"
	f.Admin.Socket = "/run/federation-syncer/admin.sock"
	f.Log.Level, f.Log.Format = "info", "text"
	return f
}

type duration time.Duration

// UnmarshalYAML reads "45s", "5m" or "24h".
func (d *duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil || v <= 0 {
		return fmt.Errorf("line %d: %q is not a duration such as 45s, 5m or 24h", n.Line, n.Value)
	}
	*d = duration(v)
	return nil
}
