package route53

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"
	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"github.com/federation-dns/federation/federation"
)

func TestText(t *testing.T) {
	for _, tt := range []struct{ typ, dns, api string }{
		{"A", "192.0.2.1", "192.0.2.1"},
		{"CNAME", "www.example.org.", "www.example.org."},
		{"CNAME", `a\.b.example.org.`, `a\056b.example.org.`},
		{"CNAME", `od\200d.example.org.`, `od\310d.example.org.`},
		{"TXT", `"heritage=federation-dns" "version=1"`, `"heritage=federation-dns" "version=1"`},
		{"TXT", `"a \"quoted\" word; a back\\slash; \195\169"`, `"a \"quoted\" word; a back\\slash; \303\251"`},
	} {
		t.Run(tt.typ+" "+tt.dns, func(t *testing.T) {
			if got := toOctal(tt.typ, tt.dns); got != tt.api {
				t.Errorf("Route 53 gets %s, want %s", got, tt.api)
			}
		})
	}
	t.Run("TXT there and back", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			var text []string
			for _, octets := range rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 40), 1, 3).Draw(t, "strings") {
				var b strings.Builder
				for _, c := range octets {
					fmt.Fprintf(&b, `\%03d`, c)
				}
				text = append(text, b.String())
			}
			// The canonical form is that of the DNS library.
			rr := &dns.TXT{Hdr: dns.RR_Header{Name: "x.", Rrtype: dns.TypeTXT}, Txt: text}
			wire := make([]byte, 512)
			n, err := dns.PackRR(rr, wire, 0, nil, false)
			if err != nil {
				t.Fatal(err)
			}
			back, _, err := dns.UnpackRR(wire[:n], 0)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.TrimPrefix(back.String(), back.Header().String())
			api := toOctal("TXT", want)
			state := stateOf("x.", []types.ResourceRecordSet{
				{Name: aws.String("x."), Type: types.RRTypeTxt, TTL: aws.Int64(0),
					ResourceRecords: []types.ResourceRecord{{Value: &api}}},
			})
			if len(state.Sets) != 1 {
				t.Fatalf("%s: %v", api, state.Foreign)
			}
			if got := state.Sets[0].Data[0]; got != want {
				t.Fatalf("%s becomes %s and then %s", want, api, got)
			}
		})
	})
	t.Run("a name without the trailing dot", func(t *testing.T) {
		if got, err := nameFromOctal("WWW.example.com"); err != nil || got != "www.example.com." {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("names there and back", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			var labels []string
			for _, octets := range rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 10), 1, 4).Draw(t, "labels") {
				var b strings.Builder
				for _, c := range octets {
					fmt.Fprintf(&b, `\%03d`, c)
				}
				labels = append(labels, b.String())
			}
			// Decimal escapes are those of the DNS library.
			wire := make([]byte, 256)
			n, err := dns.PackDomainName(strings.Join(labels, ".")+".", wire, 0, nil, false)
			if err != nil {
				t.Fatal(err)
			}
			text, _, err := dns.UnpackDomainName(wire[:n], 0)
			if err != nil {
				t.Fatal(err)
			}
			name := federation.CanonicalName(text)
			if got, err := nameFromOctal(nameToOctal(string(name))); err != nil || got != name {
				t.Fatalf("%s becomes %s and then %s, %v", name, nameToOctal(string(name)), got, err)
			}
		})
	})
}

func TestMessage(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  smithy.APIError
		want string
	}{
		{"one", &types.InvalidChangeBatch{Message: aws.String("[it already exists]")}, "[it already exists]"},
		{"the older form", &types.InvalidChangeBatch{Messages: []string{"it already exists", "it was not found"}},
			"it already exists; it was not found"},
		{"only the first line", &smithy.GenericAPIError{Message: "does not match\n\ntoken: a secret"},
			"does not match"},
		{"500 characters", &smithy.GenericAPIError{Message: strings.Repeat("x", 2000)}, strings.Repeat("x", 500) +
			"..."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := message(tt.err); got != tt.want {
				t.Errorf("got %q", got)
			}
		})
	}
	if err := withoutLayers(errors.New("plain")); err.Error() != "plain" {
		t.Errorf("got %v", err)
	}
}
