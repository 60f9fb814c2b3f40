package rfc2136

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// strict is a server that refuses a CNAME and another RRset of one name in one message.
type strict struct {
	t      *testing.T
	rcode  int  // that it refuses with; 0 is REFUSED
	ignore bool // the CNAME, silently
	name   []dns.RR
	puts   int // additions of addresses
}

func (s *strict) handle(r *fakeReply) {
	if !r.isUpdate() {
		var answer []dns.RR
		for _, rr := range s.name {
			if rr.Header().Rrtype == r.request.Question[0].Qtype {
				answer = append(answer, rr)
			}
		}
		r.send(dns.RcodeSuccess, answer...)
		return
	}
	if s.ignore && r.asksForCNAME() {
		r.send(dns.RcodeNXRrset)
		return
	}
	added := map[uint16]dns.RR{}
	for _, rr := range r.request.Ns {
		if rr.Header().Class == dns.ClassINET {
			added[rr.Header().Rrtype] = rr
		}
	}
	if len(added) > 1 {
		r.send(cmp.Or(s.rcode, dns.RcodeRefused))
		return
	}
	if len(r.request.Ns) > 0 {
		s.name = nil
	}
	for rrtype, rr := range added {
		if rrtype == dns.TypeCNAME && s.ignore {
			continue
		}
		if rrtype == dns.TypeA {
			s.puts++
		}
		s.name = append(s.name, rr)
	}
	r.send(dns.RcodeSuccess)
}

func TestStrictServer(t *testing.T) {
	for _, rcode := range []int{dns.RcodeRefused, dns.RcodeFormatError, dns.RcodeNotImplemented, dns.RcodeNotZone} {
		t.Run("P6 a server that refuses to put back in the same message, "+dns.RcodeToString[rcode],
			func(t *testing.T) {
				s := &strict{t: t, rcode: rcode}
				f := startFake(t, s.handle)
				p := f.provider(t, nil)
				if err := apply(t, p, toCNAME("nginx"))[0]; err != nil {
					t.Fatal(err)
				}
				before := len(f.requests())
				if err := apply(t, p, toCNAME("nginx"))[0]; err != nil {
					t.Fatal(err)
				}
				if got := len(f.requests()) - before; got != 2 {
					t.Errorf("the second switch took %d requests, want 2: it is known by then", got)
				}
			})
	}
	t.Run("P6 a server that fails at the form makes the switch, and is not known by that", func(t *testing.T) {
		s := &strict{t: t, rcode: dns.RcodeServerFailure}
		p := startFake(t, s.handle).provider(t, nil)
		if err := apply(t, p, toCNAME("nginx"))[0]; err != nil || p.plain.Load() {
			t.Errorf("error is %v, known %v", err, p.plain.Load())
		}
	})
	t.Run("P6 the form is learned within a batch", func(t *testing.T) {
		s := &strict{t: t, rcode: dns.RcodeFormatError}
		refusals := 0
		f := startFake(t, func(r *fakeReply) {
			if !r.isUpdate() {
				r.send(dns.RcodeSuccess, rr(t, r.request.Question[0].Name+" 180 IN CNAME nginx.example.org."))
				return
			}
			types := map[uint16]bool{}
			for _, rr := range r.request.Ns {
				if rr.Header().Class == dns.ClassINET {
					types[rr.Header().Rrtype] = true
				}
			}
			if len(types) > 1 {
				refusals++
				r.send(s.rcode)
				return
			}
			r.send(dns.RcodeSuccess)
		})
		var changes []plan.Change
		for i := range 100 {
			changes = append(changes, toCNAME(fmt.Sprint("s", i)))
		}
		for i, err := range apply(t, f.provider(t, nil), changes...) {
			if err != nil {
				t.Errorf("switch %d: %v", i, err)
			}
		}
		if refusals > 8 {
			t.Errorf("%d messages were refused", refusals)
		}
	})
	t.Run("P6r a switch that queries do not show yet", func(t *testing.T) {
		f := startFake(t, func(r *fakeReply) { r.send(dns.RcodeSuccess) }) // no query shows anything
		if err := apply(t, f.provider(t, nil), toCNAME("nginx"))[0]; err != nil {
			t.Errorf("error is %v: the server has said that the CNAME stands", err)
		}
	})
	t.Run("X5a a switch below a delegation is refused, and undone", func(t *testing.T) {
		f := startFake(t, func(r *fakeReply) {
			m := r.message(dns.RcodeSuccess)
			m.Authoritative = r.isUpdate() || !strings.HasPrefix(r.request.Question[0].Name, "sub.")
			if m.Authoritative && !r.isUpdate() {
				m.Answer = []dns.RR{rr(t, r.request.Question[0].Name+" 180 IN CNAME nginx.example.org.")}
			}
			m.SetTsig(testKey.Name, testKey.Algorithm, tsigFudge, time.Now().Unix())
			_ = r.WriteMsg(m)
		})
		errs := apply(t, f.provider(t, nil), toCNAME("sub"), toCNAME("other"))
		if !errors.Is(provider.KindOf(errs[0]), provider.ErrRefused) ||
			!strings.Contains(errs[0].Error(), "delegated") || errs[1] != nil {
			t.Errorf("errors are %v", errs)
		}
		last := f.requests()[len(f.requests())-1]
		if diff := gocmp.Diff([]string{"CNAME delete", "180 A 192.0.2.1"},
			section(last.Ns, "delete", "delete this")); diff != "" {
			t.Errorf("the last message (-want +got):\n%s", diff)
		}
	})
	t.Run("P6r an ignored CNAME is found and reported", func(t *testing.T) {
		for name, ignoring := range map[string]func(*fakeReply){
			"strict": (&strict{t: t, ignore: true}).handle,
			"plain": func(r *fakeReply) { // it has put back itself
				if r.asksForCNAME() {
					r.send(dns.RcodeNXRrset)
					return
				}
				r.send(dns.RcodeSuccess)
			},
		} {
			err := apply(t, startFake(t, ignoring).provider(t, nil), toCNAME("nginx"))[0]
			if !errors.Is(err, provider.ErrRefused) {
				t.Errorf("%s server: error is %v", name, err)
				continue
			}
			for _, want := range []string{string(fqdn("nginx")), "ignored the CNAME", "foreign RRsets"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s server: error %q does not say %q", name, err, want)
				}
			}
		}
	})
	t.Run("P6r the old RRsets are put back", func(t *testing.T) {
		s := &strict{t: t, ignore: true}
		f := startFake(t, s.handle)
		p := f.provider(t, nil)
		for range 2 { // the second time it is known that it takes another message
			s.name, s.puts = nil, 0
			if err := apply(t, p, toCNAME("nginx"))[0]; !errors.Is(err, provider.ErrRefused) {
				t.Errorf("error is %v", err)
			}
			if s.puts != 1 || len(s.name) != 1 || s.name[0].Header().Rrtype != dns.TypeA {
				t.Errorf("the name has %v", s.name)
			}
		}
	})
	t.Run("P6r a put-back that fails leaves the outcome open", func(t *testing.T) {
		s := &strict{t: t, ignore: true}
		f := startFake(t, func(r *fakeReply) {
			if r.updates() && r.request.Ns[0].Header().Class == dns.ClassINET {
				r.hangUp() // the put-back, which adds only
				return
			}
			s.handle(r)
		})
		if err := apply(t, f.provider(t, nil), toCNAME("nginx"))[0]; !open(err) {
			t.Errorf("error is %v", err)
		}
	})
	for name, rcode := range map[string]int{"is lost": -1, "meets a conflict": dns.RcodeNXRrset} {
		t.Run("O3 the second form of a switch "+name, func(t *testing.T) {
			s := &strict{t: t}
			f := startFake(t, func(r *fakeReply) {
				switch {
				case !r.updates() || len(r.request.Ns) > 2:
					s.handle(r)
				case rcode < 0:
					r.hangUp()
				default:
					r.send(rcode)
				}
			})
			err := apply(t, f.provider(t, nil), toCNAME("nginx"))[0]
			if rcode < 0 && !open(err) || rcode >= 0 && !errors.Is(err, provider.ErrConflict) {
				t.Errorf("error is %v: the refusal of the first form says nothing of the second", err)
			}
		})
	}
	t.Run("P6r the put-back is under the claim", func(t *testing.T) {
		s := &strict{t: t, ignore: true}
		f := startFake(t, s.handle)
		f.provider(t, nil).Apply(t.Context(), &claim1, []plan.Change{toCNAME("nginx")})
		for i, m := range f.requests() {
			if m.Opcode == dns.OpcodeUpdate && !slices.Contains(section(m.Answer, "", ""), "TXT "+claim1.Data[0]) {
				t.Errorf("request %d demands %q", i, section(m.Answer, "exists", "does not exist"))
			}
		}
	})
	t.Run("P6r one ignored of many", func(t *testing.T) {
		const n, bad = 100, 88 // more than are read back at once
		f := startFake(t, func(r *fakeReply) {
			name := r.request.Question[0].Name
			if r.asksForCNAME() {
				r.send(dns.RcodeNXRrset)
				return
			}
			if r.isUpdate() || name == string(fqdn(fmt.Sprint("s", bad))) {
				r.send(dns.RcodeSuccess)
				return
			}
			r.send(dns.RcodeSuccess, rr(t, name+" 180 IN CNAME nginx.example.org."))
		})
		var changes []plan.Change
		for i := range n {
			changes = append(changes, toCNAME(fmt.Sprint("s", i)))
		}
		for i, err := range apply(t, f.provider(t, nil), changes...) {
			if i == bad && !errors.Is(err, provider.ErrRefused) || i != bad && err != nil {
				t.Errorf("switch %d: %v", i, err)
			}
		}
	})
	for name, fail := range map[string]func(*fakeReply){
		"meets an error": func(r *fakeReply) { r.send(dns.RcodeServerFailure) },
		"is lost":        func(r *fakeReply) { r.hangUp() },
	} {
		t.Run("P6r a read-back that "+name+" leaves the outcome open", func(t *testing.T) {
			f := startFake(t, func(r *fakeReply) {
				if r.isUpdate() {
					r.send(dns.RcodeSuccess)
					return
				}
				fail(r)
			})
			if err := apply(t, f.provider(t, nil), toCNAME("nginx"))[0]; !open(err) {
				t.Errorf("error is %v", err)
			}
		})
	}
}
