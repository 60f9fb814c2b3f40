package reconcile

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/member"
)

// balancer is a shard behind a load balancer with a host name, as the member shows it while the name is resolved, while
// nothing is known of it, and when that has lasted too long.
type balancer struct {
	member string
	host   string
	addr   netip.Addr
}

func (b balancer) resolved() *member.Shard {
	return &member.Shard{
		Shard: federation.Shard{Member: b.member, Healthy: true, Host: federation.FQDN(b.host),
			Addresses: []netip.Addr{b.addr}, Resolved: true},
		ReadyEndpoints: 1, Known: []string{b.addr.String(), b.host},
	}
}

func (b balancer) unheard() *member.Shard {
	s := b.lapsed()
	s.Known, s.Unresolved = nil, []string{b.host}
	return s
}

func (b balancer) lapsed() *member.Shard {
	return &member.Shard{
		Shard: federation.Shard{Member: b.member}, ReadyEndpoints: 1, Reason: federation.ReasonHostUnresolved,
		Known: []string{b.host},
		Problems: []federation.Problem{{Member: b.member, Reason: federation.ReasonHostUnresolved,
			Detail: "no answer in time"}},
	}
}

func TestUnresolved(t *testing.T) {
	lb := balancer{"a", "lb.example.net.", netip.MustParseAddr("203.0.113.77")}
	// balanced is a world of three members of which a has a load balancer with a host name.
	balanced := func(t *testing.T) *world {
		w := newWorld(t, "a east east-1", "b west west-1", "c west west-2")
		w.set("b", web, true)
		w.members["a"].change(web, lb.resolved())
		w.start()
		w.after(10 * time.Second)
		w.wantAt("web.shop.fed.svc.east.example.com.", lb.host)
		w.wantAt(global, "203.0.113.2 203.0.113.77")
		return w
	}
	bubble(t, "H4 X1b after a start what the records have of an unresolved shard stays", func(t *testing.T) {
		w := balanced(t)
		before := w.records()
		w.kill()
		w.members["a"].change(web, lb.unheard())
		w.start()
		w.after(9 * time.Minute)
		w.want(before...)
		if got := heldReasons(w.status()); !slices.Equal(got, []string{"a LastAnswerKept"}) {
			t.Errorf("held: %v", got)
		}
		w.members["a"].change(web, lb.lapsed())
		w.after(5 * time.Second)
		w.wantAt("web.shop.fed.svc.east.example.com.", global)
		w.wantAt(global, "203.0.113.2")
		w.members["a"].change(web, lb.resolved())
		w.after(5 * time.Second)
		w.want(before...)
	})
	for _, c := range []struct {
		when     string
		down     bool          // it moves while the syncer is down
		lag, lap time.Duration // of the records, and of the member's list
	}{
		{"while the syncer runs", false, 0, 0},
		{"while the syncer is down, and is listed before the records", true, 2 * time.Second, 0},
		{"while the syncer is down, and is listed after the records", true, 0, 2 * time.Second},
	} {
		bubble(t, "H4 X1b a member that moves "+c.when+" takes along what the records had", func(t *testing.T) {
			w := balanced(t)
			w.unset("b", web)
			w.after(10 * time.Second)
			w.kill()
			w.members["a"].change(web, lb.unheard())
			w.listLag.Store(int64(c.lag))
			w.members["a"].lag = c.lap
			if c.down {
				w.members["a"].place = federation.Member{Name: "a", Region: "south",
					Zones: []federation.Label{"south-1"}}
			}
			w.start()
			w.after(10 * time.Second)
			if !c.down {
				w.moved("a", "south", "south-1")
			}
			w.after(5 * time.Minute)
			w.wantAt("web.shop.fed.svc.south-1.example.com.", lb.host)
			w.wantAt(global, lb.host)
		})
	}
	bubble(t, "H4 X1b nothing changes while members with host names alone start", func(t *testing.T) {
		w := newWorld(t, "a east east-1", "b east east-2", "c west west-1")
		for i, m := range []string{"a", "b", "c"} {
			w.members[m].change(web, balancer{m, fmt.Sprintf("lb-%s.example.net.", m),
				netip.AddrFrom4([4]byte{203, 0, 113, byte(70 + i)})}.resolved())
		}
		w.start()
		w.after(10 * time.Second)
		w.wantAt("web.shop.fed.svc.east.example.com.", "203.0.113.70 203.0.113.71")
		w.wantAt(global, "203.0.113.70 203.0.113.71 203.0.113.72")
		before, changes := w.records(), w.provider.Requests().Changes
		w.kill()
		for i, m := range []string{"a", "b", "c"} {
			w.members[m].lag = time.Duration(i+1) * 10 * time.Second
		}
		w.start()
		w.after(time.Minute)
		w.want(before...)
		if n := w.provider.Requests().Changes - changes; n > 1 {
			t.Errorf("%d changes besides that of the claim", n-1)
		}
	})
	bubble(t, "H4 X1b an address that a listed member has is not the unresolved shard's", func(t *testing.T) {
		w := balanced(t)
		w.kill()
		w.members["a"].change(web, lb.unheard())
		moved := balancer{"b", "lb.example.net.", lb.addr}.resolved()
		moved.Host = ""
		w.members["b"].change(web, moved)
		w.start()
		w.after(5 * time.Second)
		w.wantAt(global, "203.0.113.77")
		w.wantAt("web.shop.fed.svc.west.example.com.", "203.0.113.77")
	})
	bubble(t, "H4 a member that is watched anew while its DNS is away keeps what it had", func(t *testing.T) {
		w := balanced(t)
		before := w.records()
		m := w.members["a"]
		m.mu.Lock()
		m.shards[web] = *lb.unheard() // the next list has it
		m.mu.Unlock()
		m.relist()
		w.after(time.Minute)
		w.want(before...)
		m.change(web, lb.lapsed())
		w.after(5 * time.Second)
		w.wantAt(global, "203.0.113.2")
	})
	bubble(t, "H4 another host name has nothing of the one before", func(t *testing.T) {
		w := balanced(t)
		other := balancer{"a", "other.example.net.", netip.MustParseAddr("203.0.113.78")}
		w.members["a"].change(web, other.unheard())
		w.after(5 * time.Second)
		w.wantAt(global, "203.0.113.2")
		w.members["a"].change(web, other.resolved())
		w.after(5 * time.Second)
		w.wantAt(global, "203.0.113.2 203.0.113.78")
	})
	bubble(t, "H5 without a ready endpoint it is not kept", func(t *testing.T) {
		w := balanced(t)
		w.kill()
		idle := lb.lapsed()
		idle.ReadyEndpoints, idle.Reason = 0, federation.ReasonNoReadyEndpoints
		w.members["a"].change(web, idle)
		w.start()
		w.after(5 * time.Second)
		w.wantAt(global, "203.0.113.2")
	})
	bubble(t, "X4c host names that do not resolve any more are no single Services: "+
		"they wait for confirm", func(t *testing.T) {
		w := newWorld(t, "a east east-1")
		var services []federation.ServiceName
		for i := range 20 {
			svc := federation.ServiceName{Namespace: "shop", Name: fmt.Sprintf("web-%02d", i)}
			services = append(services, svc)
			w.members["a"].change(svc, lb.resolved())
		}
		w.start()
		w.after(10 * time.Second)
		for _, svc := range services {
			w.members["a"].change(svc, lb.lapsed())
		}
		w.after(time.Hour)
		w.wantAt("web-07.shop.fed.svc.example.com.", lb.host)
		if n := len(w.waits()); n != 20 {
			t.Errorf("%d wait", n)
		}
	})
}
