package policy

import (
	"slices"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
)

func TestPace(t *testing.T) {
	var p Pace
	at := epoch
	notBefore := func(rule string, withdraws bool, want time.Time) {
		t.Run(rule, func(t *testing.T) {
			if got := p.NotBefore(at, withdraws); !got.Equal(want) {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
	notBefore("X5c the first change goes at once", false, time.Time{})
	p.Changed(at)
	notBefore("X5c then one a second", false, at.Add(time.Second))
	notBefore("X5c withdrawals are not damped", true, time.Time{})
	for range 9 {
		at = at.Add(time.Second)
		p.Changed(at)
	}
	notBefore("X5c ten changes in a minute: additions every 10 s", false, at.Add(10*time.Second))
	notBefore("X5c withdrawals still at once", true, time.Time{})
	if p.Quiet(at) || !p.Quiet(at.Add(2*time.Minute)) {
		t.Error("a name is quiet a minute after its last change")
	}
	if got := slices.Max([]int{len(p.changes), cap(p.changes)}); got > 2*dampedAfter {
		t.Errorf("%d times are kept", got)
	}
}

func TestWithdraws(t *testing.T) {
	f := federation.Federation{Name: "fed", Domain: "example.com.", Naming: federation.Flat}
	sets := func(typ string, data ...string) []federation.RRset {
		return []federation.RRset{{Name: "web.shop.fed.svc.west.example.com.", Type: typ, TTL: 180, Data: data}}
	}
	up := sets("CNAME", "web.shop.fed.svc.example.com.")
	for _, c := range []struct {
		rule     string
		from, to []federation.RRset
		want     bool
	}{
		{"X5c an address less", sets("A", "192.0.2.1", "192.0.2.2"), sets("A", "192.0.2.2"), true},
		{"X5c an address more", sets("A", "192.0.2.1"), sets("A", "192.0.2.1", "192.0.2.2"), false},
		{"X5c one for another", sets("A", "192.0.2.1"), sets("A", "192.0.2.2"), true},
		{"X5c the last address, for the way up", sets("A", "192.0.2.1"), up, true},
		{"X5c the way up, for an address", up, sets("A", "192.0.2.1"), false},
		{"X5c a load balancer's host name", sets("CNAME", "lb.example.net."), up, true},
		{"X5c a type goes", append(sets("A", "192.0.2.1"), sets("AAAA", "2001:db8::1")...), sets("A", "192.0.2.1"),
			true},
	} {
		t.Run(c.rule, func(t *testing.T) {
			change := plan.Change{Name: "web.shop.fed.svc.west.example.com.", From: c.from, To: c.to}
			if got := Withdraws(f, change); got != c.want {
				t.Errorf("withdraws: %t", got)
			}
		})
	}
}
