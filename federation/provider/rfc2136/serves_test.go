package rfc2136

import (
	"errors"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
)

func TestServes(t *testing.T) {
	const suffix = "fed.svc.us." + testZone
	soa := func(owner string) string {
		return owner + " 60 IN SOA ns.example.com. mail.example.com. 1 3600 600 86400 30"
	}
	for _, tt := range []struct {
		name   string
		reply  func(m *dns.Msg, name string) // changes an authoritative NXDOMAIN
		want   provider.Served
		failed error // the kind of error
	}{
		{"nothing", func(m *dns.Msg, _ string) { m.Ns = []dns.RR{rr(t, soa("example.com."))} }, provider.Served{}, nil},
		{"no data", func(m *dns.Msg, _ string) { m.Rcode = dns.RcodeSuccess }, provider.Served{}, nil},
		{"a referral", func(m *dns.Msg, _ string) {
			m.Rcode, m.Authoritative = dns.RcodeSuccess, false
			m.Ns = []dns.RR{rr(t, "US.example.com. 60 IN NS ns.example.org.")}
		}, provider.Served{Delegated: "us.example.com."}, nil},
		{"a zone below on the same server",
			func(m *dns.Msg, _ string) { m.Ns = []dns.RR{rr(t, soa("svc.us.example.com."))} },
			provider.Served{Delegated: "svc.us.example.com."}, nil},
		{"DNAME", func(m *dns.Msg, name string) {
			m.Rcode = dns.RcodeSuccess
			m.Answer = []dns.RR{rr(t, "us.example.com. 60 IN DNAME example.org."),
				rr(t, name+" 60 IN CNAME x.example.org.")}
		}, provider.Served{Delegated: "us.example.com."}, nil},
		{"not authoritative", func(m *dns.Msg, _ string) { m.Authoritative = false }, provider.Served{Elsewhere: true},
			nil},
		{"a referral upwards", func(m *dns.Msg, _ string) {
			m.Rcode, m.Authoritative = dns.RcodeSuccess, false
			m.Ns = []dns.RR{rr(t, "com. 60 IN NS ns.example.org.")}
		}, provider.Served{Elsewhere: true}, nil},
		{"a wildcard of AAAA only", func(m *dns.Msg, name string) {
			m.Rcode = dns.RcodeSuccess
			if m.Question[0].Qtype == dns.TypeAAAA {
				m.Answer = []dns.RR{rr(t, name+" 60 IN AAAA 2001:db8::1")}
			}
		}, provider.Served{Wildcard: "AAAA"}, nil},
		{"a wildcard alias", func(m *dns.Msg, name string) {
			m.Rcode = dns.RcodeSuccess
			m.Answer = []dns.RR{rr(t, name+" 60 IN CNAME www.example.com."),
				rr(t, "www.example.com. 60 IN A 192.0.2.1")}
		}, provider.Served{Wildcard: "CNAME"}, nil},
		{"SERVFAIL says nothing", func(m *dns.Msg, _ string) { m.Rcode = dns.RcodeServerFailure }, provider.Served{},
			provider.ErrUnavailable},
		{"REFUSED says nothing", func(m *dns.Msg, _ string) { m.Rcode = dns.RcodeRefused }, provider.Served{},
			provider.ErrRefused},
	} {
		t.Run("O5 "+tt.name, func(t *testing.T) {
			f := startFake(t, func(r *fakeReply) {
				m := r.message(dns.RcodeNameError)
				tt.reply(m, r.request.Question[0].Name)
				m.SetTsig(testKey.Name, testKey.Algorithm, tsigFudge, time.Now().Unix())
				_ = r.WriteMsg(m)
			})
			got, err := f.provider(t, nil).Serves(t.Context(), suffix)
			if got != tt.want || !errors.Is(provider.KindOf(err), tt.failed) {
				t.Errorf("%+v, %v, want %+v, %v", got, err, tt.want, tt.failed)
			}
			for _, m := range f.requests() {
				if !federation.FQDN(m.Question[0].Name).In(suffix) || len(m.Question[0].Name) == len(suffix) {
					t.Errorf("it asked for %q", m.Question[0].Name)
				}
			}
		})
	}
	t.Run("O5 outside the zone", func(t *testing.T) {
		f := startFake(t, func(*fakeReply) {})
		if _, err := f.provider(t, nil).Serves(t.Context(), "fed.svc.example.org."); !errors.Is(provider.KindOf(err),
			provider.ErrRefused) {
			t.Error(err)
		}
	})
}
