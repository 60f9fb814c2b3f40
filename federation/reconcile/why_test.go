package reconcile

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/provider/inmem"
)

// whys are the RRsets of web in the status, each with its reason: those that are there, and with a + those that are
// coming.
func (w *world) whys() (lines []string) {
	for _, s := range w.status().Services {
		if s.Name != web.String() {
			continue
		}
		for _, r := range s.Records {
			lines = append(lines, why("", r))
		}
		for _, r := range s.Coming {
			lines = append(lines, why("+ ", r))
		}
	}
	slices.Sort(lines)
	return lines
}

func why(mark string, r admin.RRsetStatus) string {
	name := strings.TrimSuffix(strings.TrimPrefix(r.Name, "web.shop.fed.svc."), ".example.com.")
	if r.Name == global {
		name = "global"
	}
	return strings.TrimSpace(fmt.Sprintf("%s%s %s: %s %s", mark, name, r.Type, r.Reason, strings.Join(r.Members, ",")))
}

func (w *world) wantWhys(lines ...string) {
	w.t.Helper()
	if d := cmp.Diff(slices.Sorted(slices.Values(lines)), w.whys()); d != "" {
		w.t.Fatalf("reasons (-want +got):\n%s\nlog:\n%s", d, w.log)
	}
}

// TestWhy: the status says of each RRset why it is as it is.
func TestWhy(t *testing.T) {
	all := []string{
		"global A: HealthyShards a,b,c", "east A: HealthyShards a", "east-1 A: HealthyShards a",
		"west A: HealthyShards b,c", "west-1 A: HealthyShards b", "west-2 A: HealthyShards c",
	}
	begun := func(t *testing.T) *world {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		w.wantWhys(all...)
		return w
	}
	bubble(t, "P1 P2a healthy shards, and the way up", func(t *testing.T) {
		w := begun(t)
		w.set("b", web, false)
		w.after(time.Second)
		w.wantWhys("global A: HealthyShards a,c", "east A: HealthyShards a", "east-1 A: HealthyShards a",
			"west A: HealthyShards c", "west-1 CNAME: NoHealthyShard", "west-2 A: HealthyShards c")
	})
	bubble(t, "P2b regionFallback", func(t *testing.T) {
		w := three(t)
		w.config.Federations[0].Options.RegionFallback = map[federation.Label][]federation.Label{"east": {"west"}}
		w.start()
		w.after(10 * time.Second)
		w.set("a", web, false)
		w.after(time.Second)
		w.wantWhys("global A: HealthyShards b,c", "east A: RegionFallback b,c", "east-1 CNAME: NoHealthyShard",
			"west A: HealthyShards b,c", "west-1 A: HealthyShards b", "west-2 A: HealthyShards c")
	})
	bubble(t, "N5 a label in conflict", func(t *testing.T) {
		w := newWorld(t, "a east z", "b west z")
		w.set("a", web, true)
		w.start()
		w.after(10 * time.Second)
		w.wantWhys("global A: HealthyShards a", "east A: HealthyShards a", "west CNAME: NoHealthyShard",
			"z CNAME: LabelConflict")
	})
	bubble(t, "H4 a load balancer's host name", func(t *testing.T) {
		w := newWorld(t, "a east east-1")
		w.members["a"].change(web, balancer{"a", "lb.example.net.", netip.MustParseAddr("203.0.113.77")}.resolved())
		w.start()
		w.after(10 * time.Second)
		w.wantWhys("global CNAME: LoadBalancer a", "east CNAME: LoadBalancer a", "east-1 CNAME: LoadBalancer a")
	})
	bubble(t, "X2c held, with the reason of that", func(t *testing.T) {
		w := begun(t)
		w.set("b", web, false)
		w.set("c", web, false)
		w.after(time.Second)
		w.members["a"].cut()
		w.after(time.Minute)
		w.wantWhys("global A: MemberUnreachable a", "east A: MemberUnreachable a", "east-1 A: MemberUnreachable a",
			"west CNAME: NoHealthyShard", "west-1 CNAME: NoHealthyShard", "west-2 CNAME: NoHealthyShard")
	})
	bubble(t, "P3a kept for emptyGrace", func(t *testing.T) {
		w := begun(t)
		for _, m := range []string{"a", "b", "c"} {
			w.set(m, web, false)
		}
		w.after(10 * time.Second)
		for _, line := range w.whys() {
			if !strings.HasSuffix(line, " A: EmptyGrace") {
				t.Errorf("%s", line)
			}
		}
	})
	bubble(t, "X4b kept by the brake", func(t *testing.T) {
		s := newSmall(t, 2)
		s.start()
		s.after(12 * time.Second)
		for _, m := range s.names {
			s.members[m].vanish()
		}
		s.after(2 * time.Minute)
		for _, line := range s.whys() {
			if !strings.HasSuffix(line, " A: TooMuchAtOnce") {
				t.Errorf("%s", line)
			}
		}
		if n := len(s.status().Waiting); n != 2 {
			t.Errorf("%d are said to wait", n)
		}
	})
	bubble(t, "X5a refused", func(t *testing.T) {
		w := begun(t)
		w.provider.SetFaults(inmem.Faults{Refuse: inmem.RefuseName("web.shop.fed.svc.east.example.com.")})
		w.set("a", web, false)
		w.after(time.Second)
		w.wantWhys("global A: HealthyShards b,c", "east A: Refused", "+ east CNAME: Refused",
			"east-1 CNAME: NoHealthyShard",
			"west A: HealthyShards b,c", "west-1 A: HealthyShards b", "west-2 A: HealthyShards c")
	})
	bubble(t, "X5c changes too often", func(t *testing.T) {
		w := begun(t)
		for range 10 {
			w.set("a", web, false)
			w.after(100 * time.Millisecond)
			w.set("a", web, true)
			w.after(1100 * time.Millisecond)
		}
		w.set("a", web, true)
		w.after(2 * time.Second)
		if lines := w.whys(); !slices.Contains(lines, "+ global A: ChangesTooOften a,b,c") ||
			!slices.Contains(lines, "global A: ChangesTooOften") {
			t.Errorf("%v", lines)
		}
	})
	bubble(t, "X5a a change that is being made", func(t *testing.T) {
		w := begun(t)
		w.provider.SetFaults(inmem.Faults{Latency: time.Second})
		w.set("a", web, false)
		w.after(100 * time.Millisecond)
		if lines := w.whys(); !slices.Contains(lines, "+ global A: Changing b,c") ||
			!slices.Contains(lines, "global A: Changing") {
			t.Errorf("%v", lines)
		}
	})
}

// TestStatus holds the status, as JSON, to what issue and documentation name.
func TestStatus(t *testing.T) {
	bubble(t, "X2a members: reachable, last contact, shards", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(12 * time.Second)
		w.members["a"].cut()
		w.after(time.Minute)
		text, err := json.Marshal(w.status())
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			`"name":"a","status":"unreachable","since":"2000-01-01T00:00:55Z",` +
				`"reachable":false,"lastContact":"2000-01-01T00:00:10Z"`,
			`"name":"b","status":"present","since":"2000-01-01T00:00:00Z",` +
				`"reachable":true,"lastContact":"2000-01-01T00:01:10Z"`,
			`"shards":[{"member":"a","healthy":true,`, `"reason":"HealthyShards","members":["b","c"]`,
		} {
			if !strings.Contains(string(text), want) {
				t.Errorf("the status has no %s:\n%s", want, text)
			}
		}
	})
}
