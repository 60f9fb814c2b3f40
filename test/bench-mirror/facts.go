package main

import (
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/federation-dns/federation/federation/mirror"
)

// facts is what is known of the mirror in one member.
type facts struct {
	mu        sync.Mutex
	objects   map[string]fact
	heartbeat *mirror.Heartbeat
	counts
	rightAt time.Time // of the last write that made it so
}

// counts are what was written.
type counts struct{ buckets, beats, bytes int }

// fact is what is known of a bucket.
type fact struct {
	hash     string
	services int
	lost     bool // it has something of the member that gets lost
	bytes    int
}

func newFacts() *facts { return &facts{objects: map[string]fact{}} }

// wrote notes what an object is now.
func (f *facts) wrote(cm *corev1.ConfigMap) {
	o := fact{}
	for _, text := range cm.Data {
		o.bytes += len(text)
	}
	if mirror.IsHeartbeat(cm.Data) {
		h, err := mirror.DecodeHeartbeat(cm.Data)
		f.mu.Lock()
		defer f.mu.Unlock()
		if err == nil {
			f.heartbeat = h
		}
		f.beats, f.bytes, f.rightAt = f.beats+1, f.bytes+o.bytes, time.Now()
		return
	}
	o.hash = mirror.Hash(cm.Data)
	for _, text := range cm.Data {
		o.services += strings.Count(text, `"namespace":`)
		o.lost = o.lost || strings.Contains(text, `"`+memberName(lost)+`"`)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.objects[cm.Name] = o
	f.buckets, f.bytes = f.buckets+1, f.bytes+o.bytes
}

func (f *facts) removed(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.objects, name)
}

// right reports whether the heartbeat vouches for a mirror with that many services, and since when; without: nothing
// of the lost member is in it.
func (f *facts) right(services int, without bool) (at time.Time, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.heartbeat == nil {
		return at, false
	}
	n := 0
	for i, b := range f.heartbeat.Buckets {
		o := f.objects[f.heartbeat.BucketName(i, len(f.heartbeat.Buckets))]
		if o.hash != b.Hash || without && o.lost {
			return at, false
		}
		n += o.services
	}
	return f.rightAt, n >= services
}

// size is how much the mirror is.
func (f *facts) size() (bytes, buckets int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.objects {
		bytes += o.bytes
	}
	return bytes, len(f.objects)
}

func (f *facts) counted() counts {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts
}
