package reconcile

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/mirror"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/inmem"
)

// answer is what mirrors say of a service, a line for each RRset as in records.
func (w *world) answer(name federation.ServiceName) (lines []string) {
	v := w.loop.views.Service(name)
	if v == nil || v.Answer == nil {
		return nil
	}
	for _, set := range v.Answer.RRsets {
		lines = append(lines, fmt.Sprintf("%s %s %s", strings.TrimSuffix(string(set.Name), "."+string(domain)),
			set.Type, strings.Join(set.Data, " ")))
	}
	slices.Sort(lines)
	return lines
}

func (w *world) wantAnswer(want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.answer(web)); diff != "" {
		w.t.Errorf("-want +got:\n%s", diff)
	}
}

// mirrored is three with mirrors.
func mirrored(t *testing.T) *world {
	w := three(t)
	w.mirrors = true
	return w
}

// down lets the provider answer nothing, or makes it answer again.
func (w *world) down(is bool) {
	var f inmem.Faults
	if is {
		f.Fail = func(context.Context, inmem.Op, federation.FQDN) error { return provider.ErrUnavailable }
	}
	w.provider.SetFaults(f)
}

// setPort gives a member a healthy shard with a port.
func (w *world) setPort(name string, svc federation.ServiceName, port uint16) {
	m := w.members[name]
	m.change(svc, &member.Shard{
		Shard: federation.Shard{Member: name, Healthy: true, Addresses: []netip.Addr{m.address},
			Ports: federation.MakePorts([]federation.Port{{Name: "http", Protocol: "tcp", Port: port}})},
		Known: []string{m.address.String()},
	})
}

// wantProblem checks what is reported of the ports of web; "" is nothing.
func (w *world) wantProblem(text string) {
	w.t.Helper()
	got := ""
	for _, p := range w.status().Problems {
		if p.Reason == string(federation.ReasonServicePorts) && p.Service == web.String() {
			got += p.Detail
		}
	}
	if (text == "") != (got == "") || !strings.Contains(got, text) {
		w.t.Errorf("reported: %q, want %q", got, text)
	}
}

func TestAnswers(t *testing.T) {
	bubble(t, "M1 mirrors say what the zone has", func(t *testing.T) {
		w := mirrored(t)
		w.start()
		w.after(time.Second)
		w.wantAnswer(allHealthy...)
		w.set("a", web, false)
		w.after(time.Second)
		w.want(withoutA...)
		w.wantAnswer(withoutA...)
	})
	bubble(t, "M1 and go on while the provider is down", func(t *testing.T) {
		w := mirrored(t)
		w.start()
		w.after(10 * time.Second)
		w.down(true)
		w.set("a", web, false)
		w.after(50 * time.Millisecond)
		w.wantAnswer(withoutA...)
		w.set("a", web, true)
		w.after(50 * time.Millisecond)
		w.wantAnswer(allHealthy...)
		w.set("a", web, false)
		w.after(time.Minute)
		w.wantAnswer(withoutA...)
		w.down(false)
		w.after(time.Minute)
		w.want(withoutA...)
	})
	bubble(t, "M1 emptyGrace holds while the provider is down", func(t *testing.T) {
		w := mirrored(t)
		w.start()
		w.after(10 * time.Second)
		w.down(true)
		for _, m := range []string{"a", "b", "c"} {
			w.set(m, web, false)
		}
		w.after(29 * time.Second)
		w.wantAnswer(allHealthy...)
		w.after(2 * time.Second)
		w.wantAnswer(noneHealthy...)
		w.after(10 * time.Minute) // longer than what was granted is remembered
		w.wantAnswer(noneHealthy...)
		w.down(false)
		w.after(time.Minute)
		w.want(noneHealthy...)
	})
	bubble(t, "X4b too many at once wait in the mirrors too, while the provider is down", func(t *testing.T) {
		w := newWorld(t, "a east east-1", "b west west-1")
		w.mirrors = true
		names := make([]federation.ServiceName, 40)
		for i := range names {
			names[i] = federation.ServiceName{Namespace: "shop", Name: fmt.Sprintf("s%d", i)}
			w.set("a", names[i], true)
		}
		w.set("b", web, true)
		w.start()
		w.after(10 * time.Second)
		w.down(true)
		for _, name := range names {
			w.set("a", name, false)
		}
		w.after(time.Minute)
		empty := 0
		for _, name := range names {
			if !slices.ContainsFunc(w.answer(name), func(s string) bool { return strings.Contains(s, " A ") }) {
				empty++
			}
		}
		if empty > 13 {
			t.Errorf("%d of %d services are empty in the mirrors", empty, len(names))
		}
	})
	bubble(t, "M1 a level that is not ours is in the mirrors", func(t *testing.T) {
		w := mirrored(t)
		w.put(federation.Claim{Owner: "them", Generation: 1, Federation: "fed", Naming: federation.Flat}.RRset(
			"_claim.fed.svc.west.example.com."))
		w.start()
		w.after(time.Second)
		w.wantAnswer(allHealthy...)
	})
	bubble(t, "M1 a new service is in the mirrors though the provider is down", func(t *testing.T) {
		w := mirrored(t)
		w.start()
		w.after(10 * time.Second)
		w.down(true)
		w.after(time.Minute)
		other := federation.ServiceName{Namespace: "shop", Name: "other"}
		w.set("a", other, true)
		w.after(50 * time.Millisecond)
		if got := w.answer(other); len(got) == 0 || !strings.HasSuffix(got[0], "A 203.0.113.1") {
			t.Errorf("%v", got)
		}
		w.unset("a", other)
		w.after(time.Second)
		if got := w.answer(other); len(got) == 0 {
			t.Error("it is gone before emptyGrace is over")
		}
		w.after(time.Minute)
		if got := w.answer(other); len(got) > 0 {
			t.Errorf("%v", got)
		}
	})
	bubble(t, "M9 ports in which shards differ are reported, whether or not the provider answers", func(t *testing.T) {
		w := mirrored(t)
		w.start()
		w.after(10 * time.Second)
		w.down(true)
		w.set("c", web, false)
		w.after(time.Minute)
		if !w.loop.Snapshot().Claim.ProviderDown {
			t.Fatal("the provider is not known to be down")
		}
		w.setPort("a", web, 80)
		w.setPort("b", web, 81)
		w.after(time.Second)
		w.wantProblem("http (tcp) is 80 in a, 81 in b")
		w.down(false)
		w.after(2 * time.Minute)
		w.wantProblem("http (tcp) is 80 in a, 81 in b")
		w.setPort("b", web, 80)
		w.after(time.Second)
		w.wantProblem("")
		ports := []federation.Port{{Name: "http", Protocol: "tcp", Port: 80}}
		if diff := cmp.Diff(ports, w.loop.views.Service(web).Answer.Ports.List()); diff != "" {
			t.Error(diff)
		}
	})
	bubble(t, "M9 without mirrors ports do not matter", func(t *testing.T) {
		w := three(t)
		w.start()
		w.setPort("a", web, 80)
		w.setPort("b", web, 81)
		w.after(time.Second)
		w.wantProblem("")
	})
	bubble(t, "M4 the loop turns for the renewals, and is not settled while answers wait", func(t *testing.T) {
		w := mirrored(t)
		w.start()
		w.after(10 * time.Second)
		before := w.loop.Snapshot().Mirror
		w.after(2 * turnEvery)
		if after := w.loop.Snapshot().Mirror; !before.Ready || !after.Settled || !after.At.After(before.At) {
			t.Errorf("%+v, then %+v", before, after)
		}
	})
	bubble(t, "M1 nothing is ready before all members have been listed or given up", func(t *testing.T) {
		w := mirrored(t)
		w.members["c"].up = false
		w.start()
		w.after(30 * time.Second)
		if w.loop.Snapshot().Mirror.Ready {
			t.Error("ready though c has not been listed")
		}
		w.after(40 * time.Second)
		if !w.loop.Snapshot().Mirror.Ready {
			t.Error("not ready though c has been given up")
		}
	})
	bubble(t, "M3 a deposed loop vouches for nothing", func(t *testing.T) {
		w := mirrored(t)
		w.start()
		w.after(10 * time.Second)
		w.loop.call(t.Context(), func() { w.loop.depose(errors.New("taken")) })
		w.after(time.Second)
		if w.loop.Snapshot().Mirror.Ready {
			t.Error("it is ready")
		}
	})
	bubble(t, "M1 without mirrors there are no answers", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(time.Second)
		if w.answer(web) != nil || w.loop.Snapshot().Mirror != nil {
			t.Errorf("%v", w.answer(web))
		}
	})
}

// says is what the mirror of a member says of web: the address of that member at global, and at the region of a.
func says(now time.Time, name string, addresses ...mirror.Address) *mirror.Contents {
	return &mirror.Contents{
		Heartbeat: &mirror.Heartbeat{Member: name, Owner: "us", StaleUntil: now.Add(24 * time.Hour)},
		Services: []mirror.Service{{Namespace: web.Namespace, Name: web.Name, Levels: []mirror.Level{
			{Level: "east.example.com.", TTL: 180, Up: "example.com."},
			{Level: "example.com.", TTL: 180, Addresses: addresses},
		}}},
	}
}

func of(address, member string) mirror.Address {
	return mirror.Address{Address: netip.MustParseAddr(address), Members: []string{member}}
}

// globally is what mirrors say at the global name.
func (w *world) globally() string {
	for _, line := range w.answer(web) {
		if name, data, ok := strings.Cut(line, " A "); ok && name == strings.TrimSuffix(global, "."+string(domain)) {
			return data
		}
	}
	return ""
}

// startDown starts a syncer whose provider does not answer, and lets the mirrors of members be read.
func (w *world) startDown(mirrors map[string]*mirror.Contents) {
	w.down(true)
	w.start()
	w.after(4 * time.Second)
	if !w.loop.Snapshot().Mirror.Unclaimed {
		w.t.Fatal("the loop does not ask what the mirrors say")
	}
	for name, c := range mirrors {
		w.loop.views.FoundMirror(name, c)
	}
}

func TestStartFromMirrors(t *testing.T) {
	bubble(t, "M1 an address of a member that is not listed stays as the mirrors say", func(t *testing.T) {
		w := mirrored(t)
		w.set("a", web, false)
		w.set("c", web, false)
		w.members["b"].up = false
		w.startDown(map[string]*mirror.Contents{"a": says(time.Now(), "a", of("203.0.113.2", "b")), "c": nil})
		w.after(30 * time.Second)
		if s := w.loop.Snapshot().Mirror; s.Ready {
			t.Error("ready though b has neither been listed nor given up")
		}
		w.after(40 * time.Second)
		if s := w.loop.Snapshot().Mirror; !s.Ready || !s.Settled {
			t.Errorf("not ready though b has been given up: %+v", s)
		}
		if got := w.globally(); got != "203.0.113.2" {
			t.Errorf("mirrors say %q, want the address of b, which is held", got)
		}
		w.set("a", web, true) // that of a member that is there is more than that of one that is not (X2c)
		w.after(time.Second)
		if got := w.globally(); got != "203.0.113.1" {
			t.Errorf("mirrors say %q, want the address of a", got)
		}
		w.down(false)
		w.members["b"].heal()
		w.after(2 * time.Minute)
		if s := w.loop.Snapshot().Mirror; s.Unclaimed || !s.Ready {
			t.Errorf("the provider answers: %+v", s)
		}
		if got := w.at(global); got != "203.0.113.1 203.0.113.2" {
			t.Errorf("the zone has %q", got)
		}
	})
	bubble(t, "M1 with the provider down from the start mirrors follow what members show", func(t *testing.T) {
		w := mirrored(t)
		w.startDown(map[string]*mirror.Contents{"a": says(time.Now(), "a", of("203.0.113.2", "b")), "b": nil, "c": nil})
		w.after(10 * time.Second)
		w.wantAnswer(allHealthy...)
		if s := w.loop.Snapshot().Mirror; !s.Ready {
			t.Error("not ready")
		}
		w.set("a", web, false)
		w.after(time.Second)
		w.wantAnswer(withoutA...)
	})
	bubble(t, "M1 X1c what mirrors said begins emptyGrace anew", func(t *testing.T) {
		w := mirrored(t)
		for _, m := range []string{"a", "b", "c"} {
			w.set(m, web, false)
		}
		w.startDown(map[string]*mirror.Contents{"a": says(time.Now(), "a", of("203.0.113.2", "b")), "b": nil, "c": nil})
		w.after(10 * time.Second)
		if got := w.globally(); got != "203.0.113.2" {
			t.Errorf("within emptyGrace mirrors say %q", got)
		}
		w.after(time.Minute)
		if got := w.globally(); got != "" {
			t.Errorf("after emptyGrace mirrors say %q", got)
		}
	})
	bubble(t, "M1 X4d a member that the mirrors know and the configuration does not is held", func(t *testing.T) {
		w := mirrored(t)
		for _, m := range []string{"a", "b", "c"} {
			w.set(m, web, false)
		}
		gone := says(time.Now(), "a", of("203.0.113.9", "gone"))
		w.startDown(map[string]*mirror.Contents{"a": gone, "b": nil, "c": nil})
		w.after(5 * time.Minute)
		if got := w.globally(); got != "203.0.113.9" {
			t.Errorf("mirrors say %q", got)
		}
	})
	bubble(t, "M1 a mirror that cannot be read is waited for, not for ever", func(t *testing.T) {
		w := mirrored(t)
		w.startDown(map[string]*mirror.Contents{"a": says(time.Now(), "a", of("203.0.113.2", "b"))})
		w.after(3 * time.Second)
		if w.loop.Snapshot().Mirror.Ready {
			t.Error("ready before the wait is over")
		}
		w.after(mirrorsWait)
		if !w.loop.Snapshot().Mirror.Ready {
			t.Error("not ready after it")
		}
	})
	bubble(t, "M3 a loop that knows the claim to be another's goes on from no mirror", func(t *testing.T) {
		w := mirrored(t)
		w.put(federation.Claim{Owner: "them", Generation: 1, Federation: "fed", Naming: federation.Flat}.RRset(
			"_claim.fed.svc.example.com."))
		w.start()
		w.after(10 * time.Second)
		w.down(true)
		w.after(5 * time.Minute)
		if s := w.loop.Snapshot().Mirror; s.Ready || s.Unclaimed {
			t.Errorf("%+v", s)
		}
	})
	bubble(t, "M1 while the provider answers, mirrors say nothing about the records", func(t *testing.T) {
		w := mirrored(t)
		w.start()
		w.loop.views.FoundMirror("a", says(time.Now(), "a", of("203.0.113.9", "c")))
		w.after(10 * time.Second)
		w.want(allHealthy...)
		w.wantAnswer(allHealthy...)
	})
}
