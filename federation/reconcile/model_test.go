package reconcile

import (
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider/inmem"
	"github.com/federation-dns/federation/test/needs"
)

// TestModel plays random scripts on the whole write path: members join, leave and get other labels, their shards come,
// go, change addresses, TTL and readiness, the syncer is killed or stopped and started, replies are lost. At each quiet
// point the zone is what the rule says of the members as they are, claims and list of levels included; and no name was
// mixed on the way, nor empty if it was not to be empty all the while. (Members out of reach and refused changes are
// TestRandom's: then the result depends on time.)
func TestModel(t *testing.T) {
	if checks := flag.Lookup("rapid.checks"); !needs.All() && checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("25"); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = checks.Value.Set(checks.DefValue) }() // it was that
	}
	rapid.Check(t, func(rt *rapid.T) {
		script := rapid.SliceOfN(rapid.Custom(drawStep), 1, 30).Draw(rt, "script")
		wholeZone := rapid.Bool().Draw(rt, "a List reads the whole zone")
		var problem string
		synctest.Test(t, func(t *testing.T) {
			m := newModel(t, wholeZone)
			problem = m.play(append(script, step{Kind: stepQuiet}))
			if problem != "" {
				problem += "\nlog:\n" + m.w.log.String()
			}
		})
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

// step is one step of a script.
type step struct {
	Kind    string
	Member  int
	Service int
	Healthy bool
	V4, V6  int // how many addresses
	TTL     uint32
	Place   int
	Wait    time.Duration // after the step
}

const (
	stepShard   = "shard"    // the member shows this shard
	stepNone    = "no shard" // or none
	stepMove    = "move"     // its Nodes have other labels
	stepJoin    = "join"     // it is in the file
	stepLeave   = "leave"    // or not
	stepKill    = "kill"     // of the syncer, which starts again
	stepRestart = "restart"  // stopped with SIGTERM
	stepLose    = "lose"     // every other reply of the provider
	stepAnswer  = "answer"   // none is lost any more
	stepQuiet   = "quiet"    // nothing happens for long
)

func drawStep(t *rapid.T) step {
	kinds := []string{stepShard, stepShard, stepShard, stepShard, stepNone, stepMove, stepJoin, stepLeave, stepKill,
		stepRestart, stepLose, stepAnswer, stepQuiet}
	return step{
		Kind:    rapid.SampledFrom(kinds).Draw(t, "kind"),
		Member:  rapid.IntRange(0, len(modelMembers)-1).Draw(t, "member"),
		Service: rapid.IntRange(0, len(modelServices)-1).Draw(t, "service"),
		Healthy: rapid.IntRange(0, 3).Draw(t, "healthy") > 0,
		V4:      rapid.SampledFrom([]int{0, 1, 1, 2, 12}).Draw(t, "v4"),
		V6:      rapid.SampledFrom([]int{0, 0, 1, 12}).Draw(t, "v6"),
		TTL:     rapid.SampledFrom([]uint32{0, 0, 60, 300}).Draw(t, "ttl"),
		Place:   rapid.IntRange(0, len(modelPlaces)-1).Draw(t, "place"),
		Wait: rapid.SampledFrom([]time.Duration{0, 10 * time.Millisecond, time.Second, 20 * time.Second}).
			Draw(t, "wait"),
	}
}

var (
	modelMembers  = []string{"a", "b", "c", "d"}
	modelServices = []federation.ServiceName{web, {Namespace: "shop", Name: "other"},
		{Namespace: "billing", Name: "web"}}
	// modelPlaces have N5's conflicts: a topology zone named like its region, like another region, and in two regions.
	modelPlaces = []federation.Member{
		{Region: "east", Zones: []federation.Label{"east-1"}},
		{Region: "east", Zones: []federation.Label{"east-1", "east-2"}},
		{Region: "west", Zones: []federation.Label{"west"}}, {Region: "west", Zones: []federation.Label{"east"}},
		{Region: "north", Zones: []federation.Label{"east-2", "north-1"}}, {Zones: []federation.Label{"lone"}},
		{Region: "south"},
	}
)

// model is the world, and what there should be in it.
type model struct {
	w      *world
	joined map[string]bool
	// restarted: topology zones that the run before knew may still count (H6).
	restarted bool
	// needed are the names that were not to be empty at any time since the last quiet point; nil before the first.
	needed map[federation.FQDN]bool
	looked map[federation.FQDN]int // how much of the history was judged then
}

func newModel(t *testing.T, wholeZone bool) *model {
	m := &model{w: newWorld(t, "a east east-1", "b west west-1", "c west west-2", "d north north-1"),
		joined: map[string]bool{}}
	m.w.wholeZone = wholeZone
	m.w.config.Clusters = nil
	m.join("a")
	m.w.start()
	return m
}

func (m *model) play(script []step) string {
	for i, s := range script {
		m.make(s)
		m.judgeNeeded()
		m.w.after(s.Wait)
		if s.Kind == stepQuiet {
			if problem := m.judge(); problem != "" {
				return fmt.Sprintf("at step %d of %+v:\n%s", i, script, problem)
			}
		}
	}
	return ""
}

func (m *model) make(s step) {
	name, service := modelMembers[s.Member], modelServices[s.Service]
	switch s.Kind {
	case stepShard:
		shard := modelShard(name, s)
		m.w.members[name].change(service, &shard)
	case stepNone:
		m.w.members[name].change(service, nil)
	case stepMove:
		m.w.moved(name, modelPlaces[s.Place].Region, modelPlaces[s.Place].Zones...)
	case stepJoin:
		m.join(name)
		m.reload()
		m.w.members[name].relist()
	case stepLeave:
		if len(m.joined) > 1 {
			m.leave(name)
			m.reload()
		}
	case stepKill:
		m.w.kill()
		m.w.start()
		m.restarted = true
	case stepRestart:
		m.w.term()
		m.w.start()
		m.restarted = true
	case stepLose:
		n := 0
		m.w.provider.SetFaults(inmem.Faults{LoseReply: func(plan.Change) bool { n++; return n%2 == 0 }})
	case stepAnswer:
		m.w.provider.SetFaults(inmem.Faults{})
	case stepQuiet:
		m.w.provider.SetFaults(inmem.Faults{})
		if m.restarted {
			m.w.after(member.LabelKept)
			m.restarted = false
		}
		m.w.after(15 * time.Minute)
		for m.w.confirm() > 0 { // what was not watched waits for it (X4c)
			m.w.after(time.Minute)
		}
	}
}

func modelShard(name string, s step) member.Shard {
	shard := member.Shard{Shard: federation.Shard{Member: name, Healthy: s.Healthy && s.V4+s.V6 > 0, TTL: s.TTL}}
	for i := range s.V4 {
		shard.Addresses = append(shard.Addresses, netip.AddrFrom4([4]byte{203, 0, 113, byte(20*s.Member + i + 1)}))
	}
	for i := range s.V6 {
		shard.Addresses = append(shard.Addresses, netip.MustParseAddr(fmt.Sprintf("2001:db8::%d:%d", s.Member+1, i+1)))
	}
	for _, a := range shard.Addresses {
		shard.Known = append(shard.Known, a.String())
	}
	slices.Sort(shard.Known)
	return shard
}

func (m *model) join(name string) {
	m.leave(name)
	m.joined[name] = true
	m.w.config.Clusters = append(m.w.config.Clusters, config.Cluster{Member: member.Config{Name: name}})
}

func (m *model) leave(name string) {
	delete(m.joined, name)
	m.w.config.Clusters = slices.DeleteFunc(slices.Clone(m.w.config.Clusters),
		func(c config.Cluster) bool { return c.Member.Name == name })
}

func (m *model) reload() {
	m.w.loop.call(m.w.t.Context(), func() { m.w.loop.configure(m.w.config, m.w.config.Federations[0]) })
}

// levels and shards are those of the members that have joined.
func (m *model) levels() *federation.Levels {
	var members []federation.Member
	for name := range m.joined {
		members = append(members, m.w.members[name].place)
	}
	f := m.w.config.Federations[0]
	return federation.NewLevels(f.Federation, members, f.Options)
}

func (m *model) shards(service federation.ServiceName) (shards []federation.Shard) {
	for name := range m.joined {
		if s, ok := m.w.members[name].shards[service]; ok {
			shards = append(shards, s.Shard)
		}
	}
	return shards
}

// judgeNeeded strikes the names that may be empty now.
func (m *model) judgeNeeded() {
	now := map[federation.FQDN]bool{}
	levels := m.levels()
	for _, service := range modelServices {
		sets, _ := levels.RRsets(service, m.shards(service), false)
		for _, set := range sets {
			now[set.Name] = true
		}
	}
	maps.DeleteFunc(m.needed, func(name federation.FQDN, _ bool) bool { return !now[name] })
}

// judge compares the zone with the rule, and the states on the way; "" if all is well.
func (m *model) judge() string {
	f := m.w.config.Federations[0].Federation
	var want []federation.RRset
	levels := m.levels()
	at := map[federation.ServiceName][]federation.RRset{}
	marks := []federation.FQDN{f.ClaimName(f.Domain), f.LevelsName()}
	for _, lv := range levels.All() {
		marks = append(marks, f.ListingName(lv.Name, 1))
		if lv.Kind != federation.KindGlobal {
			marks = append(marks, f.ClaimName(lv.Name))
		}
	}
	var got []federation.RRset
	var gotMarks []federation.FQDN
	for _, set := range m.w.provider.RRsets() {
		if set.Type == federation.TypeTXT {
			gotMarks = append(gotMarks, set.Name)
			continue
		}
		got = append(got, set)
		svc, _, _ := f.ParseOwner(set.Name)
		at[svc] = append(at[svc], set)
	}
	for _, service := range modelServices {
		shards := m.shards(service)
		if len(shards) == 0 {
			continue // and nothing is left of it (P4)
		}
		// P3c: "had" is known by the records that exist.
		sets, _ := levels.RRsets(service, shards, len(at[service]) > 0)
		want = append(want, sets...)
	}
	slices.SortFunc(want, federation.CompareRRsets)
	if d := cmp.Diff(lines(want), lines(got)); d != "" {
		return "records (-rule +got):\n" + d
	}
	slices.Sort(marks)
	slices.Sort(gotMarks)
	if d := cmp.Diff(marks, gotMarks); d != "" {
		return "claims and list of levels (-want +got):\n" + d
	}
	return m.judgeHistory(got)
}

// judgeHistory judges the states since the last quiet point, and begins the next time.
func (m *model) judgeHistory(now []federation.RRset) string {
	looked := map[federation.FQDN]int{}
	for _, name := range m.w.provider.Names() {
		states := m.w.provider.History(name)
		looked[name] = len(states)
		for _, sets := range states[m.looked[name]:] {
			cname := slices.ContainsFunc(sets, func(s federation.RRset) bool { return s.Type == federation.TypeCNAME })
			switch {
			case cname && len(sets) > 1:
				return fmt.Sprintf("%q was mixed: %v", name, sets)
			case len(sets) == 0 && m.needed[name]:
				return fmt.Sprintf("%q was empty: %v", name, states[max(0, m.looked[name]-1):])
			}
		}
	}
	m.looked, m.needed = looked, map[federation.FQDN]bool{}
	for _, set := range now {
		m.needed[set.Name] = true
	}
	m.judgeNeeded()
	return ""
}

func lines(sets []federation.RRset) []string {
	var b strings.Builder
	for _, s := range sets {
		b.WriteString(s.String())
	}
	return strings.Split(b.String(), "\n")
}
