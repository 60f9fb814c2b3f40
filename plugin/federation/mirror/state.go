package mirror

import (
	"fmt"
	"maps"
	"time"

	core "github.com/federation-dns/federation/federation"
	form "github.com/federation-dns/federation/federation/mirror"
)

// between is how long a bucket's former content counts after the ConfigMap has another one. The syncer writes buckets
// first, and then the heartbeat that names what they hold: until that comes, the former content is as true as it was.
const between = 2 * time.Second

// state is what was read of a mirror, from lists and watches. It makes views.
type state struct {
	federation core.Federation
	id         form.Identity
	pulse      pulse
	heartbeat  *form.Heartbeat
	buckets    map[string]*held // by the name of the ConfigMap
}

// held is what is known of a bucket.
type held struct {
	object  *content  // what the ConfigMap holds; nil if it is gone, or cannot be read
	vouched *content  // the last one that a heartbeat named
	until   time.Time // vouched counts until then; zero: object is vouched
}

func newState(f core.Federation) *state {
	return &state{federation: f, id: form.IdentityOf(f), buckets: map[string]*held{}}
}

// clone returns a state that says the same, and is changed by itself.
func (s *state) clone() *state {
	out := *s
	out.buckets = make(map[string]*held, len(s.buckets))
	for name, h := range s.buckets {
		one := *h
		out.buckets[name] = &one
	}
	return &out
}

// list takes the mirror's ConfigMaps, by name: these are all.
func (s *state) list(now time.Time, objects map[string]map[string]string) error {
	var first error
	for name := range maps.Keys(s.buckets) {
		if _, ok := objects[name]; !ok {
			s.setBucket(now, name, nil)
		}
	}
	for name, data := range objects {
		if name == s.id.HeartbeatName() {
			continue
		}
		if err := s.readBucket(now, name, data); err != nil && first == nil {
			first = err
		}
	}
	data, ok := objects[s.id.HeartbeatName()]
	if !ok {
		s.pulse.gone()
		s.settle(now)
		return first
	}
	h, err := s.readHeartbeat(data)
	if err != nil {
		s.pulse.gone()
		return err
	}
	s.pulse.listed(now, h)
	s.heartbeat = h
	s.settle(now)
	return first
}

// change takes what a watch has delivered: a ConfigMap of the mirror, or with nil that it is gone.
func (s *state) change(now time.Time, name string, data map[string]string) (err error) {
	switch {
	case name != s.id.HeartbeatName() && data == nil:
		s.setBucket(now, name, nil)
	case name != s.id.HeartbeatName():
		err = s.readBucket(now, name, data)
	case data == nil:
		s.pulse.gone()
	default:
		var h *form.Heartbeat
		if h, err = s.readHeartbeat(data); err != nil {
			s.pulse.gone()
		} else if s.pulse.changed(now, h) {
			s.heartbeat = h
		}
	}
	s.settle(now)
	return err
}

func (s *state) readHeartbeat(data map[string]string) (*form.Heartbeat, error) {
	h, err := form.DecodeHeartbeat(data)
	if err == nil && h.Identity != s.id {
		err = fmt.Errorf("heartbeat: it is of %v", h.Identity)
	}
	if err != nil {
		return nil, fmt.Errorf("ConfigMap %s: %w", s.id.HeartbeatName(), err)
	}
	return h, nil
}

// readBucket takes a bucket's data. What cannot be read is as if it were gone.
func (s *state) readBucket(now time.Time, name string, data map[string]string) error {
	c, err := newContent(s.federation, data)
	if err == nil && (c.header.Identity != s.id || name != s.id.BucketName(c.header.Index, c.header.Count)) {
		err = fmt.Errorf("bucket: it is bucket %d of %d of %v", c.header.Index, c.header.Count, c.header.Identity)
	}
	if err != nil {
		s.setBucket(now, name, nil)
		return fmt.Errorf("ConfigMap %s: %w", name, err)
	}
	s.setBucket(now, name, c)
	return nil
}

// setBucket sets what the ConfigMap of a bucket holds.
func (s *state) setBucket(now time.Time, name string, c *content) {
	h := s.buckets[name]
	if h == nil {
		h = &held{}
		s.buckets[name] = h
	}
	if h.object != nil && c != nil && h.object.hash == c.hash {
		return
	}
	h.object = c
	if h.vouched != nil && h.until.IsZero() {
		h.until = now.Add(between)
	}
}

// settle finds out which contents the heartbeat vouches for, and forgets buckets that are gone and not of its set.
func (s *state) settle(now time.Time) {
	of := map[string]string{} // the hashes of the set, by the name of the bucket
	if h := s.heartbeat; h != nil {
		for i, b := range h.Buckets {
			of[s.id.BucketName(i, len(h.Buckets))] = b.Hash
		}
	}
	for name, h := range s.buckets {
		hash, inSet := of[name]
		if inSet && h.object != nil && h.object.hash == hash {
			h.vouched, h.until = h.object, time.Time{}
		}
		if h.object == nil && !inSet {
			delete(s.buckets, name)
		}
	}
}

// view returns what is known now.
func (s *state) view() *view {
	v := &view{heartbeat: s.heartbeat, pulse: s.pulse}
	if s.heartbeat == nil {
		return v
	}
	v.buckets = make([]bucket, len(s.heartbeat.Buckets))
	for i, named := range s.heartbeat.Buckets {
		h := s.buckets[s.id.BucketName(i, len(v.buckets))]
		if h == nil {
			continue
		}
		b := &v.buckets[i]
		if h.vouched != nil && h.vouched.hash == named.Hash {
			b.vouched, b.until = h.vouched, h.until
		}
		switch {
		case h.vouched != nil:
			b.last = h.vouched
		case h.object != nil && h.object.header.Set == s.heartbeat.Set:
			b.last = h.object
		}
	}
	return v
}
