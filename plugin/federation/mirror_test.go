package federation

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coredns/coredns/plugin/kubernetes/object"

	"github.com/miekg/dns"

	core "github.com/federation-dns/federation/federation"
	form "github.com/federation-dns/federation/federation/mirror"
	"github.com/federation-dns/federation/test/plugincases"
)

// mirrored is the mirror of the federation myfed in the tests: what the syncer has written into this member, "here".
type mirrored struct {
	hb       form.Heartbeat
	services []form.Service
}

func newMirrored(services ...form.Service) *mirrored {
	return &mirrored{services: services, hb: form.Heartbeat{
		Format: form.Format, Member: "here", Owner: "fed", Generation: 1, Set: "set",
		Identity: form.IdentityOf(core.Federation{Name: "myfed", Domain: "example.com."}),
		Buckets:  []form.BucketState{{Published: true}},
		Starts:   []form.Start{{Region: "region1", Zone: "zone1"}}, StaleUntil: time.Now().Add(time.Hour).UTC(),
	}}
}

// into lets the plugin read it; fresh if the heartbeat is seen to change, too.
func (w *mirrored) into(t testing.TB, f *Federation, fresh bool) {
	t.Helper()
	var lines []string
	for i := range w.services {
		lines = append(lines, w.services[i].Line())
	}
	bucket := form.EncodeBucket(form.Header{Format: form.Format, Identity: w.hb.Identity, Owner: w.hb.Owner,
		Set: w.hb.Set, Count: 1}, lines)
	w.hb.Buckets[0].Hash = form.Hash(bucket)
	w.hb.Snapshot++
	now := time.Now()
	m := f.feds[0].mirror
	err := m.List(now, map[string]map[string]string{
		w.hb.HeartbeatName(): w.hb.Encode(), w.hb.BucketName(0, 1): bucket,
	})
	if err == nil && fresh {
		w.hb.Snapshot++
		err = m.Change(now, w.hb.HeartbeatName(), w.hb.Encode())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// mirroredService is a service of namespace ns. A line says what it has at a level, "." being global: "zone1 up
// region1", "region1 host lb.example.net.", ". 203.0.113.1@there", or "zone1" for nothing. After "@" are the members.
func mirroredService(name string, lines ...string) form.Service {
	level := func(s string) core.FQDN {
		if s == "." {
			return "example.com."
		}
		return core.FQDN(s + ".example.com.")
	}
	s := form.Service{Namespace: "ns", Name: name, Ports: []form.Port{{Name: "http", Protocol: "tcp", Port: 80}}}
	for _, line := range lines {
		words := strings.Fields(line)
		lv := form.Level{Level: level(words[0]), TTL: 180}
		for i, word := range words[1:] {
			data, of, _ := strings.Cut(word, "@")
			members := strings.Split(of, "+")
			switch {
			case words[1] == "up" && i == 1:
				lv.Up = level(data)
			case words[1] == "host" && i == 1:
				lv.Host, lv.Members = core.FQDN(data), members
			case words[1] != "up" && words[1] != "host":
				lv.Addresses = append(lv.Addresses, form.Address{Address: netip.MustParseAddr(data), Members: members})
			}
		}
		s.Levels = append(s.Levels, lv)
	}
	return s
}

// records are the records in the zone of what a service has at its levels.
func recordsOf(s form.Service) (lines []string) {
	name := func(level core.FQDN) string { return s.Name + ".ns.myfed.svc." + string(level) }
	for _, lv := range s.Levels {
		owner := name(lv.Level) + " 180 IN "
		switch {
		case lv.Up != "":
			lines = append(lines, owner+"CNAME "+name(lv.Up))
		case lv.Host != "":
			lines = append(lines, owner+"CNAME "+string(lv.Host))
		}
		for _, a := range lv.Addresses {
			kind := "AAAA "
			if a.Address.Is4() {
				kind = "A "
			}
			lines = append(lines, owner+kind+a.Address.String())
		}
	}
	return lines
}

// askMirrored asks with EDNS, and returns the reply as a text.
func askMirrored(t testing.TB, f *Federation, name string, qtype uint16) string {
	t.Helper()
	r := new(dns.Msg).SetQuestion(name, qtype)
	r.SetEdns0(1232, false)
	m := exchange(t, f, r)
	if err := plugincases.WellFormed(r, m); err != nil {
		t.Errorf("%s: %v", question(r), err)
	}
	for _, rr := range slices.Concat(m.Answer, m.Ns, m.Extra) {
		if h := rr.Header(); h.Rrtype != dns.TypeOPT && h.Ttl > 5 {
			t.Errorf("TTL of %s", rr)
		}
	}
	return strings.ReplaceAll(plugincases.Text(m), "."+"ns.myfed.svc.", ".~.")
}

var mirroredServices = []form.Service{
	mirroredService("far", "zone1 up region1", "region1 up .", ". 203.0.113.1@there 2001:db8::1@there"),
	mirroredService("near", "zone1 203.0.113.2@there", ". 203.0.113.2@there 203.0.113.3@third"),
	mirroredService("late", "zone1", "region1", ". 203.0.113.1@there"),
	mirroredService("own", "zone1 203.0.113.9@here", "region1 203.0.113.9@here 203.0.113.1@there",
		". 203.0.113.9@here 203.0.113.1@there"),
	mirroredService("anycast", "zone1 203.0.113.9@here+there", ". 203.0.113.9@here+there"),
	mirroredService("lonely", "zone1 203.0.113.9@here", "region1 203.0.113.9@here", ". 203.0.113.9@here"),
	mirroredService("lb", "zone1 up .", ". host lb.example.net.@there"),
	mirroredService("ownlb", "zone1 host own.example.net.@here", "region1 up .", ". 203.0.113.1@there"),
	mirroredService("none", "zone1", "region1", "."),
	mirroredService("four", "zone1 203.0.113.2@there", "."),
	mirroredService("short", "zone1 up region1", ". 203.0.113.1@there"),
	{Namespace: "ns", Name: "large", Upstream: true},
}

// TestMirrorFresh: what a fresh mirror says is answered without a lookup.
func TestMirrorFresh(t *testing.T) {
	const z = ".~.cluster.local."
	far := "far" + z + " CNAME far.~.zone1.example.com.; far.~.zone1.example.com. CNAME far.~.region1.example.com.; " +
		"far.~.region1.example.com. CNAME far.~.example.com.; far.~.example.com. "
	for _, tc := range []struct {
		rule, name string
		qtype      uint16
		want       string
		asked      int64
	}{
		{"M5 the whole chain", "far", dns.TypeA, "NOERROR; " + far + "A 203.0.113.1", 0},
		{"M5 of the other family", "far", dns.TypeAAAA, "NOERROR; " + far + "AAAA 2001:db8::1", 0},
		{"M5 of both", "far", dns.TypeANY, "NOERROR; " + far + "A 203.0.113.1; far.~.example.com. AAAA 2001:db8::1", 0},
		{"M5 a type that there is not is NODATA", "far", dns.TypeMX,
			"NOERROR; " + strings.TrimSuffix(far, "; far.~.example.com. ") + "; soa cluster.local.", 0},
		{"M5 the CNAME alone, if it is asked for", "far", dns.TypeCNAME,
			"NOERROR; far" + z + " CNAME far.~.zone1.example.com.", 0},
		{"M5 a topology zone's own", "near", dns.TypeA,
			"NOERROR; near" + z + " CNAME near.~.zone1.example.com.; near.~.zone1.example.com. A 203.0.113.2", 0},
		{"M5 levels without records are skipped", "late", dns.TypeA,
			"NOERROR; late" + z + " CNAME late.~.example.com.; late.~.example.com. A 203.0.113.1", 0},
		{"M5 our own address is left out", "own", dns.TypeA,
			"NOERROR; own" + z + " CNAME own.~.region1.example.com.; own.~.region1.example.com. A 203.0.113.1", 0},
		{"M5 unless it is others' too", "anycast", dns.TypeA,
			"NOERROR; anycast" + z + " CNAME anycast.~.zone1.example.com.; anycast.~.zone1.example.com. A 203.0.113.9",
			0},
		{"M5 or there is nothing else", "lonely", dns.TypeA,
			"NOERROR; lonely" + z + " CNAME lonely.~.zone1.example.com.; lonely.~.zone1.example.com. A 203.0.113.9", 0},
		{"M5 a chain to a host name goes on upstream", "lb", dns.TypeA,
			"NOERROR; lb" + z + " CNAME lb.~.zone1.example.com.; lb.~.zone1.example.com. CNAME lb.~.example.com.; " +
				"lb.~.example.com. CNAME lb.example.net.; lb.example.net. A 203.0.113.7", 1},
		{"M5 our own host name is skipped", "ownlb", dns.TypeA,
			"NOERROR; ownlb" + z + " CNAME ownlb.~.region1.example.com.; " +
				"ownlb.~.region1.example.com. CNAME ownlb.~.example.com.; ownlb.~.example.com. A 203.0.113.1", 1},
		{"M5 a Service without records", "none", dns.TypeA,
			"NXDOMAIN; none" + z + " CNAME none.~.zone1.example.com.; soa cluster.local.", 0},
		{"M5 a Service that the mirror does not have does not exist", "nowhere", dns.TypeA,
			"NXDOMAIN; soa cluster.local.", 0},
		{"M5 whatever the type", "nowhere", dns.TypeCNAME, "NXDOMAIN; soa cluster.local.", 0},
		{"M5 nor do names of the Internet", "www.google", dns.TypeA, "NXDOMAIN; soa cluster.local.", 0},
		{"M5 nor an endpoint's name", "one.far", dns.TypeA, "NXDOMAIN; soa cluster.local.", 0},
		{"M5 a level that it does not have is asked upstream", "short", dns.TypeA,
			"NOERROR; short" + z + " CNAME short.~.zone1.example.com.; short.~.zone1.example.com. A 203.0.113.8", 1},
		{"M5 so is a Service that was too large for it", "large", dns.TypeA,
			"NOERROR; large" + z + " CNAME large.~.zone1.example.com.; large.~.zone1.example.com. A 203.0.113.8", 1},
		{"M9 SRV", "_http._tcp.far", dns.TypeSRV, "NOERROR; _http._tcp.far" + z + " SRV 0 100 80 far" + z +
			"; + far" + z + " A 203.0.113.1; + far" + z + " AAAA 2001:db8::1", 0},
		{"M9 without our own address", "_http._tcp.own", dns.TypeSRV, "NOERROR; _http._tcp.own" + z +
			" SRV 0 100 80 own" + z + "; + own" + z + " A 203.0.113.1", 0},
		{"M9 of a host name", "_http._tcp.lb", dns.TypeSRV,
			"NOERROR; _http._tcp.lb" + z + " SRV 0 100 80 lb" + z, 0},
		{"M9 another type is NODATA", "_http._tcp.far", dns.TypeA, "NOERROR; soa cluster.local.", 0},
		{"M9 a port that there is not", "_dns._tcp.far", dns.TypeSRV, "NXDOMAIN; soa cluster.local.", 0},
		{"M9 or of another protocol", "_http._udp.far", dns.TypeSRV, "NXDOMAIN; soa cluster.local.", 0},
		{"M9 a Service without records has none", "_http._tcp.none", dns.TypeSRV, "NXDOMAIN; soa cluster.local.", 0},
		{"M9 a Service that is not there", "_http._tcp.nowhere", dns.TypeSRV, "NXDOMAIN; soa cluster.local.", 0},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			up := newRecords(t, "lb.example.net. 60 IN A 203.0.113.7", "own.example.net. 60 IN A 203.0.113.9",
				"short.ns.myfed.svc.zone1.example.com. 60 IN A 203.0.113.8",
				"large.ns.myfed.svc.zone1.example.com. 60 IN A 203.0.113.8")
			f := newPlugin(t, newCluster(), up, usualKubernetes, usualFederation)
			newMirrored(mirroredServices...).into(t, f, true)
			if got := askMirrored(t, f, tc.name+".ns.myfed.svc.cluster.local.", tc.qtype); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if n := up.asked.Load(); n != tc.asked {
				t.Errorf("%d lookups, want %d", n, tc.asked)
			}
		})
	}
}

// TestMirrorOptions: what else has a say in it.
func TestMirrorOptions(t *testing.T) {
	const far = "far.ns.myfed.svc.cluster.local."
	up := func() *records { return newRecords(t, "far.ns.myfed.svc.zone1.example.com. 60 IN A 203.0.113.8") }
	t.Run("M5 another topology than those that it is complete for is asked upstream", func(t *testing.T) {
		f := newPlugin(t, newCluster(), up(), usualKubernetes, usualFederation)
		w := newMirrored(mirroredServices...)
		w.hb.Starts = []form.Start{{}}
		w.into(t, f, true)
		if got := askMirrored(t, f, far, dns.TypeA); !strings.HasSuffix(got, "203.0.113.8") {
			t.Error(got)
		}
	})
	t.Run("M5 no_chase answers the CNAME alone", func(t *testing.T) {
		f := newPlugin(t, newCluster(), up(), usualKubernetes,
			"federation {\n myfed example.com\n topology region1 zone1\n no_chase\n}")
		newMirrored(mirroredServices...).into(t, f, true)
		if got, want := askMirrored(t, f, far, dns.TypeA),
			"NOERROR; far.~.cluster.local. CNAME far.~.zone1.example.com."; got != want {
			t.Error(got)
		}
		if got, want := askMirrored(t, f, "nowhere.ns.myfed.svc.cluster.local.", dns.TypeA),
			"NXDOMAIN; soa cluster.local."; got != want {
			t.Error(got)
		}
	})
	t.Run("M5 with mirror off there is none", func(t *testing.T) {
		f := newPlugin(t, newCluster(), up(), usualKubernetes,
			"federation {\n myfed example.com\n topology region1 zone1\n mirror off\n}")
		if f.feds[0].mirror != nil || len(f.sources) != 1 {
			t.Errorf("%d sources", len(f.sources))
		}
		if got := askMirrored(t, f, far, dns.TypeA); !strings.HasSuffix(got, "203.0.113.8") {
			t.Error(got)
		}
	})
	for _, tc := range []struct {
		rule, directive string
		qtype           uint16
		want            string
	}{
		{"M7 without a zone the answer stands under the asked name", "", dns.TypeA,
			"NOERROR; far.~.cluster.local. A 203.0.113.1"},
		{"M7 with no_chase too", "\n no_chase", dns.TypeA, "NOERROR; far.~.cluster.local. A 203.0.113.1"},
		{"M7 so there is no CNAME", "", dns.TypeCNAME, "NOERROR; soa cluster.local."},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			records := up()
			f := newPlugin(t, newCluster(), records, usualKubernetes,
				"federation {\n myfed example.com\n topology region1 zone1"+tc.directive+"\n}")
			w := newMirrored(mirroredServices...)
			w.hb.NoProvider = true
			w.into(t, f, true)
			if got := askMirrored(t, f, far, tc.qtype); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			w.into(t, f, false)
			if got := askMirrored(t, f, far, tc.qtype); got != tc.want {
				t.Errorf("after a list: got  %s\nwant %s", got, tc.want)
			}
			if n := records.asked.Load(); n != 0 {
				t.Errorf("%d lookups", n)
			}
		})
	}
	t.Run("M7 but for that of a load balancer", func(t *testing.T) {
		f := newPlugin(t, newCluster(), newRecords(t, "lb.example.net. 60 IN A 203.0.113.7"), usualKubernetes,
			usualFederation)
		w := newMirrored(mirroredServices...)
		w.hb.NoProvider = true
		w.into(t, f, true)
		for qtype, want := range map[uint16]string{
			dns.TypeA:     "NOERROR; lb.~.cluster.local. CNAME lb.example.net.; lb.example.net. A 203.0.113.7",
			dns.TypeCNAME: "NOERROR; lb.~.cluster.local. CNAME lb.example.net.",
		} {
			if got := askMirrored(t, f, "lb.ns.myfed.svc.cluster.local.", qtype); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
	})
}

// TestMirrorAsAChase: for every service, addresses, rcode and levels are those of a chase of the same records.
func TestMirrorAsAChase(t *testing.T) {
	t.Run("M5 the same answers as from a chase of the same records", func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		pick := func(words ...string) string { return words[rng.IntN(len(words))] }
		member := func() string { return pick("@there", "@there", "@third", "@here", "@here+there") }
		const name = "svc.ns.myfed.svc.cluster.local."
		for range 100 {
			addrs := func() string {
				var out []string
				of := map[string]string{} // an address has the same members everywhere
				for range 1 + rng.IntN(3) {
					ip := pick("203.0.113.1", "203.0.113.2", "203.0.113.3", "2001:db8::1", "203.0.113.9")
					if of[ip] == "" {
						of[ip] = pick("@there", "@there+third")
						out = append(out, ip+of[ip])
					}
				}
				return strings.Join(out, " ")
			}
			end := func() string { return pick("", addrs(), addrs(), "host lb.example.net."+member()) }
			s := mirroredService("svc", "zone1 "+pick(end(), "up region1", "up ."), "region1 "+pick(end(), "up ."),
				". "+end())
			c := newCluster()
			if ip := pick("", "203.0.113.9"); ip != "" { // our own, which is nobody else's
				for i := range s.Levels {
					for j := range s.Levels[i].Addresses {
						if a := &s.Levels[i].Addresses[j]; a.Address.String() == ip {
							a.Members = []string{"here"}
						}
					}
				}
				c.services["svc.ns"] = &object.Service{Name: "svc", Namespace: "ns", Index: "svc.ns",
					ExternalIPs: []string{ip}}
			}
			for i := range s.Levels { // a host name is not ours: the chase cannot know that
				s.Levels[i].Members = nil
			}
			lines := append(recordsOf(s), "lb.example.net. 60 IN A 203.0.113.7")
			f := newPlugin(t, c, newRecords(t, lines...), usualKubernetes, usualFederation)
			for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeTXT, dns.TypeCNAME} {
				want := askMirrored(t, f, name, qtype)
				other := newPlugin(t, c, newRecords(t, "lb.example.net. 60 IN A 203.0.113.7"), usualKubernetes,
					usualFederation)
				newMirrored(s).into(t, other, true)
				got := strings.ReplaceAll(askMirrored(t, other, name, qtype), "soa cluster.local.", "soa example.com.")
				if got != want {
					t.Fatalf("%s of %v\nthe mirror: %s\nthe chase:  %s", dns.TypeToString[qtype], s, got, want)
				}
			}
		}
	})
}

// TestMirrorNotFresh: with a mirror that is not fresh, answers are never worse than without one.
func TestMirrorNotFresh(t *testing.T) {
	const name, zone = "far.ns.myfed.svc.cluster.local.", "far.ns.myfed.svc.zone1.example.com."
	chain := func(ip string) string {
		return "NOERROR; far.~.cluster.local. CNAME far.~.zone1.example.com.; far.~.zone1.example.com. A " + ip
	}
	denied := "NXDOMAIN; far.~.cluster.local. CNAME far.~.zone1.example.com.; soa example.com."
	const mirrorIP, zoneIP, ede = "203.0.113.1", "203.0.113.8", "; ede 3"
	const answers, denies, fails = "answers", "denies", "fails"
	const fresh, stale, none = "fresh", "stale", "none"
	const current, behind, nozone = "current", "behind", "none"
	for _, tc := range []struct {
		mirror, zone, upstream string
		want                   string
	}{
		{fresh, current, answers, chain(mirrorIP)}, {fresh, current, denies, chain(mirrorIP)},
		{fresh, current, fails, chain(mirrorIP)}, {fresh, behind, answers, chain(mirrorIP)},
		{fresh, behind, denies, chain(mirrorIP)}, {fresh, behind, fails, chain(mirrorIP)},
		{fresh, nozone, answers, "NOERROR; far.~.cluster.local. A " + mirrorIP},
		{fresh, nozone, denies, "NOERROR; far.~.cluster.local. A " + mirrorIP},
		{fresh, nozone, fails, "NOERROR; far.~.cluster.local. A " + mirrorIP},

		{stale, current, answers, chain(zoneIP)}, {stale, current, denies, denied},
		{stale, current, fails, chain(mirrorIP) + ede}, {stale, behind, answers, chain(mirrorIP) + ede},
		{stale, behind, denies, chain(mirrorIP) + ede}, {stale, behind, fails, chain(mirrorIP) + ede},
		{stale, nozone, answers, "NOERROR; far.~.cluster.local. A " + mirrorIP + ede},
		{stale, nozone, denies, "NOERROR; far.~.cluster.local. A " + mirrorIP + ede},
		{stale, nozone, fails, "NOERROR; far.~.cluster.local. A " + mirrorIP + ede},

		{none, current, answers, chain(zoneIP)}, {none, current, denies, denied},
		{none, current, fails, "SERVFAIL; ede 22"}, {none, behind, answers, chain(zoneIP)},
		{none, behind, denies, denied}, {none, behind, fails, "SERVFAIL; ede 22"},
	} {
		t.Run(fmt.Sprintf("M6 mirror %s, zone %s, upstream %s", tc.mirror, tc.zone, tc.upstream),
			func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					up := newRecords(t)
					switch tc.upstream {
					case answers:
						up = newRecords(t, zone+" 60 IN A "+zoneIP)
					case fails:
						up.silent[zone] = true
					}
					f := newPlugin(t, newCluster(), up, usualKubernetes, usualFederation)
					w := newMirrored(mirroredService("far", "zone1 "+mirrorIP+"@there", ". "+mirrorIP+"@there"))
					w.hb.Buckets[0].Published, w.hb.NoProvider = tc.zone == current, tc.zone == nozone
					if tc.mirror != none {
						w.into(t, f, tc.mirror == fresh)
					}
					start := time.Now()
					if got := askMirrored(t, f, name, dns.TypeA); got != tc.want {
						t.Errorf("got  %s\nwant %s", got, tc.want)
					}
					if took := time.Since(start); tc.mirror != none && took > staleAfter {
						t.Errorf("it took %v", took)
					}
					time.Sleep(chaseTimeout) // a lookup may go on for as long
				})
			})
	}
	// The rest of the time, and of what the mirror may not know.
	start := func(t *testing.T, up *records) (*Federation, *mirrored) {
		f := newPlugin(t, newCluster(), up, usualKubernetes, usualFederation)
		w := newMirrored(mirroredServices...)
		w.into(t, f, false)
		return f, w
	}
	for _, tc := range []struct {
		rule string
		do   func(t *testing.T)
	}{
		{"M6 once the upstream has failed, the last mirror is answered at once", func(t *testing.T) {
			up := newRecords(t)
			up.silent["near.ns.myfed.svc.zone1.example.com."] = true
			f, _ := start(t, up)
			begin := time.Now()
			for i, want := range []time.Duration{staleAfter, staleAfter, staleAfter} {
				got := askMirrored(t, f, "near.ns.myfed.svc.cluster.local.", dns.TypeA)
				if took := time.Since(begin); took != want || !strings.HasSuffix(got, "A 203.0.113.2; ede 3") {
					t.Errorf("question %d was answered after %v: %s", i, took, got)
				}
			}
			time.Sleep(30 * time.Second) // RFC 8767
			askMirrored(t, f, "near.ns.myfed.svc.cluster.local.", dns.TypeA)
			if took := time.Since(begin); took < 30*time.Second+staleAfter {
				t.Errorf("it is not tried again: %v", took)
			}
			if n := up.asked.Load(); n != 2 {
				t.Errorf("%d lookups", n)
			}
		}},
		{"M6 an answer that comes later counts for the next question", func(t *testing.T) {
			up := &slow{records: newRecords(t, "near.ns.myfed.svc.zone1.example.com. 60 IN A 203.0.113.8")}
			up.wait.Store(int64(time.Second))
			f := newPlugin(t, newCluster(), up, usualKubernetes, usualFederation)
			newMirrored(mirroredServices...).into(t, f, false)
			if got := askMirrored(t, f, "near.ns.myfed.svc.cluster.local.", dns.TypeA); !strings.HasSuffix(got,
				"203.0.113.2; ede 3") {
				t.Error(got)
			}
			time.Sleep(time.Second)
			up.wait.Store(0)
			if got := askMirrored(t, f, "near.ns.myfed.svc.cluster.local.", dns.TypeA); !strings.HasSuffix(got,
				"203.0.113.8") {
				t.Error(got)
			}
		}},
		{"M6 a Service that the last mirror does not have is asked upstream", func(t *testing.T) {
			f, _ := start(t, newRecords(t, "new.ns.myfed.svc.zone1.example.com. 60 IN A 203.0.113.8"))
			if got := askMirrored(t, f, "new.ns.myfed.svc.cluster.local.", dns.TypeA); !strings.HasSuffix(got,
				"203.0.113.8") {
				t.Error(got)
			}
		}},
		{"M6 one without records there, too", func(t *testing.T) {
			up := newRecords(t, "none.ns.myfed.svc.zone1.example.com. 60 IN A 203.0.113.8")
			f, w := start(t, up)
			w.hb.Buckets[0].Published = false
			w.into(t, f, false)
			if got := askMirrored(t, f, "none.ns.myfed.svc.cluster.local.", dns.TypeA); !strings.HasSuffix(got,
				"203.0.113.8") {
				t.Error(got)
			}
		}},
		{"M6 a load balancer's host name goes on upstream", func(t *testing.T) {
			up := newRecords(t, "lb.example.net. 60 IN A 203.0.113.7")
			up.silent["lb.ns.myfed.svc.zone1.example.com."] = true
			f, _ := start(t, up)
			if got := askMirrored(t, f, "lb.ns.myfed.svc.cluster.local.", dns.TypeA); !strings.HasSuffix(got,
				"203.0.113.7; ede 3") {
				t.Error(got)
			}
		}},
		{"M6 and if that fails, the chase goes on for as long as without a mirror", func(t *testing.T) {
			up := &slow{records: newRecords(t, "lb.ns.myfed.svc.zone1.example.com. 60 IN A 203.0.113.8")}
			up.wait.Store(int64(time.Second))
			up.silent["lb.example.net."] = true
			f := newPlugin(t, newCluster(), up, usualKubernetes, usualFederation)
			newMirrored(mirroredServices...).into(t, f, false)
			if got := askMirrored(t, f, "lb.ns.myfed.svc.cluster.local.", dns.TypeA); !strings.HasSuffix(got,
				"203.0.113.8") {
				t.Error(got)
			}
		}},
		{"M6 it is not served after its time", func(t *testing.T) {
			up := newRecords(t)
			up.silent["far.ns.myfed.svc.zone1.example.com."] = true
			f, _ := start(t, up)
			time.Sleep(time.Hour)
			if got := askMirrored(t, f, name, dns.TypeA); got != "SERVFAIL; ede 22" {
				t.Error(got)
			}
		}},
		{"M7 nor without a zone, where nobody else is asked", func(t *testing.T) {
			up := newRecords(t, zone+" 60 IN A 203.0.113.8")
			f, w := start(t, up)
			w.hb.NoProvider = true
			w.into(t, f, false)
			time.Sleep(time.Hour)
			if got := askMirrored(t, f, name, dns.TypeA); got != "SERVFAIL; ede 22" || up.asked.Load() != 0 {
				t.Errorf("%s; %d lookups", got, up.asked.Load())
			}
		}},
		{"M7 without a zone the last mirror's denial is a stale one", func(t *testing.T) {
			f, w := start(t, newRecords(t))
			w.hb.NoProvider = true
			w.into(t, f, false)
			if got := askMirrored(t, f, "nowhere.ns.myfed.svc.cluster.local.", dns.TypeA); got !=
				"NXDOMAIN; soa cluster.local.; ede 19" {
				t.Error(got)
			}
		}},
		{"M9 no zone has ports: the last mirror is answered", func(t *testing.T) {
			f, _ := start(t, newRecords(t))
			if got := askMirrored(t, f, "_http._tcp.near.ns.myfed.svc.cluster.local.", dns.TypeSRV); !strings.HasPrefix(
				got, "NOERROR; _http._tcp.near.~.cluster.local. SRV 0 100 80 near.~.cluster.local.; +") ||
				!strings.HasSuffix(got, "ede 3") {
				t.Error(got)
			}
		}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tc.do(t)
				time.Sleep(chaseTimeout) // a lookup may go on for as long
			})
		})
	}
}
