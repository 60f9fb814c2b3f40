package route53_test

import (
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/internal/cloud/cloudtest"
	"github.com/federation-dns/federation/federation/provider/route53"
	"github.com/federation-dns/federation/test/cloudzone"
	"github.com/federation-dns/federation/test/fakecloud"
	"github.com/federation-dns/federation/test/needs"
	standin "github.com/federation-dns/federation/test/route53"
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
	key    = "AKIAEXAMPLE000000000"
	secret = cloudtest.Secret
	zone   = cloudtest.Domain
	zoneID = "Z0123456789ABCDEFGHIJ"
)

var service = cloudtest.Service{
	Name: "route53",
	Zone: zoneID,
	ZoneID: func(label string) string {
		return "Z" + strings.ToUpper(strings.ReplaceAll(label, "-", ""))
	},
	Start: func(t *testing.T, zones ...fakecloud.Zone) *fakecloud.Server { return start(t, zones...).Server },
	Connect: func(t *testing.T, s *fakecloud.Server, change func(*cloudtest.Options)) provider.Provider {
		return connect(t, s, func(c *route53.Config) {
			o := cloudtest.Defaults(s, zoneID, change)
			c.Domain, c.HostedZoneID, c.Visibility, c.Endpoint = o.Domain, o.Zone, o.Visibility, o.Endpoint
			c.Timeout, c.Budget = o.Timeout, o.Budget
		})
	},
	API: cloudtest.API{
		Change: "ChangeResourceRecordSets", Read: "ListResourceRecordSets",
		GetZone: "GetHostedZone", FindZones: "ListHostedZonesByName",
		Addition: "CREATE", InOrder: true,
	},
	Errors: cloudtest.Errors{
		Denied:      fakecloud.Fate{Status: 403, Code: "AccessDenied"},
		Invalid:     fakecloud.Fate{Status: 400, Code: "InvalidInput"},
		Throttled:   fakecloud.Fate{Status: 400, Code: "Throttling"},
		Unavailable: fakecloud.Fate{Status: 503, Code: "ServiceUnavailable"},
		Internal:    fakecloud.Fate{Status: 500, Code: "InternalFailure"},
		NoZone:      fakecloud.Fate{Status: 404, Code: "NoSuchHostedZone"},
		Denial: func(action string) []string {
			words := []string{"AccessDenied", "route53:" + action}
			if action == "ChangeResourceRecordSets" {
				words = append(words, cloudtest.InZone, "route53-policy.json")
			}
			return words
		},
		Full:      []string{"limit of 23 exceeded", "raised"},
		Untrusted: "AWS_CA_BUNDLE",
	},
	Special: map[string]cloudzone.Set{"alias": {Special: "alias"}, "routing policy": {Special: "policy", ID: "blue"}},
}

// start starts a fake whose requests and answers are all checked against AWS's description.
func start(t testing.TB, zones ...fakecloud.Zone) *standin.Server {
	t.Helper()
	if len(zones) == 0 {
		zones = []fakecloud.Zone{{ID: zoneID, Name: string(zone)}}
	}
	s, err := standin.Start(zones...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.Observe(checker(t))
	return s
}

var model = sync.OnceValues(standin.LoadModel)

// checker checks against AWS's description.
func checker(t testing.TB) func(fakecloud.Exchange) {
	t.Helper()
	needs.File(t, standin.ModelPath, "python3-botocore")
	return cloudtest.Checker(t, model)
}

// connect returns a provider of the hosted zone.
func connect(t testing.TB, s *fakecloud.Server, change func(*route53.Config)) *route53.Provider {
	t.Helper()
	config := route53.Config{Domain: zone, HostedZoneID: zoneID, Endpoint: s.URL, Budget: cloudtest.Unlimited()}
	if change != nil {
		change(&config)
	}
	p, err := route53.New(config)
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
