package provider_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

const (
	zone  = federation.FQDN("example.com.")
	nginx = federation.FQDN("nginx.ns.fed.svc.example.com.")
	claim = federation.FQDN("_claim.fed.svc.example.com.")
)

func one(name federation.FQDN, typ string, data ...string) []federation.RRset {
	return []federation.RRset{{Name: name, Type: typ, TTL: 180, Data: data}}
}

// labelled returns a name in the zone that begins with labels of so many octets.
func labelled(first int, rest ...int) federation.FQDN {
	var b strings.Builder
	for _, n := range append([]int{first}, rest...) {
		b.WriteString(strings.Repeat("x", n) + ".")
	}
	return federation.FQDN(b.String()) + zone
}

func TestCheck(t *testing.T) {
	// The zone takes 13 octets, a label one more than it has: 13 + 50 + 3 x 64.
	longest, tooLong := labelled(49, 63, 63, 63), labelled(50, 63, 63, 63)
	a := one(nginx, "A", "192.0.2.1")
	tests := []struct {
		name string // begins with the rule's id
		at   federation.FQDN
		to   []federation.RRset
		want string // "" is no error
	}{
		{"N6 the longest name", longest, one(longest, "A", "192.0.2.1"), ""},
		{"N6 a name too long", tooLong, one(tooLong, "A", "192.0.2.1"), "256 octets in wire form, at most 255"},
		{"N6 the longest target", nginx, one(nginx, "CNAME", string(longest)), ""},
		{"N6 a target too long", nginx, one(nginx, "CNAME", string(tooLong)), "256 octets in wire form, at most 255"},
		{"N6 the longest label", labelled(63), one(labelled(63), "A", "192.0.2.1"), ""},
		{"N6 a label too long", labelled(64), one(labelled(64), "A", "192.0.2.1"), "labels of at most 63 octets"},
		{"N6 a label too long in the target", nginx, one(nginx, "CNAME", string(labelled(64))), "not valid data"},
		{"N6 an empty label", "nginx..example.com.", one("nginx..example.com.", "A", "192.0.2.1"), "not a domain name"},

		{"O2 A", nginx, a, ""},
		{"O2 AAAA", nginx, one(nginx, "AAAA", "2001:db8::1"), ""},
		{"O2 CNAME", nginx, one(nginx, "CNAME", "lb.example.org."), ""},
		{"O2 nothing", nginx, nil, ""},
		{"O2 TXT of a claim", claim, one(claim, "TXT", `"owner=test"`), ""},
		{"O2 TXT of the list of levels", "_levels." + "fed.svc." + zone, one("_levels."+"fed.svc."+zone, "TXT",
			`"level"`), ""},
		{"O2 TXT of a service", nginx, one(nginx, "TXT", `"text"`), "claims and lists of levels only"},
		{"O2 TXT of a name like a claim's", "x" + claim, one("x"+claim, "TXT", `"text"`),
			"claims and lists of levels only"},
		{"O2 outside the zone", "nginx.example.org.", nil, `not in zone "example.com."`},
		{"O2 a label apart", "notexample.com.", nil, "not in zone"},
		{"O2 an RRset of another name", nginx, one("x.example.com.", "A", "192.0.2.1"), "another name"},

		{"X7 no data", nginx, one(nginx, "A"), "no data"},
		{"X7 bad address", nginx, one(nginx, "A", "192.0.2"), "not valid data"},
		{"X7 address family", nginx, one(nginx, "A", "2001:db8::1"), "not valid data"},
		{"X7 IPv4-mapped", nginx, one(nginx, "AAAA", "::ffff:192.0.2.1"), "not valid data"},
		{"X7 unsorted", nginx, one(nginx, "A", "192.0.2.10", "192.0.2.9"), "canonical"},
		{"X7 doubles", nginx, one(nginx, "A", "192.0.2.9", "192.0.2.9"), "canonical"},
		{"X7 a type twice", nginx, append(one(nginx, "A", "192.0.2.1"), a...), "twice"},
		{"P6 CNAME beside A", nginx, append(one(nginx, "CNAME", "x.example.org."), a...), "no other RRset"},
		{"P6 two targets", nginx, one(nginx, "CNAME", "x.example.org.", "y.example.org."), "one target"},
		{"X7 target without dot", nginx, one(nginx, "CNAME", "x.example.org"), "not valid data"},
		{"X7 unquoted text", claim, one(claim, "TXT", "text"), "not valid data"},
		{"X7 text with line break", claim, one(claim, "TXT", "\"a\"\nb.example.com. TXT \"c\""), "not valid data"},
	}
	for _, typ := range []string{"MX", "NS", "SOA", "SRV", "PTR", "DNAME", "ANY", ""} {
		tests = append(tests, struct {
			name string
			at   federation.FQDN
			to   []federation.RRset
			want string
		}{"O2 type " + typ, nginx, one(nginx, typ, "10 mail.example.org."), "not valid data"})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for from, c := range map[string]plan.Change{
				"To":   {Name: tt.at, To: tt.to},
				"From": {Name: tt.at, From: tt.to},
			} {
				err := provider.Check(zone, c)
				switch {
				case tt.want == "" && err != nil:
					t.Errorf("%s: error is %v", from, err)
				case tt.want != "" && (!errors.Is(err, provider.ErrRefused) || !strings.Contains(err.Error(), tt.want)):
					t.Errorf("%s: error is %v, want ErrRefused with %q", from, err, tt.want)
				}
			}
		})
	}
}

func TestCheckClaim(t *testing.T) {
	f := federation.Federation{Name: "fed", Domain: zone}
	text := federation.Claim{Owner: "test", Generation: 1, Federation: "fed", Naming: federation.Flat}
	tests := []struct {
		name string
		set  *federation.RRset
		want string // "" is no error
	}{
		{"O1a no claim", nil, ""},
		{"O1a the main claim", new(text.RRset(f.ClaimName(zone))), ""},
		{"O1a the claim of a level", new(text.RRset(f.ClaimName("us-central1." + zone))), ""},
		{"O1b the list of levels", &one(f.LevelsName(), "TXT", `"level"`)[0], ""},
		{"O1a a claim of another type", &one(claim, "A", "192.0.2.1")[0], "must be TXT"},
		{"O2 a claim outside the zone", &one("_claim.fed.svc.example.org.", "TXT", `"owner=test"`)[0], "not in zone"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := provider.CheckClaim(zone, tt.set)
			if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, provider.ErrRefused) ||
				!strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error is %v, want ErrRefused with %q", err, tt.want)
			}
		})
	}
}
