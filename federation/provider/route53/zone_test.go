package route53_test

import (
	"testing"

	"github.com/federation-dns/federation/federation/provider/internal/cloud/cloudtest"
	"github.com/federation-dns/federation/federation/provider/route53"
)

func TestFindZone(t *testing.T) {
	service.FindsZone(t, "hostedZoneID", cloudtest.Search{Name: "by id, with its path",
		Domain: "example.com.", Zone: "/hostedzone/ZCOMINTERN", Want: "ZCOMINTERN", Requests: 1})
}

func TestNew(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config route53.Config
		words  []string
	}{
		{"no domain", route53.Config{}, []string{"domain"}},
		{"a domain that is none", route53.Config{Domain: "exa mple.com."}, []string{"domain", "exa mple"}},
		{"hostedZoneID", route53.Config{Domain: zone, HostedZoneID: "zone-1"}, []string{"hostedZoneID", `"zone-1"`,
			"A-Z"}},
		{"visibility", route53.Config{Domain: zone, Visibility: "Private"}, []string{"visibility", `"Private"`,
			`"private"`}},
		{"region", route53.Config{Domain: zone, Region: "US East"}, []string{"region", `"US East"`}},
		{"roleARN", route53.Config{Domain: zone, RoleARN: "syncer"}, []string{"roleARN", `"syncer"`, "arn:aws:iam::"}},
		{"externalID", route53.Config{Domain: zone, ExternalID: "id"}, []string{"externalID", "roleARN"}},
		{"endpoint", route53.Config{Domain: zone, Endpoint: "localhost:4566"}, []string{"endpoint", `"localhost:4566"`,
			"http://HOST"}},
		{"timeout", route53.Config{Domain: zone, Timeout: -1}, []string{"timeout"}},
	} {
		t.Run("X7 "+tt.name, func(t *testing.T) {
			_, err := route53.New(tt.config)
			cloudtest.Says(t, err, append(tt.words, "route53: ")...)
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
		{"X5b the default credentials", route53.Config{HostedZoneID: "Z1"}, route53.Config{HostedZoneID: "Z2",
			Visibility: "private"}, true},
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
