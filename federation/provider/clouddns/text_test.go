package clouddns

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
	sdk "google.golang.org/api/dns/v1"
	"google.golang.org/api/googleapi"
	"pgregory.net/rapid"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
)

func TestText(t *testing.T) {
	for _, tt := range []struct{ typ, api, dns string }{
		{"A", "192.0.2.1", "192.0.2.1"},
		{"AAAA", "2001:DB8:0:0::1", "2001:db8::1"},
		{"CNAME", "WWW.example.org.", "www.example.org."},
		{"CNAME", "www.example.org", "www.example.org."},
		{"CNAME", `a\046b.example.org.`, `a\.b.example.org.`},
		{"TXT", `"heritage=federation-dns" "version=1"`, `"heritage=federation-dns" "version=1"`},
		{"TXT", `"a \"quoted\" word; a back\\slash; \195\169"`, `"a \"quoted\" word; a back\\slash; \195\169"`},
		{"TXT", `"é"`, `"\195\169"`},
		{"TXT", `heritage=federation-dns  version=1`, `"heritage=federation-dns" "version=1"`},
	} {
		t.Run(tt.typ+" "+tt.api, func(t *testing.T) {
			state := stateOf("x.", []*sdk.ResourceRecordSet{{Name: "x.", Type: tt.typ, Ttl: 60,
				Rrdatas: []string{tt.api}}})
			if len(state.Sets) != 1 || state.Sets[0].TTL != 60 || len(state.Sets[0].Data) != 1 ||
				state.Sets[0].Data[0] != tt.dns {
				t.Errorf("it is read as %+v, want %s", state, tt.dns)
			}
		})
	}
	for _, tt := range []struct {
		set  sdk.ResourceRecordSet
		want string
	}{
		{sdk.ResourceRecordSet{Type: "MX", Rrdatas: []string{"10 mail.example.org."}}, "MX"},
		{sdk.ResourceRecordSet{Type: "A", RoutingPolicy: &sdk.RRSetRoutingPolicy{}}, "A (routing policy)"},
		{sdk.ResourceRecordSet{Type: "A", Rrdatas: []string{"192.0.2.1"}, RoutingPolicy: &sdk.RRSetRoutingPolicy{}},
			"A (routing policy)"},
		{sdk.ResourceRecordSet{Type: "A", Rrdatas: []string{"192.0.2.256"}}, "A (not understood)"},
		{sdk.ResourceRecordSet{Type: "A"}, "A (not understood)"},
		{sdk.ResourceRecordSet{Type: "CNAME", Rrdatas: []string{"a..b."}}, "CNAME (not understood)"},
		{sdk.ResourceRecordSet{Type: "TXT", Rrdatas: []string{`"a`}}, "TXT (not understood)"},
	} {
		t.Run("O2 foreign: "+tt.want, func(t *testing.T) {
			state := stateOf("x.", []*sdk.ResourceRecordSet{&tt.set})
			if len(state.Sets) != 0 || len(state.Foreign) != 1 || state.Foreign[0] != tt.want {
				t.Errorf("it is read as %+v, want %q", state, tt.want)
			}
		})
	}
	t.Run("names in canonical form", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			var labels []string
			for _, octets := range rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 10), 1, 4).Draw(t, "labels") {
				var b strings.Builder
				for _, c := range octets {
					fmt.Fprintf(&b, `\%03d`, c)
				}
				labels = append(labels, b.String())
			}
			text := strings.Join(labels, ".") + "."
			got, err := provider.ParseName(text)
			if err != nil {
				t.Fatal(err)
			}
			again, err := provider.ParseName(string(got))
			if err != nil || again != got || got != federation.CanonicalName(string(got)) {
				t.Fatalf("%s becomes %s and then %s, %v", text, got, again, err)
			}
			if !dns.IsFqdn(string(got)) {
				t.Fatalf("%s becomes %s", text, got)
			}
		})
	})
}

func TestDescribed(t *testing.T) {
	for _, tt := range []struct {
		name         string
		err          googleapi.Error
		reason, text string
	}{
		{"one", googleapi.Error{Code: 409, Message: "it exists",
			Errors: []googleapi.ErrorItem{{Reason: "alreadyExists", Message: "it exists"}}}, "alreadyExists",
			"alreadyExists: it exists"},
		{"several", googleapi.Error{Code: 409, Message: "it exists",
			Errors: []googleapi.ErrorItem{{Reason: "alreadyExists"}, {Reason: "alreadyExists"}, {Reason: "notFound"}}},
			"alreadyExists", "alreadyExists: it exists (and 2 more)"},
		{"the newer form", googleapi.Error{Code: 403, Message: "it is off",
			Details: []any{map[string]any{"reason": "SERVICE_DISABLED"}}}, "SERVICE_DISABLED",
			"SERVICE_DISABLED: it is off"},
		{"no JSON", googleapi.Error{Code: 502, Body: "<html>"}, "", "Bad Gateway"},
		{"several lines", googleapi.Error{Code: 400, Message: "a\n\nb"}, "", "a b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if reason, text := described(&tt.err); reason != tt.reason || text != tt.text {
				t.Errorf("%q, %q", reason, text)
			}
		})
	}
}
