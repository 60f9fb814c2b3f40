package mirror

import (
	"cmp"
	"slices"
	"time"
)

// Contents is what a whole mirror says, as far as it can be read.
type Contents struct {
	Heartbeat *Heartbeat
	Services  []Service
}

// ReadContents reads the mirror of the identity from the data of ConfigMaps, by their names; nil without a heartbeat of
// it. Buckets count also if the heartbeat does not vouch for them: they were written before it. What cannot be read is
// left out.
func ReadContents(id Identity, objects map[string]map[string]string) *Contents {
	h, err := DecodeHeartbeat(objects[id.HeartbeatName()])
	if err != nil || h.Identity != id {
		return nil
	}
	c := &Contents{Heartbeat: h}
	for i := range h.Buckets {
		header, services, err := DecodeBucket(objects[id.BucketName(i, len(h.Buckets))])
		if err == nil && header.Identity == id && header.Set == h.Set && header.Owner == h.Owner {
			c.Services = append(c.Services, services...)
		}
	}
	return c
}

// sameTime is how much longer than another one a mirror may have been renewed and still say the same time: the stamps
// of heartbeats are whole minutes.
const sameTime = 2 * time.Minute

// Servable returns those that may still be served at now, the one that was renewed last first.
func Servable(now time.Time, list []*Contents) []*Contents {
	list = slices.DeleteFunc(slices.Clone(list), func(c *Contents) bool { return !now.Before(c.Heartbeat.StaleUntil) })
	slices.SortFunc(list, func(a, b *Contents) int {
		return cmp.Or(b.Heartbeat.StaleUntil.Compare(a.Heartbeat.StaleUntil),
			cmp.Compare(a.Heartbeat.Member, b.Heartbeat.Member))
	})
	return list
}

// Outdates reports whether o was renewed so much earlier that it does not speak of the same time.
func (c *Contents) Outdates(o *Contents) bool {
	return c.Heartbeat.StaleUntil.Sub(o.Heartbeat.StaleUntil) > sameTime
}
