package rfc2136

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"crypto/hmac"
	"crypto/sha256"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
)

// outgoing sends the messages of a zone transfer. It signs as RFC 8945, section 5.3.1 says, apart from the code under
// test.
type outgoing struct {
	t        *testing.T
	r        *fakeReply
	mac      string
	later    bool
	unsigned []byte
}

func (x *outgoing) send(sign bool, records ...string) {
	m := x.r.message(dns.RcodeSuccess)
	for _, text := range records {
		m.Answer = append(m.Answer, rr(x.t, text))
	}
	if !sign {
		wire, err := m.Pack()
		if err != nil {
			x.t.Error(err)
		}
		x.unsigned = append(x.unsigned, wire...)
		_, _ = x.r.Write(wire)
		return
	}
	m.SetTsig(testKey.Name, testKey.Algorithm, tsigFudge, time.Now().Unix())
	wire, mac, err := dns.TsigGenerateWithProvider(m, x, x.mac, x.later)
	if err != nil {
		x.t.Error(err)
	}
	x.mac, x.later, x.unsigned = mac, true, nil
	_, _ = x.r.Write(wire)
}

func (x *outgoing) Generate(digested []byte, _ *dns.TSIG) ([]byte, error) {
	secret, err := base64.StdEncoding.DecodeString(testKey.Secret)
	if err != nil {
		return nil, err
	}
	h := hmac.New(sha256.New, secret)
	priorMAC := 0
	if x.mac != "" {
		priorMAC = 2 + sha256.Size
	}
	h.Write(digested[:priorMAC])
	h.Write(x.unsigned)
	h.Write(digested[priorMAC:])
	return h.Sum(nil), nil
}

func (x *outgoing) Verify([]byte, *dns.TSIG) error { return errors.New("not used") }

const (
	soa1 = "example.com. 60 IN SOA ns.example.com. hostmaster.example.com. 1 3600 600 86400 30"
	soa2 = "example.com. 60 IN SOA ns.example.com. hostmaster.example.com. 2 3600 600 86400 30"
	rrA1 = "a.ns.fed.svc.example.com. 180 IN A 192.0.2.1"
	rrA2 = "a.ns.fed.svc.example.com. 180 IN A 192.0.2.2"
	rrB  = "b.ns.fed.svc.example.com. 180 IN CNAME nginx.example.org."
	rrC  = "other.example.com. 180 IN A 192.0.2.9"
)

// list lists the subtree fed.svc of a server that transfers so.
func list(t *testing.T, transfer func(x *outgoing)) (sets []federation.RRset, err error) {
	t.Helper()
	f := startFake(t, func(r *fakeReply) {
		transfer(&outgoing{t: t, r: r, mac: r.request.IsTsig().MAC})
		r.hangUp()
	})
	err = f.provider(t, nil).List(t.Context(), "fed.svc."+testZone, func(s federation.RRset) error {
		sets = append(sets, s)
		return nil
	})
	return sets, err
}

func TestListComplete(t *testing.T) {
	want := []federation.RRset{
		{Name: fqdn("a"), Type: "A", TTL: 180, Data: []string{"192.0.2.1", "192.0.2.2"}},
		{Name: fqdn("b"), Type: "CNAME", TTL: 180, Data: []string{"nginx.example.org."}},
	}
	tests := map[string]func(*outgoing){
		"one message": func(x *outgoing) { x.send(true, soa1, rrA1, rrC, rrA2, rrB, soa1) },
		"a record a message": func(x *outgoing) {
			for _, text := range []string{soa1, rrA2, rrC, rrB, rrA1, soa1} {
				x.send(true, text)
			}
		},
		"unsigned messages between": func(x *outgoing) {
			x.send(true, soa1, rrA1)
			x.send(false, rrA2)
			x.send(false, rrB)
			x.send(true, rrC)
			x.send(false, rrC)
			x.send(true, soa1)
		},
	}
	for name, transfer := range tests {
		t.Run("X6 "+name, func(t *testing.T) {
			got, err := list(t, transfer)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("List: %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestListIncomplete(t *testing.T) {
	many := slices.Repeat([]string{rrC}, maxUnsigned+1)
	tests := map[string]func(*outgoing){
		"nothing":                 func(*outgoing) {},
		"cut before the last SOA": func(x *outgoing) { x.send(true, soa1, rrA1, rrB) },
		"cut between messages":    func(x *outgoing) { x.send(true, soa1, rrA1); x.send(true, rrB) },
		"no first SOA":            func(x *outgoing) { x.send(true, rrA1, soa1) },
		"the zone changed":        func(x *outgoing) { x.send(true, soa1, rrA1, soa2) },
		"records after the end":   func(x *outgoing) { x.send(true, soa1, rrA1, soa1, rrB) },
		"an empty message":        func(x *outgoing) { x.send(true, soa1, rrA1); x.send(true); x.send(true, soa1) },
		"unsigned":                func(x *outgoing) { x.send(false, soa1, rrA1, soa1) },
		"unsigned at the end":     func(x *outgoing) { x.send(true, soa1, rrA1); x.send(false, soa1) },
		"an unsigned one replaced": func(x *outgoing) {
			x.send(true, soa1)
			x.send(false,
				rrA1)
			x.unsigned[20]++
			x.send(true, soa1)
		},
		"too many unsigned": func(x *outgoing) {
			x.send(true, soa1)
			for _, text := range many {
				x.send(false, text)
			}
			x.send(true, soa1)
		},
	}
	for name, transfer := range tests {
		t.Run("X6 "+name, func(t *testing.T) {
			got, err := list(t, transfer)
			if !open(err) || len(got) > 0 {
				t.Errorf("List returns %v after it has yielded %v", err, got)
			}
		})
	}
	t.Run("X6 refused", func(t *testing.T) {
		f := startFake(t, func(r *fakeReply) { r.send(dns.RcodeRefused) })
		err := f.provider(t, nil).List(t.Context(), testZone, func(federation.RRset) error { return nil })
		if !errors.Is(err, provider.ErrRefused) || !strings.Contains(err.Error(), "allow-transfer") {
			t.Errorf("List returns %v", err)
		}
	})
}

func TestGet(t *testing.T) {
	name := fqdn("nginx")
	t.Run("O3c an answer without authority is an error", func(t *testing.T) {
		f := startFake(t, func(r *fakeReply) {
			m := r.message(dns.RcodeSuccess)
			m.Authoritative = false
			m.SetTsig(testKey.Name, testKey.Algorithm, tsigFudge, time.Now().Unix())
			_ = r.WriteMsg(m)
		})
		if got, err := f.provider(t, nil).Get(t.Context(), name); err == nil {
			t.Errorf("Get returns %v", got)
		}
	})
	t.Run("O3c queries ask for no recursion", func(t *testing.T) {
		f := startFake(t, func(r *fakeReply) { r.send(dns.RcodeNameError) })
		if got, err := f.provider(t, nil).Get(t.Context(), name); err != nil || len(got) > 0 {
			t.Errorf("Get returns %v, %v", got, err)
		}
		for _, m := range f.requests() {
			if m.RecursionDesired {
				t.Errorf("recursion is desired by %v", m)
			}
		}
	})
	t.Run("P6 a name that is switched between the queries is read again", func(t *testing.T) {
		n := 0
		f := startFake(t, func(r *fakeReply) {
			switch n++; {
			case r.isUpdate() || n == 1:
				r.send(dns.RcodeSuccess) // the first query finds no CNAME yet
			default:
				r.send(dns.RcodeSuccess, rr(t, string(name)+" 180 IN CNAME nginx.example.org."),
					rr(t, "nginx.example.org. 60 IN A 192.0.2.66"))
			}
		})
		got, err := f.provider(t, nil).Get(t.Context(), name)
		want := []federation.RRset{rrset("nginx", "CNAME", "nginx.example.org.")}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("Get: %v (-want +got):\n%s", err, diff)
		}
	})
}
