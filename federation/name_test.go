package federation_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
)

const (
	label63 = "abcdefghijklmnopqrstuvwxyz-0123456789-abcdefghijklmnopqrstuvwxyz"
	fed     = "myfederation"
)

func TestNames(t *testing.T) {
	svc := federation.ServiceName{Namespace: "mynamespace", Name: "nginx"}
	zone := federation.Topology{Region: "us-central1", Zone: "us-central1-a"}
	region, global := federation.Topology{Region: "us-central1"}, federation.Topology{}
	noRegion := federation.Topology{Zone: "us-central1-a"}
	for _, tt := range []struct {
		id     string
		naming federation.Naming
		at     federation.Topology
		want   federation.FQDN
	}{
		{"N2 topology zone", federation.Flat, zone, "nginx.mynamespace.myfederation.svc.us-central1-a.example.com."},
		{"N2 region", federation.Flat, region, "nginx.mynamespace.myfederation.svc.us-central1.example.com."},
		{"N2 global", federation.Flat, global, "nginx.mynamespace.myfederation.svc.example.com."},
		{"N3 topology zone", federation.Nested, zone,
			"nginx.mynamespace.myfederation.svc.us-central1-a.us-central1.example.com."},
		{"N3 region", federation.Nested, region, "nginx.mynamespace.myfederation.svc.us-central1.example.com."},
		{"N3 global", federation.Nested, global, "nginx.mynamespace.myfederation.svc.example.com."},
		{"N3 flat without a region", federation.Flat, noRegion,
			"nginx.mynamespace.myfederation.svc.us-central1-a.example.com."},
		{"N3 nested without a region", federation.Nested, noRegion, ""},
	} {
		t.Run(tt.id, func(t *testing.T) {
			f := federation.Federation{Name: fed, Domain: "example.com.", Naming: tt.naming}
			level := f.LevelName(tt.at)
			var got federation.FQDN
			if level != "" {
				got = f.OwnerName(svc, level)
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPath(t *testing.T) {
	for _, tt := range []struct {
		id     string
		naming federation.Naming
		at     federation.Topology
		want   []federation.FQDN
	}{
		{"N2", federation.Flat, federation.Topology{Region: "r", Zone: "z"},
			[]federation.FQDN{"z.example.com.", "r.example.com.", "example.com."}},
		{"N3 nested", federation.Nested, federation.Topology{Region: "r", Zone: "z"},
			[]federation.FQDN{"z.r.example.com.", "r.example.com.", "example.com."}},
		{"N3 nested without a region", federation.Nested, federation.Topology{Zone: "z"},
			[]federation.FQDN{"example.com."}},
		{"N3 flat without a region", federation.Flat, federation.Topology{Zone: "z"},
			[]federation.FQDN{"z.example.com.", "example.com."}},
		{"N5 topology zone named like its region", federation.Flat, federation.Topology{Region: "r", Zone: "r"},
			[]federation.FQDN{"r.example.com.", "example.com."}},
		{"N5 nested", federation.Nested, federation.Topology{Region: "r", Zone: "r"},
			[]federation.FQDN{"r.r.example.com.", "r.example.com.", "example.com."}},
		{"Q7a a level that the node does not have", federation.Flat, federation.Topology{Region: "r"},
			[]federation.FQDN{"r.example.com.", "example.com."}},
		{"Q7a no level but global", federation.Flat, federation.Topology{}, []federation.FQDN{"example.com."}},
	} {
		t.Run(tt.id, func(t *testing.T) {
			f := federation.Federation{Name: fed, Domain: "example.com.", Naming: tt.naming}
			if diff := cmp.Diff(tt.want, f.Path(tt.at)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParse(t *testing.T) {
	name := func(s string) (string, error) { l, err := federation.ParseName(s); return string(l), err }
	domain := func(s string) (string, error) { d, err := federation.ParseDomain(s); return string(d), err }
	label := func(s string) (string, error) { l, err := federation.ParseLabel(s); return string(l), err }
	fqdn := func(s string) (string, error) { n, err := federation.ParseFQDN(s); return string(n), err }
	naming := func(s string) (string, error) { n, err := federation.ParseNaming(s); return string(n), err }
	owner := federation.ParseOwnerID
	for _, tt := range []struct {
		id    string
		parse func(string) (string, error)
		in    string
		want  string // with a leading "!": part of the error
	}{
		{"N4 federation name", name, "myfederation", "myfederation"},
		{"N4 federation name is lower-cased", name, "MyFederation", "myfederation"},
		{"N4 federation name svc", name, "svc", "!reserved by Kubernetes"},
		{"N4 federation name pod", name, "POD", "!reserved by Kubernetes"},
		{"N4 federation name with a dot", name, "my.federation", "!not a DNS-1123 label"},
		{"N4 federation name empty", name, "", "!1 to 63 are allowed"},
		{"N4 federation name with a hyphen at its end", name, "fed-", "!not a DNS-1123 label"},
		{"N4 federation name with an underscore", name, "_fed", "!not a DNS-1123 label"},
		{"N4 domain without a trailing dot", domain, "example.com", "example.com."},
		{"N4 domain with a trailing dot", domain, "Example.COM.", "example.com."},
		{"N4 domain with two trailing dots", domain, "example.com..", "!label \"\""},
		{"N4 domain with an underscore", domain, "_tcp.example.com", "!underscore"},
		{"N4 domain empty", domain, "", "!is empty"},
		{"N4 domain is the root", domain, ".", "!is empty"},
		{"N4 domain with a wildcard", domain, "*.example.com", "!not a DNS-1123 label"},
		{"N4 label of 63", label, label63[:63], label63[:63]},
		{"N4 label of 64", label, label63, "!1 to 63 are allowed"},
		{"N4 label is lower-cased", label, "US-Central1", "us-central1"},
		{"N4 label with a letter outside ASCII", label, "\u212Aiel", "!not a DNS-1123 label"},
		{"N4 name with a letter outside ASCII", fqdn, "\u212A.example.com", "!not a DNS-1123 label"},
		{"RFC 8552 name with an underscore", fqdn, "_claim.example.com", "_claim.example.com."},
		{"RFC 1035 label of 64 with its underscore", fqdn, "_" + label63[:63] + ".example.com",
			"!at most 63 are allowed"},
		{"N6 name of 255 octets", fqdn, strings.Repeat(label63[:62]+".", 4) + "a", strings.Repeat(label63[:62]+".", 4) +
			"a."},
		{"N6 name of 256 octets", fqdn, strings.Repeat(label63[:62]+".", 4) + "ab", "!has 256 octets"},
		{"N3 naming", naming, "nested", "nested"},
		{"N2 naming by default", naming, "", "flat"},
		{"N3 unknown naming", naming, "Flat", "!\"flat\" and \"nested\" are allowed"},
		{"O1d owner", owner, "syncer-eu", "syncer-eu"},
		{"O1d owner empty", owner, "", "!1 to 200 are allowed"},
		{"O1d owner too long", owner, strings.Repeat("a", 201), "!1 to 200 are allowed"},
		{"O1d owner with a blank", owner, "a b", "!printable ASCII"},
		{"O1d owner with a quote", owner, `a"b`, "!printable ASCII"},
	} {
		t.Run(tt.id, func(t *testing.T) {
			got, err := tt.parse(tt.in)
			if part, wantErr := strings.CutPrefix(tt.want, "!"); wantErr {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, %v; want an error with %q", got, err, part)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestTopLevelDomain(t *testing.T) {
	for name, want := range map[federation.Label]federation.TopLevel{
		"com": federation.Public, "dev": federation.Public, "uk": federation.Public, "ck": federation.Public,
		"arpa": federation.Public, "prod": federation.Public, // home.arpa is below arpa
		"internal": federation.SpecialUse, "local": federation.SpecialUse, "localhost": federation.SpecialUse,
		"test": federation.SpecialUse, "example": federation.SpecialUse, "invalid": federation.SpecialUse,
		"onion": federation.SpecialUse, "alt": federation.SpecialUse,
		"home": federation.Private, "lan": federation.Private, "corp": federation.Private,
		"localdomain": federation.Private, "intranet": federation.Private, "consul": federation.Private,
		"myfederation": "", "staging": "", "svc": "", "github": "", "com-eu": "", "internal2": "",
	} {
		for _, rule := range []string{"N4 ", "Q4b "} {
			t.Run(rule+string(name), func(t *testing.T) {
				if got := federation.TopLevelDomain(name); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			})
		}
	}
}

func TestIn(t *testing.T) {
	for _, tt := range []struct {
		name, suffix federation.FQDN
		want         bool
	}{
		{"a.example.com.", "example.com.", true},
		{"example.com.", "example.com.", true},
		{"example.com.", ".", true},
		{"badexample.com.", "example.com.", false},
		{"com.", "example.com.", false},
		{`a\.example.com.`, "example.com.", false},
		{`a\\.example.com.`, "example.com.", true},
		{"example.com.", "", false},
		{"", "example.com.", false},
		{"", ".", false},
	} {
		if got := tt.name.In(tt.suffix); got != tt.want {
			t.Errorf("%q in %q: got %v, want %v", tt.name, tt.suffix, got, tt.want)
		}
	}
}

func TestParseOwner(t *testing.T) {
	flat := federation.Federation{Name: fed, Domain: "example.com.", Naming: federation.Flat}
	for _, tt := range []struct {
		id    string
		name  federation.FQDN
		level federation.FQDN // "" if the name is not ours
	}{
		{"O2 global", "nginx.ns.myfederation.svc.example.com.", "example.com."},
		{"O2 one label", "nginx.ns.myfederation.svc.us-east1.example.com.", "us-east1.example.com."},
		{"O2 two labels, of the other naming", "nginx.ns.myfederation.svc.z.r.example.com.", "z.r.example.com."},
		{"O2 three labels", "nginx.ns.myfederation.svc.a.z.r.example.com.", ""},
		{"O2 another federation", "nginx.ns.other.svc.example.com.", ""},
		{"O2 another domain", "nginx.ns.myfederation.svc.example.org.", ""},
		{"O2 a domain that ends alike", "nginx.ns.myfederation.svc.badexample.com.", ""},
		{"O2 no namespace", "nginx.myfederation.svc.example.com.", ""},
		{"O2 no svc", "nginx.ns.myfederation.example.com.", ""},
		{"O2 the claim", "_claim.myfederation.svc.example.com.", ""},
		{"O2 a claim as the namespace", "x._claim.myfederation.svc.example.com.", ""},
		{"O2 SRV names are not written", "_http._tcp.nginx.ns.myfederation.svc.example.com.", ""},
		{"O2 wildcard", "*.ns.myfederation.svc.example.com.", ""},
		{"O2 a level with an underscore", "nginx.ns.myfederation.svc._r.example.com.", ""},
		{"O2 an escape", `ng\.inx.ns.myfederation.svc.example.com.`, ""},
		{"O2 the domain", "example.com.", ""},
		{"O2 no name", "", ""},
	} {
		t.Run(tt.id, func(t *testing.T) {
			svc, level, ok := flat.ParseOwner(tt.name)
			if level != tt.level || ok != (tt.level != "") {
				t.Errorf("got %v, %q, %v", svc, level, ok)
			}
		})
	}
}

func FuzzWireOctets(f *testing.F) {
	for _, s := range []string{".", "example.com.", `a\.b.example.com.`, `\001\255.example.com.`, `\\.`, `\00A.`,
		strings.Repeat(label63[:63]+".", 5), strings.Repeat("a.", 127)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if _, ok := dns.IsDomainName(s); !ok || !dns.IsFqdn(s) {
			return
		}
		buf := make([]byte, 4*len(s)+16)
		octets, err := dns.PackDomainName(s, buf, 0, nil, false)
		if err != nil {
			return
		}
		if got := federation.FQDN(s).WireOctets(); got != octets {
			t.Errorf("N6 %q: got %d octets, the library packs %d", s, got, octets)
		}
	})
}

func FuzzParseFQDN(f *testing.F) {
	for _, s := range []string{"example.com", "Example.COM.", "_claim.f.svc.example.com.", "\u212A.", "a..b", label63} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := federation.ParseFQDN(s)
		if err != nil {
			return
		}
		again, err := federation.ParseFQDN(string(name))
		if err != nil || again != name {
			t.Errorf("%q parses to %q, that to %q, %v", s, name, again, err)
		}
		if _, ok := dns.IsDomainName(string(name)); !ok || name != federation.CanonicalName(s) ||
			name.WireOctets() > federation.MaxNameOctets {
			t.Errorf("%q parses to %q", s, name)
		}
	})
}

func FuzzParseOwner(f *testing.F) {
	for _, s := range []string{"nginx.ns.myfederation.svc.example.com.", "a.b.myfederation.svc.z.r.example.com.",
		"_claim.myfederation.svc.example.com."} {
		f.Add(s)
	}
	fd := federation.Federation{Name: fed, Domain: "example.com.", Naming: federation.Flat}
	f.Fuzz(func(t *testing.T, s string) {
		svc, level, ok := fd.ParseOwner(federation.FQDN(s))
		if ok && fd.OwnerName(svc, level) != federation.FQDN(s) {
			t.Errorf("O2 %q is taken apart to %v at %q", s, svc, level)
		}
	})
}

func TestParent(t *testing.T) {
	for name, want := range map[federation.FQDN]federation.FQDN{
		"": "", ".": "", "org.": ".", "example.org.": "org.", `a\.b.org.`: "org.", `a\046\\.b.org.`: "b.org.",
	} {
		t.Run("the parent of "+string(name), func(t *testing.T) {
			if got := name.Parent(); got != want {
				t.Errorf("it is %q, want %q", got, want)
			}
		})
	}
}
