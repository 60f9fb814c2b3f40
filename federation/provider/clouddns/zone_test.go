package clouddns_test

import (
	"testing"

	"github.com/federation-dns/federation/federation/provider/clouddns"
	"github.com/federation-dns/federation/federation/provider/internal/cloud/cloudtest"
	standin "github.com/federation-dns/federation/test/clouddns"
)

func TestFindZone(t *testing.T) {
	service.FindsZone(t, "managedZone", []cloudtest.Search{
		{Name: "by number", Domain: "example.com.", Zone: "1000000000000000002", Want: "com-intern", Requests: 1},
		{Name: "above one that forwards", Domain: "onward.example.org.", Want: "org", Requests: 2},
		{Name: "only one that forwards", Domain: "onward.example.org.", Visibility: "private",
			Words: []string{"onward (private, for forwarding)", "org (public)"}, Requests: 3},
		{Name: "one that forwards by name", Domain: "onward.example.org.", Zone: "onward",
			Words: []string{"onward", "no records", "forwarding"}, Requests: 1},
	}...)
	t.Run("X7 another project than that of the credentials", func(t *testing.T) {
		s := start(t)
		p := connect(t, s.Server, func(c *clouddns.Config) { c.Project = standin.Project })
		cloudtest.Must(t, p, nil, cloudtest.Create(1)...)
		p = connect(t, s.Server, func(c *clouddns.Config) { c.Project = "other-project" })
		_, err := p.Get(t.Context(), cloudtest.Name("nginx"))
		cloudtest.Says(t, err, "other-project", "project must be right")
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
		{"managedZone", clouddns.Config{Domain: zone, ManagedZone: "example.com."},
			[]string{"managedZone", `"example.com."`, "a-z"}},
		{"visibility", clouddns.Config{Domain: zone, Visibility: "Private"}, []string{"visibility", `"Private"`,
			`"private"`}},
		{"endpoint", clouddns.Config{Domain: zone, Endpoint: "localhost:8080"}, []string{"endpoint", `"localhost:8080"`,
			"http://HOST"}},
		{"timeout", clouddns.Config{Domain: zone, Timeout: -1}, []string{"timeout"}},
	} {
		t.Run("X7 "+tt.name, func(t *testing.T) {
			_, err := clouddns.New(tt.config)
			cloudtest.Says(t, err, append(tt.words, "clouddns: ")...)
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
		{"X5b the project of the credentials", clouddns.Config{ManagedZone: "a"}, clouddns.Config{ManagedZone: "b",
			Visibility: "private"}, true},
		{"X5b two zones of a project", clouddns.Config{Project: "project-a", ManagedZone: "a"},
			clouddns.Config{Project: "project-a"}, true},
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
