package config

import "github.com/federation-dns/federation/api/v1alpha1"

// The schema of the file. Durations are text because they are validated with everything else. The comments of the
// fields become their description in docs/operations.md; "Needed." means that there is no default.
type (
	file struct {
		// federation-dns.io/v1alpha1. Needed.
		APIVersion string `yaml:"apiVersion"`
		// SyncerConfiguration. Needed.
		Kind string `yaml:"kind"`
		// The id of this syncer in its claims: 1 to 200 printable ASCII characters without blanks, quotes and
		// backslashes. The default is the UID of the host cluster; one of the two is needed.
		Owner string `yaml:"owner"`
		// The cluster that the syncer runs in, if any. Replicas with the same configuration then elect the one that
		// writes with a Lease there (deploy/host-rbac.yaml), and its UID can be the id of the syncer.
		Host *fileHost `yaml:"host"`
		// The federations whose records this syncer keeps, at least one. The same name may be used with several
		// domains.
		Federations []fileFederation `yaml:"federations"`
		// The resolver for the host names of load balancers.
		Resolver fileResolver `yaml:"resolver"`
		// The members. Each is a member of every federation of the file, as is each MemberCluster of the host. One is
		// needed unless there is a host.
		Clusters []fileCluster `yaml:"clusters"`
		// Timeouts and intervals.
		Timers fileTimers `yaml:"timers"`
		// If more than this percentage of the members is lost at about the same time, the syncer assumes that it is
		// itself isolated, and withdraws nothing.
		PanicThreshold whole `yaml:"panicThreshold"`
		// If more than this percentage of the services (of the federation, or of those with an address of one member)
		// would lose their last address within holdFor, or of the names would be deleted, and more than 10, these
		// changes wait; everything else continues. So they do if a federation with more than one service would lose
		// all.
		MaxDeletePercent whole `yaml:"maxDeletePercent"`
		// The HTTP server with /metrics, /healthz and /readyz.
		Metrics fileMetrics `yaml:"metrics"`
		// The page for people: off unless it has an address.
		Page filePage `yaml:"page"`
		// The socket for `federation-syncer status`; only its owner may use it.
		Admin fileAdmin `yaml:"admin"`
		// The log, on standard error.
		Log fileLog `yaml:"log"`
	}
	fileHost struct {
		// Whether the syncer runs in a pod of the cluster, and reaches it with the pod's own account, by the address in
		// KUBERNETES_SERVICE_HOST. It excludes a kubeconfig.
		InCluster bool `yaml:"inCluster"`
		// How to reach the cluster from elsewhere.
		Kubeconfig fileKubeconfig `yaml:"kubeconfig"`
		// The namespace of the Lease; default `federation-system`.
		Namespace string `yaml:"namespace"`
		// The name of the Lease; default `federation-syncer`. Two syncers with different configurations need two.
		Lease string `yaml:"lease"`
	}
	fileResolver struct {
		// Recursive DNS servers, IP addresses with or without a port, in the order in which they are asked; the default
		// is those of /etc/resolv.conf. They must resolve the names of all members.
		Servers []string `yaml:"servers"`
	}
	fileKubeconfig struct {
		// The kubeconfig file; a relative path is relative to the configuration file. Needed for a member.
		Path string `yaml:"path"`
		// The context in it; the default is its current context.
		Context string `yaml:"context"`
	}
	fileTimers struct {
		// A member counts as unreachable after this time without a successful authorised request, and at least 3 failed
		// ones.
		UnreachableAfter string `yaml:"unreachableAfter"`
		// A member that has not been listed within this time after a start counts as unreachable.
		StartupTimeout string `yaml:"startupTimeout"`
		// How long the records of a service without a healthy shard stay.
		EmptyGrace string `yaml:"emptyGrace"`
		// After this time a panic (see panicThreshold) ends even if members are still unreachable, provided that at
		// least one member and the DNS server answer.
		PanicHold string `yaml:"panicHold"`
		// The window in which withdrawals and deletions are counted (see maxDeletePercent). Those seen as watch events
		// wait no longer than this; all others wait for `federation-syncer confirm`.
		HoldFor string `yaml:"holdFor"`
		// How long the last addresses of unreachable members stay published at most, where no other shard is healthy.
		HeldMax string `yaml:"heldMax"`
		// How often the records at the DNS server are compared with the desired ones, and repaired.
		AuditInterval string `yaml:"auditInterval"`
	}
	fileMetrics struct {
		// [host]:port to listen on.
		Address string `yaml:"address"`
	}
	filePage struct {
		// Where the page is served: a loopback address and a port, such as 127.0.0.1:9154. In a pod it is reached by
		// `kubectl federation dashboard`.
		Address string `yaml:"address"`
	}
	fileAdmin struct {
		// The path of the Unix socket.
		Socket string `yaml:"socket"`
	}
	fileLog struct {
		// debug (each change), info, warn or error.
		Level string `yaml:"level"`
		// text or json.
		Format string `yaml:"format"`
	}
	fileFederation struct {
		// The label after service and namespace in the names that pods query: a DNS label, neither `svc` nor `pod` nor
		// a public top-level domain. Needed.
		Name string `yaml:"name"`
		// The domain of the records. Needed.
		Domain string `yaml:"domain"`
		// flat or nested, as in the Corefile: see naming.md.
		Naming string `yaml:"naming"`
		// The TTL of the records in seconds, 1 to 86400; the annotation `federation-dns.io/ttl` of a Service takes
		// precedence.
		TTL *whole `yaml:"ttl"`
		// all, or shards: only the levels of members that have a shard of the service, and regions with a
		// regionFallback.
		Levels string `yaml:"levels"`
		// The maximum number of addresses per name and type, 1 to 256; every member gets one before any gets two.
		MaxAddresses *whole `yaml:"maxAddresses"`
		// For a region, the other regions whose addresses it gets while it has no healthy shard, in order of
		// preference. The default is a CNAME to global.
		RegionFallback map[string][]string `yaml:"regionFallback"`
		// The records that each member keeps for its own pods: see mirror.md.
		Mirror fileMirror `yaml:"mirror"`
		// The DNS provider that hosts the zone of the domain: one of rfc2136, route53 and cloudDNS; or none. Needed.
		Provider fileProvider `yaml:"provider"`
	}
	fileMirror struct {
		// Whether members have mirrors; each needs deploy/member-mirror-rbac.yaml. Default true.
		Enabled *bool `yaml:"enabled"`
	}
	fileProvider struct {
		// A server that accepts dynamic updates: BIND, Knot, CoreDNS with dynupdate, ...
		RFC2136 *fileRFC2136 `yaml:"rfc2136"`
		// Amazon Route 53. Credentials come from the SDK's default chain: environment, shared files, web identity,
		// container, instance. See docs/providers.md.
		Route53 *fileRoute53 `yaml:"route53"`
		// Google Cloud DNS, with the application default credentials. See docs/providers.md.
		CloudDNS *fileCloudDNS `yaml:"cloudDNS"`
		// No DNS provider, written as none {}: pods are answered from the mirrors in their clusters alone, and the
		// domain needs no zone. The syncer keeps its records in the host, which is needed, with the rights of
		// deploy/host-records-rbac.yaml. See docs/providers.md.
		None *fileNone `yaml:"none"`
	}
	// There is nothing to configure.
	fileNone    struct{}
	fileRoute53 struct {
		// The id of the hosted zone; the default is the one with the longest name that contains the domain.
		HostedZoneID string `yaml:"hostedZoneID"`
		// public or private: which one to use if there are hosted zones of both kinds.
		Visibility string `yaml:"visibility"`
		// A role to assume.
		RoleARN string `yaml:"roleARN"`
		// The external id that the role requires.
		ExternalID string `yaml:"externalID"`
		// Needed in China and GovCloud only.
		Region string `yaml:"region"`
		// The URL of the API; the default is that of AWS.
		Endpoint string `yaml:"endpoint"`
		// Whether a change counts as made only when all name servers have it, up to a minute later.
		WaitInSync bool `yaml:"waitInSync"`
		// The requests a second of the account that the syncer may use, 1 to 100, the same in all its federations.
		RequestsPerSecond *whole `yaml:"requestsPerSecond"`
	}
	fileCloudDNS struct {
		// The project of the managed zone; the default is that of the credentials.
		Project string `yaml:"project"`
		// The name of the managed zone; the default is the one with the longest DNS name that contains the domain.
		ManagedZone string `yaml:"managedZone"`
		// public or private: which one to use if there are managed zones of both kinds.
		Visibility string `yaml:"visibility"`
		// The URL of the API; the default is that of Google.
		Endpoint string `yaml:"endpoint"`
		// The requests a second of the project that the syncer may use, 1 to 100, the same in all its federations.
		RequestsPerSecond *whole `yaml:"requestsPerSecond"`
	}
	fileRFC2136 struct {
		// host or host:port of the primary. Needed.
		Server string `yaml:"server"`
		// The zone that contains the domain. Needed.
		Zone string `yaml:"zone"`
		// The key, which must be allowed to update and to transfer the zone.
		TSIG fileTSIG `yaml:"tsig"`
	}
	fileTSIG struct {
		// The name of the key. Needed.
		Name string `yaml:"name"`
		// hmac-sha1, hmac-sha224, hmac-sha256, hmac-sha384 or hmac-sha512.
		Algorithm string `yaml:"algorithm"`
		// The file with the secret of the key, in base64; read again when the configuration is. Needed.
		SecretFile string `yaml:"secretFile"`
	}
	fileCluster struct {
		// The member's name in status, metrics and the list of levels: a DNS-1123 subdomain. Needed.
		Name string `yaml:"name"`
		// How to reach its API server, with the account of deploy/member-rbac.yaml.
		Kubeconfig              fileKubeconfig `yaml:"kubeconfig"`
		v1alpha1.MemberSettings `yaml:",inline"`
		// The maximum number of federated Services of the member that count, the oldest first; 0 means no limit.
		MaxServices whole `yaml:"maxServices"`
	}
)

// defaults returns the default of each field, with its reason.
func defaults() file {
	var f file
	f.Timers = fileTimers{
		// Longer than the restart of an API server, shorter than users' patience.
		UnreachableAfter: "45s",
		// Listing everything that is federated takes seconds; after a minute something is wrong with the member.
		StartupTimeout: "60s",
		// A service with one shard is rolled in seconds, and NXDOMAIN is cached longer than that.
		EmptyGrace: "30s",
		// Long enough for the syncer's own network to fail over.
		PanicHold: "5m",
		// Longer than a rollout of everything, shorter than a working day's patience.
		HoldFor: "5m",
		// A member that is unreachable for a day does not come back soon.
		HeldMax: "24h",
		// Drift is rare, and an audit may read a whole zone.
		AuditInterval: "10m",
	}
	// If more than half of the members fail at once, our own link is the likelier cause.
	f.PanicThreshold = 50
	// Deleting a third of everything is not routine.
	f.MaxDeletePercent = 30
	// The port of CoreDNS's own metrics, which are scraped together with these.
	f.Metrics.Address = ":9153"
	// A directory that only the syncer's user can enter.
	f.Admin.Socket = "/run/federation-syncer/admin.sock"
	// What an operator needs to see, in a form for terminals.
	f.Log.Level, f.Log.Format = "info", "text"
	return f
}
