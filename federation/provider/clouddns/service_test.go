package clouddns_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/clouddns"
	"github.com/federation-dns/federation/federation/provider/internal/cloud/cloudtest"
	standin "github.com/federation-dns/federation/test/clouddns"
	"github.com/federation-dns/federation/test/cloudzone"
	"github.com/federation-dns/federation/test/fakecloud"
)

func TestMain(m *testing.M) {
	for name, value := range environment {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

const (
	zone     = cloudtest.Domain
	zoneName = "example-com"
)

var service = cloudtest.Service{
	Name:   "clouddns",
	Zone:   zoneName,
	ZoneID: func(label string) string { return label },
	Start:  func(t *testing.T, zones ...fakecloud.Zone) *fakecloud.Server { return start(t, zones...).Server },
	Connect: func(t *testing.T, s *fakecloud.Server, change func(*cloudtest.Options)) provider.Provider {
		return connect(t, s, func(c *clouddns.Config) {
			o := cloudtest.Defaults(s, zoneName, change)
			c.Domain, c.ManagedZone, c.Visibility, c.Endpoint = o.Domain, o.Zone, o.Visibility, o.Endpoint
			c.Timeout, c.Budget = o.Timeout, o.Budget
		})
	},
	API: cloudtest.API{
		Change: "changes.create", Read: "resourceRecordSets.list",
		GetZone: "managedZones.get", FindZones: "managedZones.list",
		Addition: "ADD",
	},
	Errors: cloudtest.Errors{
		Denied:      fakecloud.Fate{Status: 403, Code: "forbidden"},
		Invalid:     fakecloud.Fate{Status: 400, Code: "invalid"},
		Throttled:   fakecloud.Fate{Status: 429, Code: "rateLimitExceeded"},
		Unavailable: fakecloud.Fate{Status: 503, Code: "backendError"},
		Internal:    fakecloud.Fate{Status: 500, Code: "internalError"},
		NoZone: fakecloud.Fate{Status: 404, Code: "notFound",
			Message: "The 'parameters.managedZone' resource named 'example-com' does not exist."},
		Denial: func(action string) []string {
			words := []string{"403", "forbidden", "dns." + action}
			if action == "managedZones.list" {
				return append(words, "clouddns-find-role.yaml")
			}
			return append(words, "clouddns-role.yaml")
		},
		Full:      []string{"quotaExceeded", "resource record sets per managed zone", "raised"},
		Untrusted: "SSL_CERT_FILE",
	},
	Special: map[string]cloudzone.Set{"routing policy": {Special: "policy"}},
}

// start starts a fake whose requests and answers are all checked against Google's description, and makes its
// credentials the default ones.
func start(t *testing.T, zones ...fakecloud.Zone) *standin.Server {
	t.Helper()
	if len(zones) == 0 {
		zones = []fakecloud.Zone{{ID: zoneName, Name: string(zone)}}
	}
	s, err := standin.Start(zones...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.Observe(checker(t))
	text, err := s.Credentials()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "credentials.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	return s
}

var model = sync.OnceValues(standin.LoadModel)

// checker checks against Google's description.
func checker(t testing.TB) func(fakecloud.Exchange) {
	t.Helper()
	return cloudtest.Checker(t, model)
}

// connect returns a provider of the managed zone.
func connect(t testing.TB, s *fakecloud.Server, change func(*clouddns.Config)) *clouddns.Provider {
	t.Helper()
	config := clouddns.Config{Domain: zone, ManagedZone: zoneName, Endpoint: s.URL, Budget: cloudtest.Unlimited()}
	if change != nil {
		change(&config)
	}
	p, err := clouddns.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func TestProvider(t *testing.T)     { service.Provider(t) }
func TestChanges(t *testing.T)      { service.Changes(t) }
func TestContext(t *testing.T)      { service.Cancels(t) }
func TestSharedBudget(t *testing.T) { service.SharedBudget(t) }
func TestPermissions(t *testing.T)  { service.Permissions(t) }
func TestReach(t *testing.T)        { service.Reach(t) }
