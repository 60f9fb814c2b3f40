package mirror

import (
	"bytes"
	"context"
	"errors"
	"io"
	golog "log"
	"maps"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	api "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/prometheus/client_golang/prometheus"

	form "github.com/federation-dns/federation/federation/mirror"
)

// cluster is a fake of the API server's ConfigMaps.
type cluster struct {
	mu      sync.Mutex
	objects map[string]map[string]string
	refuse  error // of lists and watches
	lists   []meta.ListOptions
	watches []meta.ListOptions
	watch   *watch.FakeWatcher // the last one
}

// List implements ConfigMaps.
func (c *cluster) List(_ context.Context, opts meta.ListOptions) (*api.ConfigMapList, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lists = append(c.lists, opts)
	list := &api.ConfigMapList{ListMeta: meta.ListMeta{ResourceVersion: "7"}}
	for name, data := range c.objects {
		list.Items = append(list.Items, *object(name, data))
	}
	return list, c.refuse
}

// Watch implements ConfigMaps.
func (c *cluster) Watch(_ context.Context, opts meta.ListOptions) (watch.Interface, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watches = append(c.watches, opts)
	c.watch = watch.NewFakeWithChanSize(10, false)
	return c.watch, c.refuse
}

func object(name string, data map[string]string) *api.ConfigMap {
	return &api.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: name, ResourceVersion: "8"}, Data: data}
}

// reading is a Reader that runs on a fake cluster with the mirror of Service "a", with the clock of synctest.
type reading struct {
	*testing.T
	*syncer
	*cluster
	m      *Mirror
	where  string // the cluster's name
	logged *syncBuffer
}

func read(t *testing.T, do func(r *reading)) {
	synctest.Test(t, func(t *testing.T) {
		s := newSyncer(1, "a")
		r := &reading{T: t, syncer: s, cluster: &cluster{objects: maps.Clone(s.objects)}, m: New(fed),
			where: t.Name(), logged: &syncBuffer{}}
		golog.SetOutput(r.logged)
		defer golog.SetOutput(io.Discard)
		defer r.run(r.m)()
		do(r)
	})
}

// syncBuffer is a buffer that goroutines share.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// run lets a Reader run, until what it returns is called.
func (r *reading) run(m *Mirror) (end func()) {
	ctx, cancel := context.WithCancel(r.Context())
	reader := &Reader{Cluster: r.where, Namespace: form.Namespace, Client: r.cluster, Mirrors: []*Mirror{m}}
	ended := make(chan struct{})
	go func() {
		reader.Run(ctx)
		close(ended)
	}()
	synctest.Wait()
	return func() {
		cancel()
		<-ended
	}
}

// seen lets the watch deliver the heartbeat once more.
func (r *reading) seen() {
	name, data := r.beat()
	r.mu.Lock()
	r.cluster.objects[name] = data
	r.mu.Unlock()
	r.watch.Modify(object(name, data))
	synctest.Wait()
}

// said counts what is logged.
func (r *reading) said(text string, want int) {
	r.Helper()
	if n := strings.Count(r.logged.String(), text); n != want {
		r.Errorf("%q is said %d times, want %d:\n%s", text, n, want, r.logged)
	}
}

// want checks whether the mirror is fresh, and the number of lists and watches so far.
func (r *reading) want(fresh bool, lists, watches int) {
	r.Helper()
	if s := r.m.Standing(time.Now()); s.Fresh != fresh {
		r.Errorf("%+v, want fresh %v", s, fresh)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.lists) != lists || len(r.watches) != watches {
		r.Errorf("%d lists and %d watches, want %d and %d", len(r.lists), len(r.watches), lists, watches)
	}
}

func (r *reading) refused(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = err
}

func TestReader(t *testing.T) {
	for _, tc := range []struct {
		rule string
		do   func(r *reading)
	}{
		{"M5 one watch, of the federation's ConfigMaps alone, from where the list ends", func(r *reading) {
			r.want(false, 1, 1)
			if o := r.watches[0]; o.ResourceVersion != "7" || o.LabelSelector != form.Label+" in (myfed)" {
				r.Errorf("the watch asks for %+v", o)
			}
			if o := r.lists[0]; o.ResourceVersion != "" || o.LabelSelector != form.Label+" in (myfed)" {
				r.Errorf("the list asks for %+v: a cache may have one from before", o)
			}
			r.seen()
			r.want(true, 1, 1)
		}},
		{"M5 a watch that ends goes on where it was", func(r *reading) {
			r.seen()
			time.Sleep(2 * time.Second)
			r.watch.Stop()
			synctest.Wait()
			r.want(true, 1, 2)
			if o := r.watches[1]; o.ResourceVersion != "8" {
				r.Errorf("the watch asks for %+v", o)
			}
		}},
		{"M5 one whose events are gone is a list at once, and nothing to say", func(r *reading) {
			r.seen()
			gone := apierrors.NewResourceExpired("too old").Status()
			r.watch.Error(&gone)
			synctest.Wait()
			r.want(true, 2, 2)
			r.said("WARNING", 0)
		}},
		{"M10 a missing right is said once, and tried again", func(r *reading) {
			r.seen()
			r.refused(apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "", errors.New("no")))
			r.watch.Stop()
			time.Sleep(10 * time.Minute)
			r.said("may not be read", 1)
			r.mu.Lock()
			n := len(r.lists)
			r.mu.Unlock()
			if n < 10 || n > 60 {
				r.Errorf("%d lists in ten minutes", n)
			}
			r.refused(nil)
			time.Sleep(time.Minute)
			r.said("can be read now", 1)
			r.seen() // after a silence
			time.Sleep(5 * time.Second)
			r.seen()
			if s := r.m.Standing(time.Now()); !s.Fresh {
				r.Errorf("%+v", s)
			}
		}},
		{"M10 so is an API server that fails", func(r *reading) {
			r.refused(apierrors.NewServiceUnavailable("down"))
			unavailable := apierrors.NewServiceUnavailable("down").Status()
			r.watch.Error(&unavailable)
			time.Sleep(5 * time.Minute)
			r.said("cannot be read: down", 1)
			r.said("may not be read", 0)
		}},
		{"M10 nothing in the namespace is nothing to say", func(r *reading) {
			m := New(fed)
			r.cluster, r.where = &cluster{}, r.where+" another"
			defer r.run(m)()
			time.Sleep(time.Minute)
			if s := m.Standing(time.Now()); s.Known || s.Fresh || s.Age >= 0 {
				r.Errorf("%+v", s)
			}
			r.said("WARNING", 0)
		}},
		{"M4 that it is fresh is said, and that it is not any more", func(r *reading) {
			r.seen()
			time.Sleep(2 * time.Second)
			r.said("its mirror is fresh: 1 services", 1)
			time.Sleep(freshFor + time.Minute)
			r.said("its mirror is not fresh: the syncer has not renewed it for 15s", 1)
			r.want(false, 1, 1)
		}},
		{"M4 what is wrong with a bucket is said", func(r *reading) {
			name, _ := r.bucket(0)
			r.watch.Modify(object(name, map[string]string{"bucket": "{}"}))
			synctest.Wait()
			r.said("bucket: format 0 is not known: this version reads format 1: it is not used", 1)
		}},
		{"M5 at a reload the new instance begins with what the old one knows", func(r *reading) {
			r.seen()
			old := r.m
			r.m = New(fed)
			defer r.run(r.m)()
			if s := r.m.Standing(time.Now()); !s.Fresh {
				r.Errorf("%+v", s)
			}
			if old == r.m {
				r.Error("it is the old one")
			}
		}},
		{"Q13 the gauges", func(r *reading) {
			r.seen()
			time.Sleep(3 * time.Second)
			want := map[string]float64{
				"coredns_federation_mirror_fresh": 1, "coredns_federation_mirror_services": 1,
				"coredns_federation_mirror_age_seconds": 3,
			}
			if got := gather(r.T); !maps.Equal(got, want) {
				r.Errorf("%v, want %v", got, want)
			}
			// Of two server blocks, the worst is shown.
			r.cluster = &cluster{}
			defer r.run(New(fed))()
			want["coredns_federation_mirror_fresh"] = 0
			delete(want, "coredns_federation_mirror_age_seconds")
			if got := gather(r.T); !maps.Equal(got, want) {
				r.Errorf("%v, want %v", got, want)
			}
		}},
	} {
		t.Run(tc.rule, func(t *testing.T) { read(t, tc.do) })
	}
}

// gather returns the gauges of federation myfed.
func gather(t *testing.T) map[string]float64 {
	families, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "coredns_federation_mirror_") {
			continue
		}
		for _, m := range f.GetMetric() {
			if l := m.GetLabel(); len(l) == 1 && l[0].GetValue() == "myfed" {
				out[f.GetName()] = m.GetGauge().GetValue()
			}
		}
	}
	return out
}

// TestMemory: what the mirror of 10,000 services costs a CoreDNS.
func TestMemory(t *testing.T) {
	const services = 10000
	one := mirrorMemory(t, services, 1)
	two := mirrorMemory(t, services, 2)
	t.Logf("%d services: %d bytes on the heap with one topology zone, %d more with another", services, one, two-one)
	t.Run("M5 10,000 services of a topology zone take less than 10 MB", func(t *testing.T) {
		if one > 10e6 {
			t.Errorf("%d bytes", one)
		}
	})
}

// mirrorMemory is the heap that a mirror takes: for each service a CNAME at each topology zone, an address of another
// member in the region, and two of each family at global, with two ports.
func mirrorMemory(t *testing.T, services, zones int) int64 {
	const buckets = 16
	s := newSyncer(buckets)
	lines := make([][]string, buckets)
	for i := range services {
		svc := large(i, zones)
		b := form.BucketOf(s.hb.Set, buckets, svc.ServiceName())
		lines[b] = append(lines[b], svc.Line())
	}
	for i := range buckets {
		h := form.Header{Format: form.Format, Identity: s.hb.Identity, Owner: s.hb.Owner, Set: s.hb.Set, Index: i,
			Count: buckets}
		data := form.EncodeBucket(h, lines[i])
		s.objects[s.hb.BucketName(i, buckets)] = data
		s.hb.Buckets[i].Hash = form.Hash(data)
	}
	s.beat()
	before := heap()
	m := New(fed)
	if err := m.List(time.Now(), s.objects); err != nil {
		t.Fatal(err)
	}
	used := int64(heap()) - int64(before)
	if n := m.Standing(time.Now()).Services; n != services {
		t.Fatalf("%d services", n)
	}
	runtime.KeepAlive(s)
	runtime.KeepAlive(lines)
	return used
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
