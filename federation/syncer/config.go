// Package syncer wires the members, the policy, the publishing rule and the
// providers of a federation up: configuration, the loop, status and metrics.
package syncer

import (
	"time"

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
	// Owner is the syncer's id in its claims; "" is the host's (O1d).
	Owner string
	// Host is the cluster that the syncer belongs to, or nil.
	Host        *Kubeconfig
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

	files []string // that the configuration names and that were read with it
}

// Federation is one federation and where its records stand.
type Federation struct {
	federation.Federation
	Options federation.Options
	RFC2136 rfc2136.Config
}

// key is what makes it this federation: name and domain.
func (f Federation) key() string { return string(f.Name) + " in " + string(f.Domain) }

// Cluster is one member and how to reach it.
type Cluster struct {
	Member     member.Config
	Kubeconfig Kubeconfig
	// UnreachableAfter is the member's own (X2a); 0 is the common one.
	UnreachableAfter time.Duration
}

// Kubeconfig is a context of a kubeconfig file; "" is the current one.
type Kubeconfig struct{ Path, Context string }

// The file, as it is written. Durations are text here, as they are checked
// where all else is.
type (
	file struct {
		APIVersion     string           `yaml:"apiVersion"`
		Kind           string           `yaml:"kind"`
		Owner          string           `yaml:"owner"`
		Host           *fileHost        `yaml:"host"`
		Federations    []fileFederation `yaml:"federations"`
		Clusters       []fileCluster    `yaml:"clusters"`
		Timers         fileTimers       `yaml:"timers"`
		PanicThreshold int              `yaml:"panicThreshold"`
		Metrics        fileMetrics      `yaml:"metrics"`
		Admin          fileAdmin        `yaml:"admin"`
		Log            fileLog          `yaml:"log"`
	}
	fileHost struct {
		Kubeconfig fileKubeconfig `yaml:"kubeconfig"`
	}
	fileKubeconfig struct {
		Path    string `yaml:"path"`
		Context string `yaml:"context"`
	}
	fileTimers struct {
		UnreachableAfter string `yaml:"unreachableAfter"`
		StartupTimeout   string `yaml:"startupTimeout"`
		EmptyGrace       string `yaml:"emptyGrace"`
		PanicHold        string `yaml:"panicHold"`
		HeldMax          string `yaml:"heldMax"`
		AuditInterval    string `yaml:"auditInterval"`
	}
	fileMetrics struct {
		Address string `yaml:"address"`
	}
	fileAdmin struct {
		Socket string `yaml:"socket"`
	}
	fileLog struct {
		Level  string `yaml:"level"`
		Format string `yaml:"format"`
	}
	fileFederation struct {
		Name           string              `yaml:"name"`
		Domain         string              `yaml:"domain"`
		Naming         string              `yaml:"naming"`
		TTL            *int                `yaml:"ttl"`
		Levels         string              `yaml:"levels"`
		MaxAddresses   *int                `yaml:"maxAddresses"`
		RegionFallback map[string][]string `yaml:"regionFallback"`
		Provider       fileProvider        `yaml:"provider"`
	}
	fileProvider struct {
		RFC2136 *fileRFC2136 `yaml:"rfc2136"`
	}
	fileRFC2136 struct {
		Server string   `yaml:"server"`
		Zone   string   `yaml:"zone"`
		TSIG   fileTSIG `yaml:"tsig"`
	}
	fileTSIG struct {
		Name       string `yaml:"name"`
		Algorithm  string `yaml:"algorithm"`
		SecretFile string `yaml:"secretFile"`
	}
	fileCluster struct {
		Name                   string         `yaml:"name"`
		Kubeconfig             fileKubeconfig `yaml:"kubeconfig"`
		Topology               *fileTopology  `yaml:"topology"`
		AddressCIDRs           []string       `yaml:"addressCIDRs"`
		HostSuffixes           []string       `yaml:"hostSuffixes"`
		AllowAddressAnnotation bool           `yaml:"allowAddressAnnotation"`
		Namespaces             []string       `yaml:"namespaces"`
		MaxServices            int            `yaml:"maxServices"`
		UnreachableAfter       string         `yaml:"unreachableAfter"`
	}
	fileTopology struct {
		Region string   `yaml:"region"`
		Zones  []string `yaml:"zones"`
	}
)

// defaults is the file before it is read: each default with its reason.
func defaults() file {
	var f file
	f.Timers = fileTimers{
		// Longer than the restart of an API server, shorter than people's patience.
		UnreachableAfter: "45s",
		// A list of everything federated takes seconds; after a minute a member is ill.
		StartupTimeout: "60s",
		// A service with one shard is rolled in seconds, and NXDOMAIN is cached longer than that.
		EmptyGrace: "30s",
		// Long enough for a switch of the syncer's own network.
		PanicHold: "5m",
		// A member that is away for a day is away.
		HeldMax: "24h",
		// Drift is rare, and an audit may read a whole zone.
		AuditInterval: "10m",
	}
	// More than half of the members at once is likelier our own link than theirs.
	f.PanicThreshold = 50
	// The port of CoreDNS's own metrics, which this is scraped beside.
	f.Metrics.Address = ":9153"
	// A directory that only the syncer's user can enter.
	f.Admin.Socket = "/run/federation-syncer/admin.sock"
	// What an admin has to see, in a form that is read on a terminal.
	f.Log.Level, f.Log.Format = "info", "text"
	return f
}
