package policy

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/test/needs"
)

var exploreDepth = flag.Int("explore.depth", 0, "how much longer the sequences of TestExplore are than in make test")

// TestExplore plays every sequence, up to a length, of what can happen to a small federation, and compares what is
// published with the truth after each step. A sequence that fails is printed.
func TestExplore(t *testing.T) {
	for _, c := range []struct{ members, services, depth int }{
		{1, 1, 5}, {1, 2, 4}, {1, 6, 3}, {2, 1, 4}, {2, 2, 3}, {2, 6, 3}, {3, 1, 3}, {3, 2, 3},
	} {
		t.Run(fmt.Sprintf("P7 X1b X2c X3b X4c %d members, %d services", c.members, c.services), func(t *testing.T) {
			t.Parallel()
			s := newSmallWorld(c.members, c.services)
			s.pass(time.Minute)
			e := explorer{actions: s.actions()}
			depth := c.depth + *exploreDepth
			if !needs.All() {
				depth--
			}
			e.from(s, depth)
			t.Logf("%d sequences", e.played)
			if s.broken() != "" {
				t.Error(s.broken())
			}
			if e.failure != "" {
				t.Error(e.failure)
			}
		})
	}
}

type explorer struct {
	actions []exploreAction
	path    []string
	played  int
	failure string
}

type exploreAction struct {
	name   string
	toggle bool // twice in a row is none
	do     func(*smallWorld)
}

func (e *explorer) from(s *smallWorld, depth int) {
	for _, a := range e.actions {
		if e.failure != "" {
			return
		}
		if a.toggle && len(e.path) > 0 && e.path[len(e.path)-1] == a.name {
			continue
		}
		next := s.clone()
		a.do(next)
		e.path = append(e.path, a.name)
		e.played++
		problem := next.broken()
		if depth > 1 && problem == "" { // longer sequences heal on their way
			healed := next.clone()
			problem = healed.heal()
		}
		if problem != "" {
			e.failure = strings.Join(e.path, ", ") + ": " + problem
		}
		if depth > 1 {
			e.from(next, depth-1)
		}
		e.path = e.path[:len(e.path)-1]
	}
}

// The states of a load balancer's host name.
const (
	hostResolves = iota
	hostFails
	hostDenied
)

const probeEach, hostKept = 5 * time.Second, 10 * time.Minute

// smallMember is one member in truth, and what the syncer knows of it.
type smallMember struct {
	name        string
	up, healthy bool
	loseProbe   bool
	moved       bool
	drained     time.Time
	host        int
	hostSince   time.Time

	listed     bool // its watch has missed nothing
	observed   bool // listed in this run
	shown      bool // healthy
	unresolved time.Time
	losses     Losses
}

// smallService is what the syncer remembers of a service.
type smallService struct {
	name                  federation.ServiceName
	records, beginning    []federation.RRset
	kept                  []*federation.Shard // of members that moved while unresolved
	members               []string
	emptySince, healthyAt time.Time
	next                  time.Time
}

// smallWorld is a federation of a few members, in which each has a shard of every service, and a syncer whose provider
// does at once what it is asked to.
type smallWorld struct {
	now      time.Time
	members  []smallMember
	services []smallService

	levels   *federation.Levels
	standing *Roster
	brake    *Brake
	dirty    bool
	waiting  []Braked // as confirm has shown it last
	problem  string
}

var exploreConfig = func() Config {
	c := config
	c.MaxDeletePercent, c.HoldFor = 30, 5*time.Minute
	return c
}()

func newSmallWorld(members, services int) *smallWorld {
	s := &smallWorld{now: epoch}
	for i := range members {
		s.members = append(s.members, smallMember{name: string(rune('a' + i)), up: true, healthy: true})
	}
	for i := range services {
		s.services = append(s.services,
			smallService{name: federation.ServiceName{Namespace: "shop", Name: fmt.Sprintf("web%d", i)}})
	}
	s.relevel()
	s.start()
	return s
}

func (s *smallWorld) clone() *smallWorld {
	next := *s
	next.members, next.services = slices.Clone(s.members), slices.Clone(s.services)
	for i := range next.members {
		losses := Losses{}
		for k, v := range s.members[i].losses {
			losses[k] = v
		}
		next.members[i].losses = losses
	}
	standing := *s.standing
	standing.members = map[string]*member{}
	for name, mb := range s.standing.members {
		c := *mb
		standing.members[name] = &c
	}
	next.standing = &standing
	brake := *s.brake
	brake.grants = slices.Clone(s.brake.grants)
	brake.services, brake.emptied.members = map[federation.ServiceName]*account{}, map[string]*serviceTally{}
	for name, t := range s.brake.emptied.members {
		c := *t
		brake.emptied.members[name] = &c
	}
	for name, a := range s.brake.services {
		c := *a
		c.wanted, c.granted, c.confirmed = map[federation.FQDN]request{}, map[federation.FQDN]*granted{},
			map[federation.FQDN]bool{}
		for n, w := range a.wanted {
			c.wanted[n] = w
		}
		for n, g := range a.granted {
			one := *g
			c.granted[n] = &one
		}
		for n := range a.confirmed {
			c.confirmed[n] = true
		}
		brake.services[name] = &c
	}
	next.brake = &brake
	return &next
}

func (s *smallWorld) actions() (list []exploreAction) {
	for i := range s.members {
		name := s.members[i].name
		of := func(what string, toggle bool, do func(*smallWorld, *smallMember)) {
			act := func(s *smallWorld) { do(s, &s.members[i]); s.settle() }
			list = append(list, exploreAction{what + " " + name, toggle, act})
		}
		of("link", true, func(_ *smallWorld, m *smallMember) { m.up = !m.up })
		of("shard", true, func(s *smallWorld, m *smallMember) { m.healthy = !m.healthy; s.event(m, true) })
		of("lost probe of", true, func(_ *smallWorld, m *smallMember) { m.loseProbe = true })
		of("drain", true, func(s *smallWorld, m *smallMember) {
			if m.drained.IsZero() {
				m.drained = s.now
			} else {
				m.drained = time.Time{}
			}
			s.dirty = true
		})
		of("host name of", false, func(s *smallWorld, m *smallMember) {
			m.host, m.hostSince = (m.host+1)%3, s.now
			s.event(m, false)
		})
	}
	of := func(what string, do func(*smallWorld)) { list = append(list, exploreAction{what, false, do}) }
	of("a moves", func(s *smallWorld) {
		if s.members[0].up {
			s.members[0].moved = !s.members[0].moved
			s.keep()
			s.relevel()
			s.settle()
		}
	})
	of("restart", func(s *smallWorld) { s.start(); s.settle() })
	of("show what waits", func(s *smallWorld) { s.waiting = s.brake.Waiting() })
	of("confirm what was shown", func(s *smallWorld) { s.confirm() })
	of("5 s", func(s *smallWorld) { s.pass(probeEach) })
	of("50 s", func(s *smallWorld) { s.pass(50 * time.Second) })
	of("6 min", func(s *smallWorld) { s.pass(6 * time.Minute) })
	of("a day", func(s *smallWorld) {
		s.pass(time.Minute)
		s.now = s.now.Add(exploreConfig.HeldMax)
		s.dirty = true
		s.pass(time.Minute)
	})
	return list
}

// truth is whether the member's shards are healthy, whether or not the syncer can see it.
func (s *smallWorld) truth(m *smallMember) bool {
	return m.healthy && m.drained.IsZero() && s.answers(m)
}

// answers reports whether the member shows an address: the last answer of its resolver counts for 10 minutes.
func (s *smallWorld) answers(m *smallMember) bool {
	return m.host == hostResolves || m.host == hostFails && s.now.Sub(m.hostSince) < hostKept
}

// event is a watch event on each of the member's Services, or what its host names have become.
func (s *smallWorld) event(m *smallMember, alone bool) {
	healthy := m.healthy && s.answers(m)
	if !m.up || !m.listed {
		m.listed = false
		return
	}
	s.learned(m)
	if m.shown == healthy {
		return
	}
	m.shown, s.dirty = healthy, true
	for _, svc := range s.services {
		m.losses.Event(svc.name, healthy, alone)
	}
}

// learned ends the time in which the shard of a member is what it was, as the syncer cannot know.
func (s *smallWorld) learned(m *smallMember) {
	if !m.unresolved.IsZero() && (m.host != hostFails || !m.healthy || !s.answers(m)) {
		m.unresolved, s.dirty = time.Time{}, true
	}
}

func (s *smallWorld) list(m *smallMember) {
	first := !m.observed
	m.listed, m.observed, s.dirty = true, true, true
	m.shown = m.healthy && s.answers(m)
	if first {
		m.unresolved = s.now // nothing has been learned of its host name in this run
	}
	s.learned(m)
	for _, svc := range s.services {
		m.losses.Listed(svc.name, m.shown)
	}
	s.standing.List(m.name)
}

// start is a new run of the syncer, which knows what the records show.
func (s *smallWorld) start() {
	s.standing, s.brake, s.waiting = NewRoster(exploreConfig), NewBrake(exploreConfig), nil
	var names []string
	for i := range s.members {
		m := &s.members[i]
		m.listed, m.observed, m.shown, m.unresolved, m.losses = false, false, false, time.Time{}, Losses{}
		s.standing.Add(s.now, m.name, 0)
		names = append(names, m.name)
	}
	if s.services[0].records == nil {
		names = nil
	}
	s.standing.Begin(s.now, names)
	for i := range s.services {
		svc := &s.services[i]
		*svc = smallService{name: svc.name, records: svc.records, beginning: svc.records,
			kept: make([]*federation.Shard, len(s.members))}
		if hasName(svc.records, s.global(svc)) {
			svc.healthyAt = s.now
		}
		for j := range s.members {
			r := s.recordsOf(svc, &s.members[j])
			r.Accounted = func(federation.FQDN, string) bool { return false }
			if _, ok := Recorded(s.levels.Federation(), s.members[j].name, r); ok {
				svc.members = append(svc.members, s.members[j].name)
			}
		}
		s.stands(svc)
	}
	s.dirty = true
	s.probe()
}

func (s *smallWorld) global(svc *smallService) federation.FQDN {
	return s.levels.Federation().OwnerName(svc.name, s.levels.Federation().Domain)
}

func (s *smallWorld) relevel() {
	var members []federation.Member
	for i, m := range s.members {
		place := federation.Member{Name: m.name, Region: federation.Label(fmt.Sprintf("r%d", i)),
			Zones: []federation.Label{federation.Label(fmt.Sprintf("z%d", i))}}
		if m.moved {
			place.Region, place.Zones = place.Region+"x", []federation.Label{place.Zones[0] + "x"}
		}
		members = append(members, place)
	}
	f := federation.Federation{Name: "fed", Domain: "example.com.", Naming: federation.Flat}
	s.levels, s.dirty = federation.NewLevels(f, members, federation.PublishOptions{}), true
}

// keep keeps what the records of the start say of unresolved shards, as the syncer does before a member moves.
func (s *smallWorld) keep() {
	for i := range s.services {
		svc := &s.services[i]
		svc.kept = slices.Clone(svc.kept)
		for j := range s.members {
			m := &s.members[j]
			if m.unresolved.IsZero() {
				svc.kept[j] = nil
			} else if recorded, ok := Recorded(s.levels.Federation(), m.name, s.recordsOf(svc, m)); ok &&
				svc.kept[j] == nil {
				svc.kept[j] = &recorded
			}
		}
	}
}

// pass lets time pass, with probes.
func (s *smallWorld) pass(d time.Duration) {
	for end := s.now.Add(d); s.now.Before(end); {
		s.now = s.now.Add(probeEach)
		s.probe()
		s.settle()
	}
}

func (s *smallWorld) probe() {
	for i := range s.members {
		m := &s.members[i]
		if m.host == hostFails {
			s.event(m, false) // its time may be up
		}
		answered := m.up && !m.loseProbe
		m.loseProbe = false
		if s.standing.Probe(s.now, m.name, answered) {
			m.listed = false
		}
		if m.up && !m.listed {
			s.list(m)
		}
	}
}

// settle judges the members, and plans for the services that it may concern.
func (s *smallWorld) settle() {
	v := s.standing.Step(s.now, true)
	for _, name := range v.Relist {
		for i := range s.members {
			if s.members[i].name == name {
				s.members[i].listed = false
			}
		}
	}
	all := s.dirty || v.Changed
	s.dirty = false
	for i := range s.services {
		if svc := &s.services[i]; all || !svc.next.IsZero() && !s.now.Before(svc.next) {
			s.plan(svc)
		}
	}
}

func (s *smallWorld) plan(svc *smallService) {
	shards := s.shards(svc)
	out := s.brake.Publish(s.now, s.levels, Publishing{
		Service: Service{Shards: shards, AllMembers: s.standing.Summary(), Had: len(svc.records) > 0,
			EmptySince: svc.emptySince, HealthyAt: svc.healthyAt},
		Name: svc.name, Have: svc.records,
		Watched: func() bool {
			for i := range s.members {
				m := &s.members[i]
				if slices.Contains(svc.members, m.name) &&
					(!m.losses[svc.name] || s.standing.Get(m.name).Standing != Present) {
					return false
				}
			}
			return len(svc.members) > 0
		},
		WatchedAt: func(federation.Level) bool { return false },
	})
	svc.emptySince, svc.healthyAt, svc.next = out.EmptySince, out.HealthyAt, out.Next
	if len(out.Waits) > 0 {
		svc.next = earlier(svc.next, s.now.Add(15*time.Second))
	}
	if out.Write {
		s.judgeChange(svc, shards, out.Want)
		svc.records = out.Want
		if healthy := slices.DeleteFunc(slices.Clone(out.Shards),
			func(x federation.Shard) bool { return !x.Healthy }); len(healthy) > 0 {
			svc.members = nil
			for _, x := range healthy {
				svc.members = append(svc.members, x.Member)
			}
		}
		s.stands(svc)
	}
	s.judgeRecords(svc)
}

func (s *smallWorld) stands(svc *smallService) {
	p := Published{
		Address: hasName(svc.records, s.global(svc)), Members: svc.members,
		Has: func(name federation.FQDN) bool { return hasName(svc.records, name) },
	}
	for i, set := range svc.records {
		if i == 0 || svc.records[i-1].Name != set.Name {
			p.Names++
		}
	}
	s.brake.Observe(svc.name, p)
}

// shards are the shards as the syncer knows them.
func (s *smallWorld) shards(svc *smallService) (list []ShardState) {
	for i := range s.members {
		m := &s.members[i]
		st := ShardState{Reach: s.standing.Get(m.name), Drained: m.drained}
		recorded, ok := Recorded(s.levels.Federation(), m.name, s.recordsOf(svc, m))
		if svc.kept[i] != nil {
			recorded, ok = *svc.kept[i], true
		}
		switch {
		case m.observed && m.unresolved.IsZero():
			st.Shard = federation.Shard{Member: m.name, Healthy: m.shown,
				Addresses: shard(m.name, true, Reach{}).Addresses}
			st.Addresses[0] = addressOf(i)
		case ok:
			st.Shard, st.Unresolved = recorded, m.unresolved
		default:
			continue
		}
		list = append(list, st)
	}
	return list
}

func (s *smallWorld) recordsOf(svc *smallService, m *smallMember) Records {
	at, _ := PlacesOf(s.levels.MemberLevels(m.name))
	r := Records{
		Accounted: func(name federation.FQDN, d string) bool {
			for i := range s.members {
				if other := &s.members[i]; other.observed && other != m && d == addressOf(i).String() {
					_, level, _ := s.levels.Federation().ParseOwner(name)
					if lv, ok := s.levels.Level(level); ok && slices.Contains(lv.Members, other.name) {
						return true
					}
				}
			}
			return false
		},
		Elsewhere: func(string) bool { return false },
	}
	for _, set := range svc.beginning {
		for _, lv := range at {
			if set.Name == lv.OwnerName(svc.name) {
				r.At = append(r.At, set)
			}
		}
	}
	return r
}
