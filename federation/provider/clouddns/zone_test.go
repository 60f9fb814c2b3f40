package clouddns_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/clouddns"
	standin "github.com/federation-dns/federation/test/clouddns"
	"github.com/federation-dns/federation/test/fakecloud"
)

// project has managed zones of all kinds.
var project = []fakecloud.Zone{
	{ID: "org", Name: "example.org."},
	{ID: "com", Name: "example.com."},
	{ID: "com-intern", Name: "example.com.", Private: true},
	{ID: "dns", Name: "dns.example.com."},
	{ID: "intern", Name: "intern.example.com.", Private: true},
	{ID: "two", Name: "two.example.org.", Private: true},
	{ID: "two-more", Name: "two.example.org.", Private: true},
	{ID: "long", Name: "xdns.example.com."},
	{ID: "onward", Name: "onward.example.org.", Private: true, Forwards: true},
}

func TestFindZone(t *testing.T) {
	for _, tt := range []struct {
		name             string
		domain           federation.FQDN
		zone, visibility string
		want             string   // its name
		words            []string // of the error, if there is one
		requests         int
	}{
		{name: "by name", domain: "example.com.", zone: "com", want: "com", requests: 1},
		{name: "by id", domain: "example.com.", zone: "1000000000000000002", want: "com-intern", requests: 1},
		{name: "by name, of a parent", domain: "a.b.example.com.", zone: "com", want: "com", requests: 1},
		{name: "by domain", domain: "example.org.", want: "org", requests: 1},
		{name: "by domain, of a parent", domain: "a.b.example.org.", want: "org", requests: 3},
		{name: "the longest name", domain: "fed.dns.example.com.", want: "dns", requests: 2},
		{name: "a name that ends alike", domain: "ydns.example.com.", visibility: "public", want: "com", requests: 2},
		{name: "public of both", domain: "example.com.", visibility: "public", want: "com", requests: 1},
		{name: "private of both", domain: "fed.example.com.", visibility: "private", want: "com-intern", requests: 2},
		{name: "public above private", domain: "intern.example.com.", visibility: "public", want: "com", requests: 2},
		{name: "above one that forwards", domain: "onward.example.org.", want: "org", requests: 2},
		{name: "both, and none is said", domain: "example.com.", words: []string{`"example.com."`, "com (public)", "com-intern (private)", "visibility"}, requests: 1},
		{name: "two private ones", domain: "two.example.org.", visibility: "private", words: []string{"two (private)", "two-more (private)", "managedZone"}, requests: 1},
		{name: "none is private", domain: "fed.dns.example.org.", visibility: "private", words: []string{"org (public)", "check visibility"}, requests: 4},
		{name: "only one that forwards", domain: "onward.example.org.", visibility: "private", words: []string{"onward (private, for forwarding)", "org (public)"}, requests: 3},
		{name: "none at all", domain: "example.net.", words: []string{`"example.net."`, "create it", "project"}, requests: 2},
		{name: "no such name", domain: "example.com.", zone: "none", words: []string{"notFound", "'none'", "check managedZone"}, requests: 1},
		{name: "a name of another domain", domain: "example.org.", zone: "com", words: []string{"com", `"example.com."`, `"example.org."`, "check managedZone and domain"}, requests: 1},
		{name: "a name of the wrong visibility", domain: "example.com.", zone: "com", visibility: "private", words: []string{"com", "not private"}, requests: 1},
		{name: "one that forwards by name", domain: "onward.example.org.", zone: "onward", words: []string{"onward", "no records", "forwarding"}, requests: 1},
	} {
		t.Run("X7 "+tt.name, func(t *testing.T) {
			s := start(t, slices.Clone(project)...)
			p := connect(t, s, func(c *clouddns.Config) {
				c.Domain, c.ManagedZone, c.Visibility = tt.domain, tt.zone, tt.visibility
			})
			n := "nginx.ns.fed.svc." + tt.domain
			c := plan.Change{Name: n, To: []federation.RRset{set(n, "A", "192.0.2.1")}}
			err := p.Apply(t.Context(), nil, []plan.Change{c})[0]
			if tt.want == "" {
				says(t, err, tt.words...)
				if !errors.Is(err, provider.ErrRefused) {
					t.Errorf("error is %v", err)
				}
				if got := len(s.Requests()); got != tt.requests {
					t.Errorf("it took %d requests, want %d: %v", got, tt.requests, actions(s))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := len(s.RRsets(tt.want)); got != 3 {
				t.Errorf("managed zone %s has %d RRsets", tt.want, got)
			}
			must(t, p, nil, plan.Change{Name: n, From: c.To})
			if got := len(s.Requests()); got != tt.requests+2 {
				t.Errorf("it took %d requests, want %d to look and 2 for the changes: %v", got, tt.requests, actions(s))
			}
		})
	}
	t.Run("X7 the zone is looked for again after it was gone", func(t *testing.T) {
		s := start(t)
		p := connect(t, s, func(c *clouddns.Config) { c.ManagedZone = "" })
		changes := create(2)
		must(t, p, nil, changes[0])
		s.SetFaults(fakecloud.Faults{Fate: changeOnly(fakecloud.Fate{Status: 404, Code: "notFound", Message: "The 'parameters.managedZone' resource named 'example-com' does not exist."})})
		if err := p.Apply(t.Context(), nil, changes[1:])[0]; !errors.Is(err, provider.ErrRefused) {
			t.Errorf("error is %v", err)
		}
		s.Reset()
		must(t, p, nil, changes[1])
		if diff := cmp.Diff([]string{"managedZones.list", "changes.create"}, actions(s)); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
	t.Run("X7 more managed zones than one answer has", func(t *testing.T) {
		var many []fakecloud.Zone
		for i := range 120 {
			many = append(many, fakecloud.Zone{ID: fmt.Sprintf("zone-%03d", i), Name: "example.com.", Private: i != 110})
		}
		s := start(t, many...)
		p := connect(t, s, func(c *clouddns.Config) { c.ManagedZone, c.Visibility = "", "public" })
		must(t, p, nil, create(1)...)
		if got := len(s.RRsets(many[110].ID)); got != 4 {
			t.Errorf("the managed zone has %d RRsets", got)
		}
	})
	t.Run("X7 finding the managed zone is not allowed", func(t *testing.T) {
		for _, tt := range []struct{ zone, action, file string }{{zoneName, "managedZones.get", "clouddns-role.yaml"}, {"", "managedZones.list", "clouddns-find-role.yaml"}} {
			s := start(t)
			s.SetFaults(fakecloud.Faults{Fate: always(tt.action, fakecloud.Fate{Status: 403, Code: "forbidden"})})
			p := connect(t, s, func(c *clouddns.Config) { c.ManagedZone = tt.zone })
			_, err := p.Get(t.Context(), name("nginx"))
			says(t, err, "forbidden", "dns."+tt.action, tt.file)
		}
	})
	t.Run("X7 another project than that of the credentials", func(t *testing.T) {
		s := start(t)
		p := connect(t, s, func(c *clouddns.Config) { c.Project = standin.Project })
		must(t, p, nil, create(1)...)
		p = connect(t, s, func(c *clouddns.Config) { c.Project = "other-project" })
		_, err := p.Get(t.Context(), name("nginx"))
		says(t, err, "other-project", "project must be right")
	})
}

func TestNew(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config clouddns.Config
		words  []string
	}{
		{"no domain", clouddns.Config{}, []string{"domain"}},
		{"a domain that is none", clouddns.Config{Domain: "exa mple.com."}, []string{"domain", "exa mple"}},
		{"project", clouddns.Config{Domain: zone, Project: "My Project"}, []string{"project", `"My Project"`, "a-z"}},
		{"managedZone", clouddns.Config{Domain: zone, ManagedZone: "example.com."}, []string{"managedZone", `"example.com."`, "a-z"}},
		{"visibility", clouddns.Config{Domain: zone, Visibility: "Private"}, []string{"visibility", `"Private"`, `"private"`}},
		{"endpoint", clouddns.Config{Domain: zone, Endpoint: "localhost:8080"}, []string{"endpoint", `"localhost:8080"`, "http://HOST"}},
		{"timeout", clouddns.Config{Domain: zone, Timeout: -1}, []string{"timeout"}},
	} {
		t.Run("X7 "+tt.name, func(t *testing.T) {
			_, err := clouddns.New(tt.config)
			says(t, err, append(tt.words, "clouddns: ")...)
		})
	}
	for _, id := range []string{"my-project-123", "example.com:my-project", "123456789012"} {
		t.Run("X7 project "+id, func(t *testing.T) {
			if _, err := clouddns.New(clouddns.Config{Domain: zone, Project: id}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBudgetKey(t *testing.T) {
	for _, tt := range []struct {
		name string
		a, b clouddns.Config
		same bool
	}{
		{"X5b the project of the credentials", clouddns.Config{ManagedZone: "a"}, clouddns.Config{ManagedZone: "b", Visibility: "private"}, true},
		{"X5b two zones of a project", clouddns.Config{Project: "project-a", ManagedZone: "a"}, clouddns.Config{Project: "project-a"}, true},
		{"X5b two projects", clouddns.Config{Project: "project-a"}, clouddns.Config{Project: "project-b"}, false},
		{"X5b a project, and none", clouddns.Config{Project: "project-a"}, clouddns.Config{}, false},
		{"X5b another endpoint", clouddns.Config{Endpoint: "http://127.0.0.1:1"}, clouddns.Config{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.a.BudgetKey() == tt.b.BudgetKey(); got != tt.same {
				t.Errorf("%q and %q", tt.a.BudgetKey(), tt.b.BudgetKey())
			}
		})
	}
}
