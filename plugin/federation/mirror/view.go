package mirror

import (
	"time"

	core "github.com/federation-dns/federation/federation"
	form "github.com/federation-dns/federation/federation/mirror"
)

// Freshness says what the mirror's word is worth for a question.
type Freshness uint8

const (
	// None is that nothing is known of the service, or that it is too old to be served.
	None Freshness = iota
	// Stale is that the last mirror may be served, by M6.
	Stale
	// Fresh is that the mirror says how it is.
	Fresh
)

// Found is what a mirror says of a service.
type Found struct {
	Freshness
	// Service is nil if the mirror does not have it. If it is fresh, then there is no such service.
	Service *Service
	// Member is the name of the member that the mirror is for.
	Member string
	// Published reports that the zone has taken what the bucket says.
	Published bool
	// NoProvider reports that there is no zone: nobody else knows. It is also set if Freshness is None.
	NoProvider bool
}

// view is what is known of a mirror at a time. It is not changed.
type view struct {
	heartbeat *form.Heartbeat
	buckets   []bucket
	pulse     pulse
}

// bucket is a bucket of the heartbeat's set.
type bucket struct {
	vouched *content  // the content that the heartbeat names, or nil
	until   time.Time // vouched counts until then; zero: for as long as the heartbeat is fresh
	last    *content  // to be served while it is not fresh, or nil
}

// fresh reports whether the bucket's content is vouched for.
func (v *view) fresh(b *bucket, now time.Time) bool {
	return b.vouched != nil && (b.until.IsZero() || now.Before(b.until)) && v.pulse.fresh(now)
}

// find looks for the service with the key "S.N", for nodes of a place.
func (v *view) find(now time.Time, key string, name core.ServiceName, place core.Topology) Found {
	if v == nil || v.heartbeat == nil {
		return Found{}
	}
	h := v.heartbeat
	i := form.BucketOf(h.Set, len(h.Buckets), name)
	b := &v.buckets[i]
	out := Found{Member: h.Member, Published: h.Buckets[i].Published, NoProvider: h.NoProvider}
	from := b.last
	switch {
	case v.fresh(b, now) && h.Covers(place):
		out.Freshness, from = Fresh, b.vouched
	case b.last != nil && now.Before(h.StaleUntil):
		out.Freshness = Stale
	default:
		return out
	}
	out.Service = from.services[key]
	return out
}
