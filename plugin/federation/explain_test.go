package federation

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"
	"pgregory.net/rapid"

	core "github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	syncerconfig "github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/explain"
	form "github.com/federation-dns/federation/federation/mirror"
	"github.com/federation-dns/federation/federation/mirror/content"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider/hostrecords"
	"github.com/federation-dns/federation/federation/snapshot"
)

// explainWorld is a federation with one service, whose records are as the rule makes them of what the members had, and
// as the syncer's status shows it.
type explainWorld struct {
	fed     core.Federation
	members []core.Member
	shards  map[string]*snapshot.Shard
	sets    []core.RRset
	status  admin.Status
	// answer is what mirrors are told, and mirrors how each member's is; without a provider nothing else is told.
	answer     *policy.Answer
	mirrors    map[string]mirrorState
	noProvider bool
}

// mirrorState is how the mirror of a member is.
type mirrorState int

const (
	mirrorNone mirrorState = iota
	mirrorStale
	mirrorFresh
)

const explainedService = "nginx.mynamespace"

// drawExplainWorld draws the labels of regions and topology zones from one set, so that they collide. What a shard is
// to the rule is drawn apart from what its member shows: changes are under way, or held.
func drawExplainWorld(t *rapid.T) *explainWorld {
	label := rapid.SampledFrom([]core.Label{"", "a", "b", "c", "d"})
	w := &explainWorld{shards: map[string]*snapshot.Shard{}, mirrors: map[string]mirrorState{}, fed: core.Federation{
		Name: "myfed", Domain: "example.com.",
		Naming: rapid.SampledFrom([]core.Naming{core.Flat, core.Nested}).Draw(t, "naming"),
	}}
	opt := core.PublishOptions{
		MaxAddresses:    rapid.IntRange(0, 4).Draw(t, "max"),
		ShardLevelsOnly: rapid.Bool().Draw(t, "levels: shards"),
		Foreign:         map[core.FQDN]bool{},
	}
	if rapid.Bool().Draw(t, "with fallback") {
		opt.RegionFallback = rapid.MapOfN(label, rapid.SliceOfN(label, 0, 3), 0, 3).Draw(t, "fallback")
	}
	snap := &snapshot.Federation{Views: &snapshot.Views{}, Foreign: map[core.FQDN]string{}}
	view := &snapshot.Service{Name: core.ServiceName{Namespace: "mynamespace", Name: "nginx"}}
	var shards []core.Shard
	for i := range rapid.IntRange(1, 5).Draw(t, "members") {
		m := core.Member{Name: fmt.Sprintf("member-%d", i), Region: label.Draw(t, "region"),
			Zones: rapid.SliceOfNDistinct(rapid.SampledFrom([]core.Label{"a", "b", "c", "d"}), 0, 3, rapid.ID).
				Draw(t, "zones")}
		w.members = append(w.members, m)
		snap.Members = append(snap.Members, &snapshot.Member{Name: m.Name, Topology: m})
		if rapid.IntRange(0, 4).Draw(t, "has shard") > 0 {
			shard := drawExplainShard(t, m.Name, i)
			shards = append(shards, shard)
			s := &snapshot.Shard{Shard: shard, Listed: true, Ready: rapid.IntRange(0, 1).Draw(t, "ready")}
			w.shards[m.Name] = s
			view.Shards = append(view.Shards, *s)
		}
	}
	for _, lv := range core.NewLevels(w.fed, w.members, core.PublishOptions{}).All() {
		if lv.Kind != core.KindGlobal && rapid.IntRange(0, 6).Draw(t, "foreign") == 0 {
			opt.Foreign[lv.Name], snap.Foreign[lv.Name] = true, "is not ours"
		}
	}
	snap.Levels = core.NewLevels(w.fed, w.members, opt)
	snap.Config = syncerconfig.Federation{Federation: w.fed}
	w.sets, _ = snap.Levels.RRsets(view.Name, shards, rapid.Bool().Draw(t, "had"))
	view.Records = w.sets
	snap.Summary = policy.Summary{}
	w.drawMirrors(t, snap, view, shards, opt)
	snap.Views.SetService(view)
	f := snap.Status()
	f.Services = slices.Collect(snap.Services())
	w.status = overWire(t, admin.Status{Federations: []admin.FederationStatus{f}})
	return w
}

// drawMirrors adds mirrors. What they are told is by what the shards are now, at the levels of all members, and the
// records may be those of before.
func (w *explainWorld) drawMirrors(
	t *rapid.T, snap *snapshot.Federation, view *snapshot.Service, shards []core.Shard, opt core.PublishOptions,
) {
	if !rapid.Bool().Draw(t, "with mirrors") {
		return
	}
	if w.noProvider = rapid.IntRange(0, 3).Draw(t, "no provider") == 0; w.noProvider {
		snap.Config.Provider.None = &hostrecords.Config{}
	}
	if rapid.Bool().Draw(t, "records of before") {
		before := slices.Clone(shards)
		for i := range before {
			before[i].Healthy = rapid.Bool().Draw(t, "was healthy")
		}
		w.sets, _ = snap.Levels.RRsets(view.Name, before, rapid.Bool().Draw(t, "had before"))
		view.Records = w.sets
	}
	opt.Foreign = nil
	snap.Mirror = &snapshot.Mirror{Levels: core.NewLevels(w.fed, w.members, opt), Ready: true, Settled: true}
	w.answer = &policy.Answer{Shards: shards}
	w.answer.RRsets, _ = snap.Mirror.Levels.RRsets(view.Name, shards, rapid.Bool().Draw(t, "had an answer"))
	w.answer.Ports, _ = core.CommonPorts(shards)
	view.Answer = w.answer
	for _, m := range w.members {
		switch st := rapid.SampledFrom([]mirrorState{mirrorNone, mirrorStale, mirrorFresh, mirrorFresh}).
			Draw(t, "mirror"); st {
		case mirrorNone:
			snap.Views.SetMirror(m.Name, snapshot.MirrorState{Reason: core.ReasonMirrorRefused})
		default:
			w.mirrors[m.Name] = st
			snap.Views.SetMirror(m.Name, snapshot.MirrorState{Fresh: st == mirrorFresh, Renewed: time.Now()})
		}
	}
}

// mirror lets the plugin of a member read its mirror. One that is not fresh is left out where the records count more.
func (w *explainWorld) mirror(t *testing.T, f *Federation, m core.Member) {
	st := w.mirrors[m.Name]
	if st == mirrorNone || st == mirrorStale && !w.noProvider {
		return
	}
	place := content.NewMember(w.fed, m)
	name := core.ServiceName{Namespace: "mynamespace", Name: "nginx"}
	told, published, ok := place.Tell(name, w.answer, w.sets)
	in := newMirrored()
	if ok {
		in.services = append(in.services, told)
	}
	in.hb.Member, in.hb.Identity, in.hb.Starts = m.Name, form.IdentityOf(w.fed), place.Starts()
	in.hb.NoProvider, in.hb.Buckets[0].Published = w.noProvider, published
	in.into(t, f, st == mirrorFresh)
}

// overWire is the status as a client reads it.
func overWire(t *rapid.T, status admin.Status) (read admin.Status) {
	text, err := json.Marshal(status)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

func drawExplainShard(t *rapid.T, member string, i int) core.Shard {
	s := core.Shard{Member: member, Healthy: rapid.Bool().Draw(t, "healthy"),
		TTL: uint32(rapid.IntRange(0, 400).Draw(t, "ttl"))}
	if rapid.IntRange(0, 5).Draw(t, "anycast") == 0 { // an address that others have too
		s.Addresses = append(s.Addresses, netip.MustParseAddr("198.51.100.1"))
	}
	for j := range rapid.IntRange(0, 3).Draw(t, "IPv4") {
		s.Addresses = append(s.Addresses, netip.AddrFrom4([4]byte{203, 0, 113, byte(16*i + j)}))
	}
	for j := range rapid.IntRange(0, 3).Draw(t, "IPv6") {
		s.Addresses = append(s.Addresses, netip.MustParseAddr(fmt.Sprintf("2001:db8::%x:%x", i+1, j+1)))
	}
	if rapid.Bool().Draw(t, "has the port") {
		s.Ports = core.MakePorts([]core.Port{{Name: "http", Protocol: "tcp", Port: 80}})
	}
	if rapid.IntRange(0, 3).Draw(t, "host") == 0 {
		s.Host = core.FQDN(member + ".example.net.")
		s.Resolved = len(s.Addresses) > 0
	}
	return s
}

// plugin returns the plugin of a pod's node, with the member's own Service, and the federation's records upstream.
func (w *explainWorld) plugin(t *testing.T, m core.Member, zone core.Label) *Federation {
	c := newCluster()
	if s := w.shards[m.Name]; s != nil {
		service := c.service(explainedService, "10.0.0.77", "fd00::77")
		if !s.Resolved {
			for _, a := range s.Addresses {
				service.ExternalIPs = append(service.ExternalIPs, a.String())
			}
		}
		if s.Ready > 0 {
			c.slice(explainedService, "172.0.0.77")
		}
	}
	var lines []string
	published := w.sets
	if w.noProvider {
		published = nil
	}
	for _, set := range published {
		lines = append(lines, strings.Split(strings.TrimSpace(set.String()), "\n")...)
	}
	for i := range w.members { // the load balancers' names
		lines = append(lines, fmt.Sprintf("member-%d.example.net. 60 IN A 192.0.2.%d", i, i+1),
			fmt.Sprintf("member-%d.example.net. 60 IN AAAA 2001:db8:9::%d", i, i+1))
	}
	f := newPlugin(t, c, newRecords(t, lines...), usualKubernetes, fmt.Sprintf(
		"federation {\n myfed example.com\n naming %s\n topology region1\n}", w.fed.Naming))
	f.setTopology(core.Topology{Region: m.Region, Zone: zone})
	w.mirror(t, f, m)
	return f
}

// TestExplain holds V6: what explain predicts from a syncer's status is what the plugin answers a pod.
func TestExplain(t *testing.T) {
	seen := map[string]int{}
	samples, ran := 0, false
	t.Run("V6 the prediction is the plugin's answer", func(t *testing.T) {
		ran = true
		rapid.Check(t, func(rt *rapid.T) {
			w := drawExplainWorld(rt)
			for _, m := range w.members {
				for _, zone := range append([]core.Label{}, m.Zones...) {
					samples += w.compare(t, rt, m, zone, seen)
				}
				if len(m.Zones) == 0 {
					samples += w.compare(t, rt, m, "", seen)
				}
			}
		})
	})
	if !ran {
		return // another clause's tests are asked for
	}
	if t.Logf("%d samples, as predicted: %v", samples, seen); samples < 1000 {
		t.Errorf("only %d samples", samples)
	}
	for _, kind := range []string{"local NOERROR", "records NOERROR", "records NXDOMAIN", "mirror NOERROR",
		"mirror NXDOMAIN"} {
		if seen[kind] == 0 {
			t.Errorf("no sample was %s: %v", kind, seen)
		}
	}
}

// compare asks for the name, and for that of a port, from a node of the member, and returns the number of questions.
func (w *explainWorld) compare(t *testing.T, rt *rapid.T, m core.Member, zone core.Label, seen map[string]int) (n int) {
	f := w.plugin(t, m, zone)
	for _, name := range []string{explainedService + ".myfed", "_http._tcp." + explainedService + ".myfed.svc"} {
		x, err := explain.Explain(&w.status, explain.Question{Name: name, Member: m.Name, Zone: string(zone)})
		if err != nil {
			rt.Fatal(err)
		}
		full := strings.TrimSuffix(name, ".svc") + ".svc.cluster.local."
		for qtype, want := range map[uint16]explain.Answer{dns.TypeA: x.A, dns.TypeAAAA: x.AAAA} {
			checkExplained(rt, ask(t, f, full, qtype), want)
			seen[want.From+" "+want.Rcode]++
			n++
		}
	}
	return n
}

func checkExplained(t *rapid.T, reply *dns.Msg, want explain.Answer) {
	got := explain.Answer{From: explain.FromRecords, Rcode: dns.RcodeToString[reply.Rcode]}
	for _, rr := range reply.Answer {
		if cname, ok := rr.(*dns.CNAME); ok {
			got.CNAMEs = append(got.CNAMEs, cname.Target)
		} else if addr := addressOf(rr); strings.HasSuffix(rr.Header().Name, ".example.net.") {
			got.Host = rr.Header().Name
		} else if addr.IsValid() {
			got.Addresses = append(got.Addresses, addr.String())
		}
	}
	switch {
	case want.From == explain.FromMirror:
		got.From = want.From // its records look the same
	case len(got.CNAMEs) == 0:
		got.From = explain.FromLocal
	}
	if want.From == explain.FromLocal { // its answer is the kubernetes plugin's (Q6)
		got.Addresses, got.Rcode = nil, want.Rcode
	}
	slices.Sort(got.Addresses)
	want.Addresses = slices.Sorted(slices.Values(want.Addresses))
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("-predicted +answered:\n%s\n%s", diff, reply)
	}
}
