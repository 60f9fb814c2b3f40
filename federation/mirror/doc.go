// Package mirror is the form of a federation's mirror: the part of the records that a member's pods can be led to, kept
// in the member itself, so that the plugin answers from memory (M). The syncer writes it and the plugin reads it.
//
// A mirror is a set of ConfigMaps in Namespace: one heartbeat, and buckets over which the services are spread. The
// heartbeat says which buckets belong to the set and what their contents are; a bucket that it does not vouch for is
// not fresh (M4).
package mirror

import "time"

const (
	// Namespace is where a member keeps its mirrors. It holds nothing else (M2).
	Namespace = "federation-mirror"
	// Label is the label of all ConfigMaps of mirrors; its value is the name of the federation.
	Label = "federation-dns.io/mirror"
	// Format is the version of the form.
	Format = 1
	// FreshFor is how long a heartbeat vouches for its buckets after it was seen to change (M4).
	FreshFor = 15 * time.Second
	// MaxBucketBytes is the size of a bucket's data above which the number of buckets doubles (M2).
	MaxBucketBytes = 256 << 10
	// MaxBuckets bounds the number of buckets. What does not fit into so many is left out (Service.Upstream).
	MaxBuckets = 256
)

// The keys of a ConfigMap's data.
const (
	heartbeatKey = "heartbeat"
	headerKey    = "bucket"
	servicesKey  = "services"
)
