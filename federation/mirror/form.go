package mirror

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
)

// Identity says what a mirror is of. A Corefile's federation reads the mirror of its own identity only (M5).
type Identity struct {
	Federation federation.Label  `json:"federation"`
	Domain     federation.FQDN   `json:"domain"`
	Naming     federation.Naming `json:"naming"`
}

// IdentityOf returns the identity of the mirrors of a federation.
func IdentityOf(f federation.Federation) Identity {
	id := Identity{Federation: f.Name, Domain: f.Domain, Naming: f.Naming}
	if id.Naming == "" {
		id.Naming = federation.Flat
	}
	return id
}

// name begins the names of the identity's ConfigMaps.
func (id Identity) name() string {
	h := fnv.New32a()
	fmt.Fprintf(h, "%s %s %s", id.Federation, id.Domain, id.Naming)
	return fmt.Sprintf("%s.%08x", id.Federation, h.Sum32())
}

// HeartbeatName returns the name of the ConfigMap with the heartbeat.
func (id Identity) HeartbeatName() string { return id.name() }

// BucketName returns the name of the ConfigMap with bucket i of count. The name holds the count, so that the buckets of
// a set that has doubled stand beside those before.
func (id Identity) BucketName(i, count int) string {
	return fmt.Sprintf("%s.%d-%d", id.name(), count, i)
}

// Heartbeat vouches for a set of buckets (M4). It counts as a renewal only if it is seen to change.
type Heartbeat struct {
	Format int `json:"format"`
	Identity
	// Member is the name of the member that the mirror is kept in: addresses that are only its own are not for its
	// pods.
	Member string `json:"member"`
	// Owner is the owner id of the syncer that writes it, and Generation that of its claim (M3).
	Owner      string `json:"owner"`
	Generation uint64 `json:"generation"`
	// Set is the random id of the set of buckets. It seeds the hash that spreads the services.
	Set string `json:"set"`
	// Buckets are the buckets of the set, in order; their number is a power of two.
	Buckets []BucketState `json:"buckets"`
	// Starts are the places from which the mirror has all levels up to global. "" stands for a label that a node does
	// not have.
	Starts []Start `json:"starts"`
	// NoProvider reports that the mirror is the only outlet: there are no records to lead to (M7).
	NoProvider bool `json:"noProvider,omitempty"`
	// StaleUntil is the time until which the mirror may be served while it is not fresh (M6). It is a wall clock, for
	// this bound only.
	StaleUntil time.Time `json:"staleUntil"`
	// Snapshot is the number of the snapshot that was written last. It rises with every renewal.
	Snapshot uint64 `json:"snapshot"`
}

// BucketState is what a heartbeat says of a bucket.
type BucketState struct {
	// Hash is the Hash of the bucket's data.
	Hash string `json:"hash"`
	// Published reports that the zone has taken all that the bucket says.
	Published bool `json:"published"`
}

// Start is a place of nodes.
type Start struct {
	Region federation.Label `json:"region"`
	Zone   federation.Label `json:"zone"`
}

// Header is what a bucket says of itself.
type Header struct {
	Format int `json:"format"`
	Identity
	Owner string `json:"owner"`
	Set   string `json:"set"`
	Index int    `json:"index"`
	Count int    `json:"count"`
}

// Service is what a member is told of a service: the levels from each start of the member up to the first one with an
// address of another member, and global (M1).
type Service struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Upstream reports that the service exists, but is too large for the mirror: it is chased through the upstream. The
	// other fields are empty then.
	Upstream bool    `json:"upstream,omitempty"`
	Levels   []Level `json:"levels,omitempty"`
	// Ports are the ports that all shards have alike, for SRV (M9).
	Ports []Port `json:"ports,omitempty"`
}

// ServiceName returns the service's name.
func (s *Service) ServiceName() federation.ServiceName {
	return federation.ServiceName{Namespace: s.Namespace, Name: s.Name}
}

// Level is what a service has at a level: addresses, a host name, or the way up. None of them means that the name does
// not exist there.
type Level struct {
	// Level is the level's domain.
	Level federation.FQDN `json:"level"`
	// TTL is that of the records, in seconds.
	TTL uint32 `json:"ttl"`
	// Addresses are those of A and AAAA records, sorted, each once.
	Addresses []Address `json:"addresses,omitempty"`
	// Host is the target of a CNAME to a load balancer's host name, and Members whose it is.
	Host    federation.FQDN `json:"host,omitempty"`
	Members []string        `json:"members,omitempty"`
	// Up is the domain of the level that a CNAME leads to.
	Up federation.FQDN `json:"up,omitempty"`
}

// Address is an address of a service, with the members that it belongs to, sorted.
type Address struct {
	Address netip.Addr `json:"address"`
	Members []string   `json:"members"`
}

// OnlyOf reports whether the address belongs to the member alone, and to nobody else (anycast).
func (a Address) OnlyOf(member string) bool { return len(a.Members) == 1 && a.Members[0] == member }

// Port is a port of a Service.
type Port struct {
	Name     string `json:"name"`
	Protocol string `json:"protocol"` // lower case: tcp, udp or sctp
	Port     uint16 `json:"port"`
}

// BucketOf returns the index of the service's bucket in a set of count buckets. It does not allocate.
func BucketOf(set string, count int, svc federation.ServiceName) int {
	sum := uint64(offset64)
	for _, part := range [...]string{set, "\x00", svc.Namespace, "/", svc.Name} {
		for i := range len(part) {
			sum = (sum ^ uint64(part[i])) * prime64
		}
	}
	sum ^= sum >> 32 // the low bits of FNV alone spread short names badly
	return int(sum % uint64(count))
}

// The constants of FNV-1a with 64 bits, which package hash/fnv does not export.
const (
	offset64 = 14695981039346656037
	prime64  = 1099511628211
)

// Covers reports whether the heartbeat's mirror is complete for nodes of the place.
func (h *Heartbeat) Covers(t federation.Topology) bool {
	return slices.Contains(h.Starts, Start{Region: t.Region, Zone: t.Zone})
}
