package route53_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/route53"
	"github.com/federation-dns/federation/test/fakecloud"
)

// account has hosted zones of all kinds.
var account = []fakecloud.Zone{
	{ID: "ZORG", Name: "example.org."},
	{ID: "ZCOM", Name: "example.com."},
	{ID: "ZCOMINTERN", Name: "example.com.", Private: true},
	{ID: "ZDNS", Name: "dns.example.com."},
	{ID: "ZINTERN", Name: "intern.example.com.", Private: true},
	{ID: "ZTWO", Name: "two.example.org.", Private: true},
	{ID: "ZTWOMORE", Name: "two.example.org.", Private: true},
	{ID: "ZLONG", Name: "xdns.example.com."},
}

func TestFindZone(t *testing.T) {
	for _, tt := range []struct {
		name           string
		domain         federation.FQDN
		id, visibility string
		want           string   // id
		words          []string // of the error, if there is one
		requests       int
	}{
		{name: "by id", domain: "example.com.", id: "ZCOM", want: "ZCOM", requests: 1},
		{name: "by id, with its path", domain: "example.com.", id: "/hostedzone/ZCOMINTERN", want: "ZCOMINTERN", requests: 1},
		{name: "by id, of a parent", domain: "a.b.example.com.", id: "ZCOM", want: "ZCOM", requests: 1},
		{name: "by name", domain: "example.org.", want: "ZORG", requests: 1},
		{name: "by name, of a parent", domain: "a.b.example.org.", want: "ZORG", requests: 3},
		{name: "the longest name", domain: "fed.dns.example.com.", want: "ZDNS", requests: 2},
		{name: "a name that ends alike", domain: "ydns.example.com.", visibility: "public", want: "ZCOM", requests: 2},
		{name: "public of both", domain: "example.com.", visibility: "public", want: "ZCOM", requests: 1},
		{name: "private of both", domain: "fed.example.com.", visibility: "private", want: "ZCOMINTERN", requests: 2},
		{name: "public above private", domain: "intern.example.com.", visibility: "public", want: "ZCOM", requests: 2},
		{name: "both, and none is said", domain: "example.com.", words: []string{`"example.com."`, "ZCOM (public)", "ZCOMINTERN (private)", "visibility"}, requests: 1},
		{name: "two private ones", domain: "two.example.org.", visibility: "private", words: []string{"ZTWO (private)", "ZTWOMORE (private)", "hostedZoneID"}, requests: 1},
		{name: "none is private", domain: "fed.dns.example.org.", visibility: "private", words: []string{"ZORG (public)", "check visibility"}, requests: 4},
		{name: "none at all", domain: "example.net.", words: []string{`"example.net."`, "create it", "account"}, requests: 2},
		{name: "no such id", domain: "example.com.", id: "ZNONE", words: []string{"NoSuchHostedZone", "ZNONE", "check hostedZoneID"}, requests: 1},
		{name: "an id of another domain", domain: "example.org.", id: "ZCOM", words: []string{"ZCOM", `"example.com."`, `"example.org."`, "check hostedZoneID and domain"}, requests: 1},
		{name: "an id of the wrong visibility", domain: "example.com.", id: "ZCOM", visibility: "private", words: []string{"ZCOM", "not private"}, requests: 1},
	} {
		t.Run("X7 "+tt.name, func(t *testing.T) {
			s := start(t, slices.Clone(account)...)
			p := connect(t, s, func(c *route53.Config) {
				c.Domain, c.HostedZoneID, c.Visibility = tt.domain, tt.id, tt.visibility
			})
			n := "nginx.ns.fed.svc." + tt.domain
			err := p.Apply(t.Context(), nil, []plan.Change{{Name: n, To: []federation.RRset{set(n, "A", "192.0.2.1")}}})[0]
			if len(tt.words) > 0 {
				says(t, err, tt.words...)
				if !errors.Is(err, provider.ErrRefused) {
					t.Errorf("error is %v", err)
				}
			} else if err != nil || len(s.RRsets(tt.want)) != 3 {
				t.Errorf("%v, and hosted zone %s has %v", err, tt.want, s.RRsets(tt.want))
			}
			if got := len(s.Requests()) - s.Count("ChangeResourceRecordSets"); got != tt.requests {
				t.Errorf("%d requests to find the hosted zone, want %d", got, tt.requests)
			}
		})
	}
	t.Run("X7 the hosted zone is looked for again after it was gone", func(t *testing.T) {
		s := start(t)
		p := connect(t, s, func(c *route53.Config) { c.HostedZoneID = "" })
		changes := create(2)
		must(t, p, nil, changes[0])
		s.SetFaults(fakecloud.Faults{Fate: changeOnly(fakecloud.Fate{Status: 404, Code: "NoSuchHostedZone"})})
		if err := p.Apply(t.Context(), nil, changes[1:])[0]; !errors.Is(err, provider.ErrRefused) {
			t.Errorf("error is %v", err)
		}
		s.Reset()
		must(t, p, nil, changes[1])
		if diff := cmp.Diff([]string{"ListHostedZonesByName", "ChangeResourceRecordSets"}, actions(s)); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
	t.Run("X7 more hosted zones than one answer has", func(t *testing.T) {
		var many []fakecloud.Zone
		for i := range 120 {
			many = append(many, fakecloud.Zone{ID: "ZMANY" + string(rune('A'+i/26)) + string(rune('A'+i%26)), Name: "example.com.", Private: i != 110})
		}
		s := start(t, many...)
		p := connect(t, s, func(c *route53.Config) { c.HostedZoneID, c.Visibility = "", "public" })
		must(t, p, nil, create(1)...)
		if got := len(s.RRsets(many[110].ID)); got != 4 {
			t.Errorf("the hosted zone has %d RRsets", got)
		}
	})
	t.Run("X7 finding the hosted zone is not allowed", func(t *testing.T) {
		for _, tt := range []struct{ id, action string }{{zoneID, "GetHostedZone"}, {"", "ListHostedZonesByName"}} {
			s := start(t)
			s.SetFaults(fakecloud.Faults{Fate: always(tt.action, fakecloud.Fate{Status: 403, Code: "AccessDenied"})})
			p := connect(t, s, func(c *route53.Config) { c.HostedZoneID = tt.id })
			_, err := p.Get(t.Context(), name("nginx"))
			says(t, err, "AccessDenied", "route53:"+tt.action)
		}
	})
}

func TestNew(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config route53.Config
		words  []string
	}{
		{"no domain", route53.Config{}, []string{"domain"}},
		{"a domain that is none", route53.Config{Domain: "exa mple.com."}, []string{"domain", "exa mple"}},
		{"hostedZoneID", route53.Config{Domain: zone, HostedZoneID: "zone-1"}, []string{"hostedZoneID", `"zone-1"`, "A-Z"}},
		{"visibility", route53.Config{Domain: zone, Visibility: "Private"}, []string{"visibility", `"Private"`, `"private"`}},
		{"region", route53.Config{Domain: zone, Region: "US East"}, []string{"region", `"US East"`}},
		{"roleARN", route53.Config{Domain: zone, RoleARN: "syncer"}, []string{"roleARN", `"syncer"`, "arn:aws:iam::"}},
		{"externalID", route53.Config{Domain: zone, ExternalID: "id"}, []string{"externalID", "roleARN"}},
		{"endpoint", route53.Config{Domain: zone, Endpoint: "localhost:4566"}, []string{"endpoint", `"localhost:4566"`, "http://HOST"}},
		{"timeout", route53.Config{Domain: zone, Timeout: -1}, []string{"timeout"}},
	} {
		t.Run("X7 "+tt.name, func(t *testing.T) {
			_, err := route53.New(tt.config)
			says(t, err, append(tt.words, "route53: ")...)
		})
	}
}

func TestBudgetKey(t *testing.T) {
	role := func(account, name string) route53.Config {
		return route53.Config{RoleARN: "arn:aws:iam::" + account + ":role/" + name}
	}
	for _, tt := range []struct {
		name string
		a, b route53.Config
		same bool
	}{
		{"X5b the default credentials", route53.Config{HostedZoneID: "Z1"}, route53.Config{HostedZoneID: "Z2", Visibility: "private"}, true},
		{"X5b two roles of an account", role("123456789012", "a"), role("123456789012", "b"), true},
		{"X5b roles of two accounts", role("123456789012", "a"), role("210987654321", "a"), false},
		{"X5b a role, and none", role("123456789012", "a"), route53.Config{}, false},
		{"X5b another endpoint", route53.Config{Endpoint: "http://127.0.0.1:1"}, route53.Config{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.a.BudgetKey() == tt.b.BudgetKey(); got != tt.same {
				t.Errorf("%q and %q", tt.a.BudgetKey(), tt.b.BudgetKey())
			}
		})
	}
}
