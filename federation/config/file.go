package config

// The file, as it is written. Durations are text here, as they are checked
// where all else is. The comments of the fields are what docs/operations.md
// says of them, with "Needed." where there is no default.
type (
	file struct {
		// federation-dns.io/v1alpha1. Needed.
		APIVersion string `yaml:"apiVersion"`
		// SyncerConfiguration. Needed.
		Kind string `yaml:"kind"`
		// The id of this syncer in its claims: 1 to 200 printable ASCII characters without blanks, quotes and backslashes. Without it, the UID of the host cluster is the id; one of the two is needed.
		Owner string `yaml:"owner"`
		// The cluster that the syncer belongs to, if any. Several replicas with the same configuration then choose the one that writes by a Lease there (deploy/host-rbac.yaml), and it can tell the id of the syncer.
		Host *fileHost `yaml:"host"`
		// The federations whose records this syncer keeps, at least one. One name may stand with several domains.
		Federations []fileFederation `yaml:"federations"`
		// Who is asked for the host names of load balancers.
		Resolver fileResolver `yaml:"resolver"`
		// The members, at least one. Each is a member of every federation of the file.
		Clusters []fileCluster `yaml:"clusters"`
		// How long is waited for what.
		Timers fileTimers `yaml:"timers"`
		// If more than this percentage of the members is lost at about the same time, the syncer takes itself for the one that is cut off, and withdraws nothing for it.
		PanicThreshold whole `yaml:"panicThreshold"`
		// If more than this percentage of the services (of the federation, or of those with an address of one member) would lose their last address within holdFor, or of the names would be deleted, and more than 10, these changes wait; all else goes on. So do all services of a federation that has more than one.
		MaxDeletePercent whole `yaml:"maxDeletePercent"`
		// The HTTP server with /metrics, /healthz and /readyz.
		Metrics fileMetrics `yaml:"metrics"`
		// The socket that `federation-syncer status` asks; only its owner may.
		Admin fileAdmin `yaml:"admin"`
		// What is logged, on standard error.
		Log fileLog `yaml:"log"`
	}
	fileHost struct {
		// How to reach the cluster.
		Kubeconfig fileKubeconfig `yaml:"kubeconfig"`
		// The namespace of the Lease; default `federation-system`.
		Namespace string `yaml:"namespace"`
		// The name of the Lease; default `federation-syncer`. Two syncers with different configurations need two.
		Lease string `yaml:"lease"`
	}
	fileResolver struct {
		// Recursive DNS servers, IP addresses with or without a port, in the order in which they are asked; without, those of /etc/resolv.conf. They must answer for all members.
		Servers []string `yaml:"servers"`
	}
	fileKubeconfig struct {
		// The kubeconfig file; a relative path is looked for beside the configuration. Needed for a member.
		Path string `yaml:"path"`
		// The context in it; without, its current one.
		Context string `yaml:"context"`
	}
	fileTimers struct {
		// A member counts as unreachable after this time without an answer to an authorised request, and at least 3 failed ones.
		UnreachableAfter string `yaml:"unreachableAfter"`
		// A member that was not listed for this time after a start counts as unreachable.
		StartupTimeout string `yaml:"startupTimeout"`
		// The records of a service without any healthy shard stay for this time.
		EmptyGrace string `yaml:"emptyGrace"`
		// After this time a panic (see panicThreshold) ends though members are still away, if at least one member and the DNS server answer.
		PanicHold string `yaml:"panicHold"`
		// What is withdrawn or deleted is counted over this time (see maxDeletePercent). What was seen by watches waits for it at most; everything else waits for `federation-syncer confirm`.
		HoldFor string `yaml:"holdFor"`
		// The last addresses of unreachable members are published for at most this time, where no other shard is healthy.
		HeldMax string `yaml:"heldMax"`
		// What stands at the DNS server is compared, and mended, this often.
		AuditInterval string `yaml:"auditInterval"`
	}
	fileMetrics struct {
		// [host]:port to listen on.
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
		// What stands behind service and namespace in the names that pods ask for: a DNS label, neither `svc` nor `pod` nor a public top-level domain. Needed.
		Name string `yaml:"name"`
		// The domain that the records stand in. Needed.
		Domain string `yaml:"domain"`
		// flat or nested, as in the Corefile: see naming.md.
		Naming string `yaml:"naming"`
		// The TTL of the records in seconds, 1 to 86400; the annotation `federation-dns.io/ttl` of a Service goes before it.
		TTL *whole `yaml:"ttl"`
		// all, or shards: only the levels of members that have a shard of the service, and regions with a regionFallback.
		Levels string `yaml:"levels"`
		// The most addresses of one name and type, 1 to 256; no member has two before each has one.
		MaxAddresses *whole `yaml:"maxAddresses"`
		// For a region the other regions whose addresses it gets while it has no healthy shard, the first choice first. Without one it leads to global.
		RegionFallback map[string][]string `yaml:"regionFallback"`
		// Who hosts the zone of the domain: one of rfc2136, route53 and cloudDNS. Needed.
		Provider fileProvider `yaml:"provider"`
	}
	fileProvider struct {
		// A server that takes dynamic updates: BIND, Knot, CoreDNS with dynupdate, ...
		RFC2136 *fileRFC2136 `yaml:"rfc2136"`
		// Amazon Route 53. Credentials come from the SDK's default chain: environment, shared files, web identity, container, instance. See docs/providers.md.
		Route53 *fileRoute53 `yaml:"route53"`
		// Google Cloud DNS, with the application default credentials. See docs/providers.md.
		CloudDNS *fileCloudDNS `yaml:"cloudDNS"`
	}
	fileRoute53 struct {
		// The id of the hosted zone; without it, the one with the longest name that holds the domain.
		HostedZoneID string `yaml:"hostedZoneID"`
		// public or private: which one is meant if there are hosted zones of both kinds.
		Visibility string `yaml:"visibility"`
		// A role to assume.
		RoleARN string `yaml:"roleARN"`
		// The external id that the role asks for.
		ExternalID string `yaml:"externalID"`
		// Needed in China and GovCloud only.
		Region string `yaml:"region"`
		// The URL of the API; without, that of AWS.
		Endpoint string `yaml:"endpoint"`
		// A change counts as made only when all name servers have it, up to a minute later.
		WaitInSync bool `yaml:"waitInSync"`
		// The requests a second of the account that the syncer may use, 1 to 100, the same in all its federations.
		RequestsPerSecond *whole `yaml:"requestsPerSecond"`
	}
	fileCloudDNS struct {
		// The project that has the managed zone; without, that of the credentials.
		Project string `yaml:"project"`
		// The name of the managed zone; without it, the one with the longest DNS name that holds the domain.
		ManagedZone string `yaml:"managedZone"`
		// public or private: which one is meant if there are managed zones of both kinds.
		Visibility string `yaml:"visibility"`
		// The URL of the API; without, that of Google.
		Endpoint string `yaml:"endpoint"`
		// The requests a second of the project that the syncer may use, 1 to 100, the same in all its federations.
		RequestsPerSecond *whole `yaml:"requestsPerSecond"`
	}
	fileRFC2136 struct {
		// host or host:port of the primary. Needed.
		Server string `yaml:"server"`
		// The zone that holds the domain. Needed.
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
		Kubeconfig fileKubeconfig `yaml:"kubeconfig"`
		// Where the member stands; without, the labels of its Nodes say it.
		Topology *fileTopology `yaml:"topology"`
		// The prefixes within which private and annotated addresses of the member may be published. Public addresses of its load balancers need none.
		AddressCIDRs []string `yaml:"addressCIDRs"`
		// The domains below which annotated host names of the member may lie.
		HostSuffixes []string `yaml:"hostSuffixes"`
		// Whether the annotation `federation-dns.io/addresses` of its Services counts.
		AllowAddressAnnotation bool `yaml:"allowAddressAnnotation"`
		// The namespaces that the member may serve; without, all.
		Namespaces []string `yaml:"namespaces"`
		// The most federated Services of the member that count, the oldest first; 0 is no limit.
		MaxServices whole `yaml:"maxServices"`
		// The member's own, instead of that of timers.
		UnreachableAfter string `yaml:"unreachableAfter"`
		// Its shards count as unhealthy, at once: others take over, and it keeps its levels. To be set before a member is taken away, or worked on.
		Drain bool `yaml:"drain"`
	}
	fileTopology struct {
		// The region; may be missing.
		Region string `yaml:"region"`
		// The topology zones, at most 16.
		Zones []string `yaml:"zones"`
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
		// Longer than a rollout of everything, shorter than a working day's patience.
		HoldFor: "5m",
		// A member that is away for a day is away.
		HeldMax: "24h",
		// Drift is rare, and an audit may read a whole zone.
		AuditInterval: "10m",
	}
	// More than half of the members at once is likelier our own link than theirs.
	f.PanicThreshold = 50
	// Nobody deletes a third of everything on an ordinary day.
	f.MaxDeletePercent = 30
	// The port of CoreDNS's own metrics, which this is scraped beside.
	f.Metrics.Address = ":9153"
	// A directory that only the syncer's user can enter.
	f.Admin.Socket = "/run/federation-syncer/admin.sock"
	// What an admin has to see, in a form that is read on a terminal.
	f.Log.Level, f.Log.Format = "info", "text"
	return f
}
