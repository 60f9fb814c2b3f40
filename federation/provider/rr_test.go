package provider_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
)

// FuzzParseRRs holds that whatever is taken as an RRset comes back the same from the wire once it is in canonical form.
func FuzzParseRRs(f *testing.F) {
	f.Add("A", "192.0.2.1")
	f.Add("AAAA", "2001:db8::1")
	f.Add("CNAME", "nginx.example.org.")
	f.Add("TXT", `"heritage=federation-dns" "a \"b\" \\ \007 ;"`)
	f.Fuzz(func(t *testing.T, typ, data string) {
		rrs, err := provider.ParseRRs(federation.RRset{Name: "nginx.example.com.", Type: typ, TTL: 180,
			Data: []string{data}})
		if err != nil {
			return
		}
		wire := make([]byte, dns.MaxMsgSize)
		n, err := dns.PackRR(rrs[0], wire, 0, nil, false)
		if err != nil {
			return // too long for the wire
		}
		back, _, err := dns.UnpackRR(wire[:n], 0)
		if err != nil {
			t.Fatal(err)
		}
		canonical := provider.RRsets(rrs)
		if diff := cmp.Diff(canonical, provider.RRsets([]dns.RR{back})); diff != "" {
			t.Fatalf("over the wire (-before +after):\n%s", diff)
		}
		again, err := provider.ParseRRs(canonical[0])
		if err != nil {
			t.Fatalf("canonical form %q: %v", canonical[0].Data, err)
		}
		if diff := cmp.Diff(canonical, provider.RRsets(again)); diff != "" {
			t.Fatalf("the canonical form has another (-first +second):\n%s", diff)
		}
	})
}

func TestRRsets(t *testing.T) {
	var rrs []dns.RR
	for _, text := range []string{
		"B.example.com. 60 IN A 192.0.2.10",
		"b.example.com. 30 IN A 192.0.2.9",
		"b.example.com. 60 IN A 192.0.2.9",
		"b.example.com. 60 IN MX 10 mail.example.org.",
		"a.example.com. 60 IN CNAME NGINX.example.org.",
	} {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		rrs = append(rrs, rr)
	}
	want := []federation.RRset{
		{Name: "a.example.com.", Type: "CNAME", TTL: 60, Data: []string{"nginx.example.org."}},
		{Name: "b.example.com.", Type: "A", TTL: 30, Data: []string{"192.0.2.9", "192.0.2.10"}},
	}
	if diff := cmp.Diff(want, provider.RRsets(rrs)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
