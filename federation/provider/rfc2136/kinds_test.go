package rfc2136

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// bad reports whether the request is about a name that begins with "bad".
func bad(r *fakeReply) bool {
	records := append([]dns.RR{}, r.request.Ns...)
	for _, q := range r.request.Question {
		records = append(records, &dns.ANY{Hdr: dns.RR_Header{Name: q.Name}})
	}
	for _, rr := range records {
		if strings.HasPrefix(rr.Header().Name, "bad") {
			return true
		}
	}
	return false
}

// badNames are changes of names, of which one in every is bad.
func badNames(n, every int) (changes []plan.Change) {
	for i := range n {
		label := fmt.Sprintf("s%d", i)
		if i%every == every/2 {
			label = "bad" + label
		}
		changes = append(changes, creation(label, "A", "192.0.2.1"))
	}
	return changes
}

// isBad reports whether the change is of a bad name.
func isBad(c plan.Change) bool { return strings.HasPrefix(string(c.Name), "bad") }

func TestKinds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(*fakeReply) // to a request about a bad name
		apply  error            // its kind
		get    error
		rounds int // that the others may take
	}{
		{"conflict", func(r *fakeReply) { r.send(dns.RcodeNXRrset) }, provider.ErrConflict, provider.ErrConflict, 1},
		{"refused", func(r *fakeReply) { r.send(dns.RcodeRefused) }, provider.ErrRefused, provider.ErrRefused, 1},
		{"refused, FORMERR", func(r *fakeReply) { r.send(dns.RcodeFormatError) }, provider.ErrRefused,
			provider.ErrRefused, 1},
		{"unavailable", func(r *fakeReply) { r.send(dns.RcodeServerFailure) }, provider.ErrUnavailable,
			provider.ErrUnavailable, 1},
		{"unsigned SERVFAIL", func(r *fakeReply) { _ = r.WriteMsg(r.message(dns.RcodeServerFailure)) },
			provider.ErrUnknownOutcome, provider.ErrUnavailable, 1},
		{"unknown outcome", func(r *fakeReply) { r.hangUp() }, provider.ErrUnknownOutcome, provider.ErrUnavailable, 6},
	} {
		handle := func(r *fakeReply) {
			if bad(r) {
				tt.answer(r)
				return
			}
			r.send(dns.RcodeSuccess)
		}
		t.Run("X5a "+tt.name+" at some names costs the others nothing", func(t *testing.T) {
			every := 10
			if tt.rounds > 1 {
				every = 100
			}
			changes := badNames(200, every)
			p := startFake(t, handle).provider(t, nil)
			for round := 1; ; round++ {
				var left []plan.Change
				good := 0
				for i, err := range apply(t, p, changes...) {
					kind := provider.KindOf(err)
					switch {
					case err == nil:
						continue
					case isBad(changes[i]) && !errors.Is(kind, tt.apply) && !errors.Is(kind, provider.ErrNotSent),
						!isBad(changes[i]) && !errors.Is(kind, provider.ErrUnknownOutcome) &&
							!errors.Is(kind, provider.ErrNotSent):
						t.Fatalf("round %d, %q: %v", round, changes[i].Name, err)
					case !isBad(changes[i]):
						good++
					}
					left = append(left, changes[i])
				}
				changes = left
				if good == 0 {
					break
				}
				if round == tt.rounds {
					t.Fatalf("after %d rounds %d good changes are left", round, good)
				}
			}
			if len(changes) != 200/every {
				t.Errorf("%d changes are left, want %d", len(changes), 200/every)
			}
		})
		t.Run("X5a "+tt.name+" at Get", func(t *testing.T) {
			p := startFake(t, handle).provider(t, nil)
			if _, err := p.Get(t.Context(), fqdn("bad")); !errors.Is(provider.KindOf(err), tt.get) {
				t.Errorf("error is %v", err)
			}
			if _, err := p.Get(t.Context(), fqdn("good")); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("X5a not sent: no server", func(t *testing.T) {
		p := (&fake{addr: "127.0.0.1:1"}).provider(t, nil)
		p.compares.Store(false)
		errs := apply(t, p, creation("a", "A", "192.0.2.1"), creation("b", "A", "192.0.2.1"))
		_, getErr := p.Get(t.Context(), fqdn("a"))
		listErr := p.List(t.Context(), testZone, func(federation.RRset) error { return nil })
		for _, err := range append(errs, getErr, listErr) {
			if !errors.Is(provider.KindOf(err), provider.ErrNotSent) {
				t.Errorf("error is %v", err)
			}
		}
	})
	t.Run("X5a not sent: what comes after a failure of the server", func(t *testing.T) {
		f := startFake(t, func(r *fakeReply) { r.send(dns.RcodeServerFailure) })
		p := f.provider(t, func(c *Config) { c.MaxBatch = 1 })
		changes := badNames(50, 10)
		unavailable, unsent := 0, 0
		for i, err := range apply(t, p, changes...) {
			switch kind := provider.KindOf(err); {
			case errors.Is(kind, provider.ErrUnavailable):
				unavailable++
			case errors.Is(kind, provider.ErrNotSent):
				unsent++
			default:
				t.Errorf("change %d: %v", i, err)
			}
		}
		if unavailable != maxFailures || unsent != len(changes)-maxFailures {
			t.Errorf("%d unavailable, %d not sent", unavailable, unsent)
		}
		if got := len(f.requests()); got != maxFailures+1 {
			t.Errorf("%d requests, want %d and an update without changes", got, maxFailures)
		}
	})
	t.Run("X5a what has failed comes last the next time", func(t *testing.T) {
		f := startFake(t, func(r *fakeReply) {
			if bad(r) {
				r.send(dns.RcodeServerFailure)
				return
			}
			r.send(dns.RcodeSuccess)
		})
		p := f.provider(t, func(c *Config) { c.MaxBatch = 1 })
		var changes []plan.Change
		for i := range maxInARow + 3 {
			changes = append(changes, creation(fmt.Sprint("bad", i), "A", "192.0.2.1"))
		}
		changes = append(changes, creation("good", "A", "192.0.2.1"))
		good := len(changes) - 1
		if err := apply(t, p, changes...)[good]; !errors.Is(provider.KindOf(err), provider.ErrNotSent) {
			t.Errorf("first: %v, want it not sent: the test shows nothing", err)
		}
		if err := apply(t, p, changes...)[good]; err != nil {
			t.Errorf("second: %v", err)
		}
	})
	t.Run("X5a a transfer that ends early", func(t *testing.T) {
		for name, answer := range map[string]func(*fakeReply){
			"SERVFAIL": func(r *fakeReply) { r.send(dns.RcodeServerFailure) },
			"no reply": func(r *fakeReply) { r.hangUp() },
			"no SOA":   func(r *fakeReply) { r.send(dns.RcodeSuccess, rr(t, rrA1)) },
		} {
			p := startFake(t, answer).provider(t, nil)
			err := p.List(t.Context(), testZone, func(federation.RRset) error { return nil })
			if !errors.Is(provider.KindOf(err), provider.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestComparing(t *testing.T) {
	apexNS := func(r *fakeReply) bool {
		for _, rr := range r.request.Answer {
			if rr.Header().Rrtype == dns.TypeNS {
				return true
			}
		}
		return false
	}
	for name, handle := range map[string]func(*fakeReply){
		"any prerequisite": func(r *fakeReply) { r.send(dns.RcodeSuccess) },
		"values": func(r *fakeReply) {
			if r.isUpdate() && !r.updates() && !apexNS(r) {
				r.send(dns.RcodeYXRrset)
				return
			}
			r.send(dns.RcodeSuccess)
		},
	} {
		t.Run("O3a a server that does not compare "+name+" is named and left alone", func(t *testing.T) {
			f := startFake(t, handle)
			p := f.provider(t, nil)
			p.compares.Store(false)
			for range 2 {
				err := apply(t, p, creation("nginx", "A", "192.0.2.1"))[0]
				if !errors.Is(provider.KindOf(err), provider.ErrRefused) ||
					!strings.Contains(err.Error(), "does not compare") || !strings.Contains(err.Error(), f.addr) {
					t.Errorf("error is %v", err)
				}
			}
			for _, m := range f.requests() {
				if len(m.Ns) > 0 {
					t.Errorf("it was sent %v", m)
				}
			}
		})
	}
	t.Run("O3a a server that compares is asked once", func(t *testing.T) {
		f := startFake(t, func(r *fakeReply) {
			if r.updates() {
				r.send(dns.RcodeSuccess)
				return
			}
			r.send(dns.RcodeNXRrset)
		})
		p := f.provider(t, nil)
		p.compares.Store(false)
		for range 3 {
			if err := apply(t, p, creation("nginx", "A", "192.0.2.1"))[0]; err != nil {
				t.Error(err)
			}
		}
		if got := len(f.requests()); got != 5 {
			t.Errorf("%d requests, want 5", got)
		}
	})
	t.Run("O3a a server that could not be asked is asked again", func(t *testing.T) {
		down := true
		f := startFake(t, func(r *fakeReply) {
			switch {
			case down:
				r.send(dns.RcodeServerFailure)
			case r.updates():
				r.send(dns.RcodeSuccess)
			default:
				r.send(dns.RcodeYXRrset)
			}
		})
		p := f.provider(t, nil)
		p.compares.Store(false)
		if err := apply(t, p, creation("nginx", "A", "192.0.2.1"))[0]; !errors.Is(provider.KindOf(err),
			provider.ErrNotSent) {
			t.Errorf("error is %v", err)
		}
		down = false
		if err := apply(t, p, creation("nginx", "A", "192.0.2.1"))[0]; err != nil {
			t.Error(err)
		}
	})
}

func TestRefusalOfAll(t *testing.T) {
	t.Run("X7 a refused key costs two messages, and every change is refused", func(t *testing.T) {
		f := startFake(t, func(r *fakeReply) { r.send(dns.RcodeRefused) })
		changes := badNames(100, 10)
		for i, err := range apply(t, f.provider(t, func(c *Config) { c.Timeout = time.Second }), changes...) {
			if !errors.Is(err, provider.ErrRefused) {
				t.Errorf("change %d: %v", i, err)
			}
		}
		if got := len(f.requests()); got != 2 {
			t.Errorf("%d requests", got)
		}
	})
}
