package mirror

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	core "github.com/federation-dns/federation/federation"
	form "github.com/federation-dns/federation/federation/mirror"
)

var (
	fed   = core.Federation{Name: "myfed", Domain: "example.com."}
	place = core.Topology{Region: "region1", Zone: "zone1"}
)

// syncer is what writes a mirror in the tests.
type syncer struct {
	hb      form.Heartbeat
	objects map[string]map[string]string // what stands in the cluster
}

// newSyncer returns a syncer that has written the services to so many buckets.
func newSyncer(buckets int, services ...string) *syncer {
	s := &syncer{objects: map[string]map[string]string{}, hb: form.Heartbeat{
		Format: form.Format, Identity: form.IdentityOf(fed), Member: "here", Owner: "fed", Generation: 1,
		Set: "set", Buckets: make([]form.BucketState, buckets),
		Starts:     []form.Start{{Region: "region1", Zone: "zone1"}},
		StaleUntil: time.Now().Add(time.Hour).UTC(),
	}}
	s.write(services...)
	return s
}

// service is one with an address at global.
func service(name string) form.Service {
	return form.Service{Namespace: "ns", Name: name, Levels: []form.Level{{Level: fed.Domain, TTL: 60,
		Addresses: []form.Address{{Address: netip.MustParseAddr("203.0.113.1"), Members: []string{"there"}}}}}}
}

// bucket returns the name and the data of a bucket with those of the services that belong there.
func (s *syncer) bucket(i int, services ...string) (string, map[string]string) {
	count := len(s.hb.Buckets)
	var lines []string
	for _, name := range services {
		if svc := service(name); form.BucketOf(s.hb.Set, count, svc.ServiceName()) == i {
			lines = append(lines, svc.Line())
		}
	}
	h := form.Header{Format: form.Format, Identity: s.hb.Identity, Owner: s.hb.Owner, Set: s.hb.Set, Index: i,
		Count: count}
	return s.hb.BucketName(i, count), form.EncodeBucket(h, lines)
}

// write writes all buckets, and the heartbeat.
func (s *syncer) write(services ...string) {
	for i := range s.hb.Buckets {
		name, data := s.bucket(i, services...)
		s.objects[name] = data
		s.hb.Buckets[i].Hash = form.Hash(data)
	}
	s.beat()
}

// beat writes the heartbeat, and returns its name and data.
func (s *syncer) beat() (string, map[string]string) {
	s.hb.Snapshot++
	s.objects[s.hb.HeartbeatName()] = s.hb.Encode()
	return s.hb.HeartbeatName(), s.objects[s.hb.HeartbeatName()]
}

// scene is a mirror and its syncer, with a clock.
type scene struct {
	*testing.T
	*syncer
	m   *Mirror
	now time.Time
}

// newScene returns a scene with a mirror of Service "a", which is fresh.
func newScene(t *testing.T) *scene {
	s := &scene{T: t, syncer: newSyncer(1, "a"), m: New(fed), now: time.Now()}
	s.list()
	s.renew()
	return s
}

func (s *scene) list() {
	if err := s.m.List(s.now, s.objects); err != nil {
		s.Fatal(err)
	}
}

// change is a change that the watch sees.
func (s *scene) change(name string, data map[string]string) {
	s.Helper()
	if err := s.m.Change(s.now, name, data); err != nil {
		s.Fatal(err)
	}
}

// renew writes the heartbeat once more.
func (s *scene) renew() {
	s.now = s.now.Add(5 * time.Second)
	s.change(s.beat())
}

// want checks what the mirror says of a Service: "fresh", "stale" or "none", and "-" if it does not have it.
func (s *scene) want(name, want string) {
	s.Helper()
	found := s.m.Find(s.now, name+".ns", core.ServiceName{Namespace: "ns", Name: name}, place)
	got := [...]string{None: "none", Stale: "stale", Fresh: "fresh"}[found.Freshness]
	if found.Freshness != None && found.Service == nil {
		got += " -"
	}
	if got != want {
		s.Errorf("Service %s: %s, want %s", name, got, want)
	}
}

func TestState(t *testing.T) {
	for _, tc := range []struct {
		rule string
		do   func(s *scene)
	}{
		{"M5 what a fresh mirror has, and what it has not", func(s *scene) {
			s.want("a", "fresh")
			s.want("b", "fresh -")
		}},
		{"M4 what was only listed is stale", func(s *scene) {
			s.m = New(fed)
			s.list()
			s.want("a", "stale")
			s.renew()
			s.want("a", "fresh")
		}},
		{"M4 a bucket that the heartbeat does not name is not fresh: its write was refused", func(s *scene) {
			s.hb.Buckets[0].Hash = "other"
			s.renew()
			s.want("a", "stale")
			s.want("b", "stale -")
		}},
		{"M4 nor is one of another content, which has just been listed", func(s *scene) {
			s.hb.Buckets[0].Hash = "other"
			s.beat()
			s.m = New(fed)
			s.list()
			s.renew()
			s.want("a", "stale")
		}},
		{"M4 nor one of another set", func(s *scene) {
			s.hb.Set, s.hb.Buckets[0].Hash = "another", "other"
			s.beat()
			s.m = New(fed)
			s.list()
			s.renew()
			s.want("a", "none")
		}},
		{"M4 a bucket that has changed counts when the heartbeat names it", func(s *scene) {
			name, data := s.bucket(0, "a", "b")
			s.change(name, data)
			s.want("a", "fresh") // until then, what was before counts
			s.want("b", "fresh -")
			s.hb.Buckets[0].Hash = form.Hash(data)
			s.change(s.beat())
			s.want("b", "fresh")
			s.now = s.now.Add(10 * time.Second)
			s.want("b", "fresh")
		}},
		{"M4 one that was edited by hand is not fresh", func(s *scene) {
			s.change(s.bucket(0, "a", "evil"))
			s.now = s.now.Add(between)
			s.want("a", "stale")
			s.want("evil", "stale -")
			s.renew()
			s.want("evil", "stale -")
		}},
		{"M4 until it is put right", func(s *scene) {
			s.change(s.bucket(0, "evil"))
			s.now = s.now.Add(between)
			s.change(s.bucket(0, "a"))
			s.want("a", "fresh")
		}},
		{"M4 one that was deleted is not fresh", func(s *scene) {
			name, _ := s.bucket(0)
			s.change(name, nil)
			s.now = s.now.Add(between)
			s.want("a", "stale")
		}},
		{"M4 one that a list does not have any more", func(s *scene) {
			name, _ := s.bucket(0)
			delete(s.objects, name)
			s.list()
			s.now = s.now.Add(between)
			s.want("a", "stale")
		}},
		{"M4 one that cannot be read", func(s *scene) {
			name, data := s.bucket(0, "a")
			data = maps.Clone(data)
			data["services"] = strings.Replace(data["services"], "203.0.113.1", "127.0.0.1", 1)
			if err := s.m.Change(s.now, name, data); err == nil {
				s.Error("no error says so")
			}
			s.now = s.now.Add(between)
			s.want("a", "stale")
		}},
		{"M4 a late write of a leader that is gone", func(s *scene) {
			s.hb.Generation = 2
			s.renew()
			old := s.hb
			old.Generation, old.Snapshot, old.Buckets = 1, 99, []form.BucketState{{Hash: "other"}}
			s.change(old.HeartbeatName(), old.Encode())
			s.want("a", "fresh")
		}},
		{"M4 the member's etcd is restored", func(s *scene) {
			old := maps.Clone(s.objects)
			s.write("b")
			for name, data := range s.objects {
				s.change(name, data)
			}
			s.renew()
			s.want("b", "fresh")
			s.objects = old
			s.list()
			s.want("a", "stale")
		}},
		{"M4 a watch that stalls", func(s *scene) {
			s.now = s.now.Add(freshFor)
			s.want("a", "stale")
		}},
		{"M4 it is not fresh for nodes elsewhere", func(s *scene) {
			s.hb.Starts = []form.Start{{Region: "region1", Zone: "zone2"}}
			s.renew()
			s.want("a", "stale")
		}},
		{"M4 another identity's is not read", func(s *scene) {
			other := s.hb
			other.Domain = "example.net."
			if s.m.owns(other.HeartbeatName()) || s.m.owns(other.BucketName(0, 1)) || s.m.owns("myfed") {
				s.Error("its names are taken for ours")
			}
			if err := s.m.Change(s.now, s.hb.HeartbeatName(), other.Encode()); err == nil {
				s.Error("no error says so")
			}
			s.want("a", "stale")
		}},
		{"M4 a bucket under another one's name", func(s *scene) {
			_, data := s.bucket(0, "a")
			if err := s.m.Change(s.now, s.hb.BucketName(1, 2), data); err == nil {
				s.Error("no error says so")
			}
		}},
		{"M6 it is not served for ever", func(s *scene) {
			s.now = s.now.Add(59 * time.Minute)
			s.want("a", "stale")
			s.now = s.now.Add(time.Minute)
			s.want("a", "none")
		}},
		{"M6 nor is one that is deleted", func(s *scene) {
			s.change(s.hb.HeartbeatName(), nil)
			s.want("a", "stale")
			s.now = s.now.Add(time.Hour)
			s.want("a", "none")
		}},
		{"M2 a set that doubles is fresh all the time", func(s *scene) {
			before, _ := s.bucket(0)
			s.hb.Buckets = make([]form.BucketState, 2)
			for i := range s.hb.Buckets {
				name, data := s.bucket(i, "a", "b")
				s.hb.Buckets[i].Hash = form.Hash(data)
				s.change(name, data)
				s.want("a", "fresh")
			}
			s.change(s.beat())
			s.want("a", "fresh")
			s.want("b", "fresh")
			s.change(before, nil)
			s.want("a", "fresh")
			if n := len(s.m.state.buckets); n != 2 {
				s.Errorf("%d buckets are kept", n)
			}
		}},
		{"M5 an instance that takes over knows what the one before it knew", func(s *scene) {
			m := New(fed)
			m.takeOver(s.m)
			s.change(s.bucket(0, "b")) // of the one before
			s.m = m
			s.want("a", "fresh")
			s.list()
			s.want("a", "fresh")
		}},
	} {
		t.Run(tc.rule, func(t *testing.T) { tc.do(newScene(t)) })
	}
}

func TestContent(t *testing.T) {
	t.Run("M5 an address is our own if it is nobody else's", func(t *testing.T) {
		addr := func(ip string, members ...string) form.Address {
			return form.Address{Address: netip.MustParseAddr(ip), Members: members}
		}
		s := form.Service{Namespace: "ns", Name: "a", Levels: []form.Level{
			{Level: "zone1.example.com.", Addresses: []form.Address{addr("203.0.113.1", "here"),
				addr("203.0.113.2", "here", "there"), addr("203.0.113.3", "there"), addr("203.0.113.1", "here")}},
			{Level: "region1.example.com.", Host: "lb.example.net.", Members: []string{"here"}},
		}}
		k := keeper{federation: fed, strings: map[string]string{}}
		got := k.service(&s)
		if own := fmt.Sprint(got.Own("here")); own != "[203.0.113.1]" {
			t.Errorf("own are %s", own)
		}
		if lv := got.Level("myfed.svc.region1.example.com."); lv == nil || lv.HostOf != "here" {
			t.Errorf("the host name's level: %+v", lv)
		}
	})
	t.Run("M5 a question does not allocate, whether the Service is there or not", func(t *testing.T) {
		s := newScene(t)
		for _, name := range []string{"a", "b"} {
			if n := testing.AllocsPerRun(100, func() {
				s.m.Find(s.now, name, core.ServiceName{Namespace: "ns", Name: name}, place)
			}); n != 0 {
				t.Errorf("%v allocations", n)
			}
		}
	})
}

// large is the service of a number, as it is in a federation of some members.
func large(i, zones int) form.Service {
	addr := func(ip string) form.Address {
		return form.Address{Address: netip.MustParseAddr(ip), Members: []string{"member-b"}}
	}
	one, other := fmt.Sprintf("203.0.%d.%d", i/250, i%250), fmt.Sprintf("198.51.%d.%d", i/250, i%250)
	six := fmt.Sprintf("2001:db8::%x", i+1)
	s := form.Service{Namespace: fmt.Sprintf("namespace-%d", i%50), Name: fmt.Sprintf("service-%d", i),
		Levels: []form.Level{
			{Level: "region1.example.com.", TTL: 180, Addresses: []form.Address{addr(one)}},
			{Level: "example.com.", TTL: 180, Addresses: []form.Address{addr(other), addr(one), addr(six),
				addr(six + ":1")}},
		},
		Ports: []form.Port{{Name: "http", Protocol: "tcp", Port: 80}, {Name: "metrics", Protocol: "tcp", Port: 9090}}}
	for z := range zones {
		s.Levels = append(s.Levels, form.Level{Level: core.FQDN(fmt.Sprintf("zone%d.example.com.", z+1)), TTL: 180,
			Up: "region1.example.com."})
	}
	return s
}
