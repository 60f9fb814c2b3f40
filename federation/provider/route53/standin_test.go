package route53_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/providertest"
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
	secret = "a secret of the tests"
)

const (
	zone   = federation.FQDN("example.com.")
	zoneID = "Z0123456789ABCDEFGHIJ"
)

// start starts a stand-in whose requests and answers are all checked against
// AWS's description.
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
	m, err := model()
	if err != nil {
		t.Fatal(err)
	}
	return func(e fakecloud.Exchange) {
		if err := m.Check(e); err != nil {
			t.Errorf("%v\n%s\n%s", err, e.Body, e.Answer)
		}
	}
}

// fast is a budget that hardly makes anybody wait.
func fast() *budget.Budget { return budget.New(1e6) }

// connect returns a provider of the hosted zone.
func connect(t testing.TB, s *standin.Server, change func(*route53.Config)) *route53.Provider {
	t.Helper()
	config := route53.Config{Domain: zone, HostedZoneID: zoneID, Endpoint: s.URL, Budget: fast()}
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

// put places an RRset as somebody else would.
func put(t testing.TB, s *standin.Server, set federation.RRset) {
	t.Helper()
	if err := s.Load(zoneID, cloudzone.Set{Name: string(set.Name), Type: set.Type, TTL: set.TTL, Data: set.Data}); err != nil {
		t.Fatal(err)
	}
}

func TestProvider(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Target {
		s := start(t)
		return providertest.Target{
			Provider: connect(t, s, nil), Zone: zone, DNS: s.DNS,
			Put:   func(set federation.RRset) { put(t, s, set) },
			Break: func(kind error, name federation.FQDN) func() { return broken(s, kind, name) },
		}
	})
}

// broken makes requests that concern the name fail.
func broken(s *standin.Server, kind error, name federation.FQDN) (mend func()) {
	fates := map[error]func(change bool) fakecloud.Fate{
		provider.ErrRefused: func(change bool) fakecloud.Fate {
			if change {
				return fakecloud.Fate{Status: 400, Code: "InvalidInput"}
			}
			return fakecloud.Fate{Status: 403, Code: "AccessDenied"}
		},
		provider.ErrUnknownOutcome: func(bool) fakecloud.Fate { return fakecloud.Fate{HangUp: true} },
	}
	if fates[kind] == nil {
		return nil
	}
	s.SetFaults(fakecloud.Faults{Fate: func(r fakecloud.Request) fakecloud.Fate {
		if change := slices.Contains(r.Names, string(name)); change || r.Name == string(name) {
			return fates[kind](change)
		}
		return fakecloud.Fate{}
	}})
	return func() { s.SetFaults(fakecloud.Faults{}) }
}

func name(label string) federation.FQDN {
	return federation.FQDN(label + ".ns.fed.svc." + string(zone))
}

func set(n federation.FQDN, typ string, data ...string) federation.RRset {
	return federation.RRset{Name: n, Type: typ, TTL: 180, Data: data}
}

// says checks that the error has each of the words, and no secret.
func says(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one that says %q", words)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("error %q has a secret", err)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q has several lines", err)
	}
}

// setOf is an RRset of Route 53's own kinds: "alias", "policy".
func setOf(n federation.FQDN, typ, special, id string) cloudzone.Set {
	return cloudzone.Set{Name: string(n), Type: typ, TTL: 60, ID: id, Special: special, Data: []string{"192.0.2.99"}}
}

// foreign fills the zone with that many RRsets of others, most of them outside
// of what is ours.
func foreign(t testing.TB, s *standin.Server, count int) {
	t.Helper()
	all := make([]cloudzone.Set, count)
	for i := range all {
		all[i] = cloudzone.Set{Name: fmt.Sprintf("host-%d.%s", i, zone), Type: "A", TTL: 60, Data: []string{"192.0.2.1"}}
	}
	if err := s.Load(zoneID, all...); err != nil {
		t.Fatal(err)
	}
}

// record returns the bodies of the requests to change something from now on.
func record(t testing.TB, s *standin.Server) func() [][]byte {
	check := checker(t)
	var mu sync.Mutex
	var bodies [][]byte
	s.Observe(func(e fakecloud.Exchange) {
		check(e)
		if len(e.Body) > 0 {
			mu.Lock()
			defer mu.Unlock()
			bodies = append(bodies, e.Body)
		}
	})
	return func() [][]byte {
		mu.Lock()
		defer mu.Unlock()
		return bodies
	}
}
