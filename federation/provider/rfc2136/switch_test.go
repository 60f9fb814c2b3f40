package rfc2136

import (
	"errors"
	"testing"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// strict is a server that refuses a CNAME and another RRset of one name in
// one message.
type strict struct {
	t      *testing.T
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
	added := map[uint16]dns.RR{}
	for _, rr := range r.request.Ns {
		if rr.Header().Class == dns.ClassINET {
			added[rr.Header().Rrtype] = rr
		}
	}
	if len(added) > 1 {
		r.send(dns.RcodeRefused)
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
	t.Run("P6 a server that refuses to put back in the same message", func(t *testing.T) {
		s := &strict{t: t}
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
	t.Run("P6r an ignored CNAME is found and the old RRsets are put back", func(t *testing.T) {
		s := &strict{t: t, ignore: true}
		f := startFake(t, s.handle)
		p := f.provider(t, nil)
		for range 2 {
			s.puts = 0
			if err := apply(t, p, toCNAME("nginx"))[0]; !errors.Is(err, provider.ErrRefused) {
				t.Errorf("error is %v", err)
			}
			if s.puts != 1 || len(s.name) != 1 || s.name[0].Header().Rrtype != dns.TypeA {
				t.Errorf("the name has %v", s.name)
			}
		}
	})
	t.Run("P6r one ignored of many", func(t *testing.T) {
		f := startFake(t, func(r *fakeReply) {
			name := r.request.Question[0].Name
			if r.isUpdate() || name == string(fqdn("b")) {
				r.send(dns.RcodeSuccess)
				return
			}
			r.send(dns.RcodeSuccess, rr(t, name+" 180 IN CNAME nginx.example.org."))
		})
		labels := []string{"a", "b", "c"}
		var changes []plan.Change
		for _, label := range labels {
			changes = append(changes, toCNAME(label))
		}
		for i, err := range apply(t, f.provider(t, nil), changes...) {
			if labels[i] == "b" && !errors.Is(err, provider.ErrRefused) || labels[i] != "b" && err != nil {
				t.Errorf("switch of %q: %v", labels[i], err)
			}
		}
	})
	t.Run("P6r a read-back that fails leaves the outcome open", func(t *testing.T) {
		f := startFake(t, func(r *fakeReply) {
			if r.isUpdate() {
				r.send(dns.RcodeSuccess)
				return
			}
			r.send(dns.RcodeServerFailure)
		})
		if err := apply(t, f.provider(t, nil), toCNAME("nginx"))[0]; !open(err) {
			t.Errorf("error is %v", err)
		}
	})
}
