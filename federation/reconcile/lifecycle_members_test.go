package reconcile

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/member"
)

// configured makes these the members of the configuration; a running syncer takes them over in place, and lists those
// that are new.
func (w *world) configured(names ...string) {
	w.t.Helper()
	next := *w.config
	next.Clusters = nil
	before := map[string]bool{}
	for _, c := range w.config.Clusters {
		before[c.Member.Name] = true
	}
	for _, n := range names {
		next.Clusters = append(next.Clusters, config.Cluster{Member: member.Config{Name: n}})
	}
	w.config = &next
	if w.loop == nil {
		return
	}
	w.loop.call(w.t.Context(), func() { w.loop.configure(&next, next.Federations[0]) })
	for _, n := range names {
		if !before[n] {
			w.members[n].relist()
		}
	}
}

// shows gives a member a healthy shard with these addresses.
func (w *world) shows(name string, svc federation.ServiceName, addresses ...string) {
	shard := member.Shard{Shard: federation.Shard{Member: name, Healthy: true}}
	for _, a := range addresses {
		shard.Addresses = append(shard.Addresses, netip.MustParseAddr(a))
		shard.Known = append(shard.Known, a)
	}
	w.members[name].change(svc, &shard)
}

var randomField = regexp.MustCompile(`"generation=\d+" | "instance=\w+"`)

// marks are the claims and the list of levels, a line each, sorted: without what is the same in all of them.
func (w *world) marks() (lines []string) {
	w.t.Helper()
	f := w.config.Federations[0].Federation
	former := federation.RRset{Name: f.LevelsName(), Type: federation.TypeTXT}
	listed := former
	for _, set := range w.provider.RRsets() {
		if set.Type != federation.TypeTXT {
			continue
		}
		if set.Name == f.LevelsName() {
			former.Data = set.Data
		} else if _, _, ok := f.ParseListingName(set.Name); ok {
			l, err := f.ParseListing([]federation.RRset{set})
			if err != nil {
				w.t.Fatal(err)
			}
			listed.Data = append(listed.Data, f.LevelsRRset([]federation.LevelEntry{l.LevelEntry}).Data...)
		} else {
			lines = append(lines, mark(set.Name, set.Data[0]))
		}
	}
	slices.Sort(listed.Data)
	if !listed.SameData(former) {
		w.t.Errorf("the list %q, and that of earlier releases %q", listed.Data, former.Data)
	}
	for _, data := range listed.Data {
		lines = append(lines, mark(listed.Name, data))
	}
	slices.Sort(lines)
	return lines
}

func mark(name federation.FQDN, data string) string {
	data = randomField.ReplaceAllString(data, "")
	for _, same := range []string{
		`"heritage=federation-dns" "version=1" `, `"owner=us" `, `"federation=fed" "naming=flat"`, `"`,
		"." + string(domain),
	} {
		data = strings.ReplaceAll(data, same, "")
	}
	return strings.Join(append([]string{strings.TrimSuffix(string(name), "."+string(domain))}, strings.Fields(data)...),
		" ")
}

// wantMarks compares the claims and the list of levels.
func (w *world) wantMarks(lines ...string) {
	w.t.Helper()
	if d := cmp.Diff(slices.Sorted(slices.Values(lines)), w.marks()); d != "" {
		w.t.Fatalf("claims and levels (-want +got):\n%s\nlog:\n%s", d, w.log)
	}
}

// The records and marks of three() without a.
var (
	withoutAltogether = []string{
		"web.shop.fed.svc A 203.0.113.2 203.0.113.3",
		"web.shop.fed.svc.west A 203.0.113.2 203.0.113.3",
		"web.shop.fed.svc.west-1 A 203.0.113.2",
		"web.shop.fed.svc.west-2 A 203.0.113.3",
	}
	marksWithoutA = []string{
		"_claim.fed.svc", "_claim.fed.svc.west", "_claim.fed.svc.west-1", "_claim.fed.svc.west-2",
		"_levels.fed.svc level=example.com. kind=global m=b,c",
		"_levels.fed.svc level=west kind=region region=west m=b,c",
		"_levels.fed.svc level=west-1 kind=topology-zone region=west zone=west-1 m=b",
		"_levels.fed.svc level=west-2 kind=topology-zone region=west zone=west-2 m=c",
	}
	marksOfAll = []string{
		"_claim.fed.svc", "_claim.fed.svc.east", "_claim.fed.svc.east-1", "_claim.fed.svc.west",
		"_claim.fed.svc.west-1", "_claim.fed.svc.west-2",
		"_levels.fed.svc level=east kind=region region=east m=a",
		"_levels.fed.svc level=east-1 kind=topology-zone region=east zone=east-1 m=a",
		"_levels.fed.svc level=example.com. kind=global m=a,b,c",
		"_levels.fed.svc level=west kind=region region=west m=b,c",
		"_levels.fed.svc level=west-1 kind=topology-zone region=west zone=west-1 m=b",
		"_levels.fed.svc level=west-2 kind=topology-zone region=west zone=west-2 m=c",
	}
)

// TestLifecycle has members that come, go and change, each while the syncer runs, while it is stopped, and while it is
// dead. What is left is the same.
func TestLifecycle(t *testing.T) {
	for _, c := range []struct {
		name    string
		begin   func(*world) // before the first start
		change  func(*world)
		records []string
		marks   []string
	}{
		{
			name: "P4 a member leaves", change: func(w *world) { w.configured("b", "c") },
			records: withoutAltogether, marks: marksWithoutA,
		},
		{
			name:    "O1b a member joins",
			begin:   func(w *world) { w.configured("b", "c") },
			change:  func(w *world) { w.configured("a", "b", "c") },
			records: allHealthy, marks: marksOfAll,
		},
		{
			name: "P4 one of two members of a region leaves", change: func(w *world) { w.configured("a", "b") },
			records: []string{
				"web.shop.fed.svc A 203.0.113.1 203.0.113.2", "web.shop.fed.svc.east A 203.0.113.1",
				"web.shop.fed.svc.east-1 A 203.0.113.1",
				"web.shop.fed.svc.west A 203.0.113.2", "web.shop.fed.svc.west-1 A 203.0.113.2",
			},
			marks: []string{
				"_claim.fed.svc", "_claim.fed.svc.east", "_claim.fed.svc.east-1", "_claim.fed.svc.west",
				"_claim.fed.svc.west-1",
				"_levels.fed.svc level=east kind=region region=east m=a",
				"_levels.fed.svc level=east-1 kind=topology-zone region=east zone=east-1 m=a",
				"_levels.fed.svc level=example.com. kind=global m=a,b",
				"_levels.fed.svc level=west kind=region region=west m=b",
				"_levels.fed.svc level=west-1 kind=topology-zone region=west zone=west-1 m=b",
			},
		},
		{
			name:   "P4 the only member with a shard leaves",
			begin:  func(w *world) { w.unset("b", web); w.unset("c", web) },
			change: func(w *world) { w.configured("b", "c") }, records: nil, marks: marksWithoutA,
		},
		{
			name:    "P4 all members leave",
			change:  func(w *world) { w.configured() },
			records: nil, marks: []string{"_claim.fed.svc", "_levels.fed.svc level=example.com. kind=global"},
		},
		{
			name: "X2b a member is another cluster in another place", change: func(w *world) {
				m := w.members["a"]
				m.mu.Lock()
				m.place = federation.Member{Name: "a", Region: "north", Zones: []federation.Label{"north-1"}}
				m.shards = map[federation.ServiceName]member.Shard{{Namespace: "shop", Name: "other"}: {
					Shard: federation.Shard{
						Member: "a", Healthy: true, Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.9")},
					},
					Known: []string{"203.0.113.9"},
				}}
				m.mu.Unlock()
				m.relist()
			},
			records: append([]string{
				"other.shop.fed.svc A 203.0.113.9", "other.shop.fed.svc.north A 203.0.113.9",
				"other.shop.fed.svc.north-1 A 203.0.113.9",
				"other.shop.fed.svc.west CNAME other.shop.fed.svc.example.com.",
				"other.shop.fed.svc.west-1 CNAME other.shop.fed.svc.west.example.com.",
				"other.shop.fed.svc.west-2 CNAME other.shop.fed.svc.west.example.com.",
				"web.shop.fed.svc.north CNAME " + global,
				"web.shop.fed.svc.north-1 CNAME web.shop.fed.svc.north.example.com.",
			}, withoutAltogether...),
			marks: []string{
				"_claim.fed.svc", "_claim.fed.svc.north", "_claim.fed.svc.north-1", "_claim.fed.svc.west",
				"_claim.fed.svc.west-1", "_claim.fed.svc.west-2",
				"_levels.fed.svc level=example.com. kind=global m=a,b,c",
				"_levels.fed.svc level=north kind=region region=north m=a",
				"_levels.fed.svc level=north-1 kind=topology-zone region=north zone=north-1 m=a",
				"_levels.fed.svc level=west kind=region region=west m=b,c",
				"_levels.fed.svc level=west-1 kind=topology-zone region=west zone=west-1 m=b",
				"_levels.fed.svc level=west-2 kind=topology-zone region=west zone=west-2 m=c",
			},
		},
	} {
		for _, end := range []string{"while the syncer runs", "while it is stopped", "while it is dead"} {
			bubble(t, c.name+" "+end, func(t *testing.T) {
				w := three(t)
				if c.begin != nil {
					c.begin(w)
				}
				w.start()
				w.after(10 * time.Second)
				if end == "while the syncer runs" {
					c.change(w)
				} else {
					if end == "while it is stopped" {
						w.term()
					} else {
						w.kill()
					}
					w.loop = nil
					c.change(w)
					w.start()
				}
				w.after(time.Minute) // emptyGrace is 30 s
				w.confirm()          // the departure of members (X4d)
				w.after(time.Minute)
				w.want(c.records...)
				w.wantMarks(c.marks...)
			})
		}
	}
}

// TestFamilies has members with IPv6 only, IPv4 only and both.
func TestFamilies(t *testing.T) {
	six := func(t *testing.T) *world {
		w := newWorld(t, "a east east-1", "b west west-1", "c west west-2")
		w.shows("a", web, "203.0.113.1", "2001:db8::1")
		w.shows("b", web, "2001:db8::2")
		w.shows("c", web, "203.0.113.3")
		w.start()
		w.after(10 * time.Second)
		return w
	}
	all := []string{
		"web.shop.fed.svc A 203.0.113.1 203.0.113.3", "web.shop.fed.svc AAAA 2001:db8::1 2001:db8::2",
		"web.shop.fed.svc.east A 203.0.113.1", "web.shop.fed.svc.east AAAA 2001:db8::1",
		"web.shop.fed.svc.east-1 A 203.0.113.1", "web.shop.fed.svc.east-1 AAAA 2001:db8::1",
		"web.shop.fed.svc.west A 203.0.113.3", "web.shop.fed.svc.west AAAA 2001:db8::2",
		"web.shop.fed.svc.west-1 AAAA 2001:db8::2",
		"web.shop.fed.svc.west-2 A 203.0.113.3",
	}
	bubble(t, "P1 each level has the families of its shards", func(t *testing.T) {
		w := six(t)
		w.want(all...)
	})
	bubble(t, "P1 a level with IPv6 only leads nowhere else for IPv4", func(t *testing.T) {
		w := six(t)
		w.set("c", web, false)
		w.after(2 * time.Second)
		w.wantAt("web.shop.fed.svc.west.example.com.", "2001:db8::2")
		w.wantAt("web.shop.fed.svc.west-2.example.com.", "web.shop.fed.svc.west.example.com.")
		w.shows("c", web, "203.0.113.3")
		w.after(2 * time.Second)
		w.want(all...)
		w.neverEmpty()
	})
	for name, to := range map[string][]string{
		"loses IPv4": {"2001:db8::1"}, "loses IPv6": {"203.0.113.1"},
		"changes from both to others": {"203.0.113.7", "2001:db8::7"},
	} {
		bubble(t, "P6 a shard "+name+", and gets it back", func(t *testing.T) {
			w := six(t)
			w.shows("a", web, to...)
			w.after(2 * time.Second)
			w.wantAt("web.shop.fed.svc.east-1.example.com.", strings.Join(to, " "))
			w.shows("a", web, "203.0.113.1", "2001:db8::1")
			w.after(2 * time.Second)
			w.want(all...)
			w.neverEmpty()
		})
	}
}
