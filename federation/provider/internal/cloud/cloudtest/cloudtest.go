// Package cloudtest tests what the providers of cloud services have in common, against the fakes of these services. It
// completes providertest, which knows nothing of requests and their limits.
package cloudtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/claim/claimtest"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/providertest"
	"github.com/federation-dns/federation/test/cloudzone"
	"github.com/federation-dns/federation/test/fakecloud"
)

// Names that the tests use.
const (
	Domain  = federation.FQDN("example.com.")
	Subtree = "fed.svc." + Domain
	// Secret is the credentials' where the tests choose it.
	Secret = "a secret of the tests"
)

// Claim is that of the federation.
var Claim = Set("_claim."+Subtree, "TXT", `"heritage=federation-dns" "owner=test" "generation=1"`)

// Service is a cloud service, its fake and its provider.
type Service struct {
	// Name begins the provider's errors: "route53".
	Name string
	// Zone is the ID of the zone of Domain.
	Zone string
	// ZoneID returns the ID of a zone that a test calls "com-intern".
	ZoneID func(label string) string
	// Start starts a fake, by default with Zone. All requests and answers are checked against the vendor's description.
	Start func(t *testing.T, zones ...fakecloud.Zone) *fakecloud.Server
	// Connect returns a provider for Zone, unless change says otherwise.
	Connect func(t *testing.T, s *fakecloud.Server, change func(*Options)) provider.Provider

	API
	Errors
	// Special RRsets that the service has, by what the provider calls them. The tests fill in name, type and data.
	Special map[string]cloudzone.Set
}

// API is how the service takes requests.
type API struct {
	// Actions that make a change, read records, read a zone by its ID and look for zones by name.
	Change, Read, GetZone, FindZones string
	// Addition is the verb of an addition in Request.Elements.
	Addition string
	// InOrder: a change is made in the order of its elements, so that the claim's come first; else all deletions come
	// before all additions.
	InOrder bool
}

// Errors of the service, and what the provider says of them.
type Errors struct {
	Denied                fakecloud.Fate // an action is not allowed
	Invalid               fakecloud.Fate // a request is invalid
	Throttled             fakecloud.Fate
	Unavailable, Internal fakecloud.Fate // 503 and 500
	NoZone                fakecloud.Fate // a zone does not exist
	// Denial is what the provider says of an action that is not allowed.
	Denial func(action string) []string
	// Full is what it says of a zone that cannot hold more than 23 RRsets.
	Full []string
	// Untrusted is what it says of an endpoint whose certificate is not trusted.
	Untrusted string
}

// Options are what the configurations of the providers have in common.
type Options struct {
	Domain           federation.FQDN
	Zone, Visibility string
	Endpoint         string
	Timeout          time.Duration
	Budget           *budget.Budget
}

// Defaults returns options for the zone, with a budget that hardly delays a request, as change changes them.
func Defaults(s *fakecloud.Server, zone string, change func(*Options)) Options {
	o := Options{Domain: Domain, Zone: zone, Endpoint: s.URL, Budget: Unlimited()}
	if change != nil {
		change(&o)
	}
	return o
}

// Unlimited returns a budget that hardly delays a request.
func Unlimited() *budget.Budget { return budget.New(1e6) }

// Checker returns a check of requests and answers against the vendor's description, which load returns.
func Checker[Model interface {
	Check(e fakecloud.Exchange) error
}](t testing.TB, load func() (Model, error)) func(fakecloud.Exchange) {
	t.Helper()
	m, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return func(e fakecloud.Exchange) {
		if err := m.Check(e); err != nil {
			t.Errorf("%v\n%s\n%s", err, e.Body, e.Answer)
		}
	}
}

// Claimed returns a fake that has the claim, and a provider that has found the zone.
func (v Service) Claimed(t *testing.T, change func(*Options)) (*fakecloud.Server, provider.Provider) {
	t.Helper()
	s := v.Start(t)
	p := v.Connect(t, s, change)
	Must(t, p, nil, plan.Change{Name: Claim.Name, To: []federation.RRset{Claim}})
	s.Reset()
	return s, p
}

// Provider runs the suite of all providers, and what is the same for all cloud services.
func (v Service) Provider(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Target {
		s := v.Start(t)
		return providertest.Target{
			Provider: v.Connect(t, s, nil), Zone: Domain, DNS: s.DNS,
			Put:   func(set federation.RRset) { v.Put(t, s, set) },
			Break: func(kind error, name federation.FQDN) func() { return v.fail(s, kind, name) },
		}
	})
	t.Run("P3d the SOA record's negative TTL", func(t *testing.T) {
		s, p := v.Claimed(t, nil)
		if got, err := p.NegativeTTL(t.Context()); got != 30 || err != nil {
			t.Errorf("it is %d, %v, want 30", got, err)
		}
		soa := "ns.example.org. hostmaster.example.org. 1 7200 900 1209600 86400"
		v.Put(t, s, federation.RRset{Name: Domain, Type: "SOA", TTL: 20, Data: []string{soa}})
		if got, err := p.NegativeTTL(t.Context()); got != 20 || err != nil {
			t.Errorf("it is %d, %v, want the TTL, 20", got, err)
		}
		if got := len(s.Requests()); got != 2 {
			t.Errorf("it took %d requests", got)
		}
	})
	t.Run("O1b 400 levels", func(t *testing.T) {
		claimtest.ManyLevels(t, v.Connect(t, v.Start(t), nil), Domain)
	})
}

// fail makes requests that concern the name fail, until mend is called. It is nil if the service has no such failure.
func (v Service) fail(s *fakecloud.Server, kind error, name federation.FQDN) (mend func()) {
	fates := map[error]func(change bool) fakecloud.Fate{
		provider.ErrRefused: func(change bool) fakecloud.Fate {
			if change {
				return v.Invalid
			}
			return v.Denied
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

// Put writes an RRset to the zone as another client would.
func (v Service) Put(t testing.TB, s *fakecloud.Server, set federation.RRset) {
	t.Helper()
	one := cloudzone.Set{Name: string(set.Name), Type: set.Type, TTL: set.TTL, Data: set.Data}
	if err := s.Load(v.Zone, one); err != nil {
		t.Fatal(err)
	}
}

// PutForeign writes that many RRsets of others to the zone, outside of the federation's subtree.
func (v Service) PutForeign(t testing.TB, s *fakecloud.Server, count int) {
	t.Helper()
	all := make([]cloudzone.Set, count)
	for i := range all {
		all[i] = cloudzone.Set{Name: fmt.Sprintf("host-%d.%s", i, Domain), Type: "A", TTL: 60,
			Data: []string{"192.0.2.1"}}
	}
	if err := s.Load(v.Zone, all...); err != nil {
		t.Fatal(err)
	}
}

// Always gives each request of the action this fate.
func Always(action string, fate fakecloud.Fate) fakecloud.Faults {
	return fakecloud.Faults{Fate: func(r fakecloud.Request) fakecloud.Fate {
		if r.Action == action {
			return fate
		}
		return fakecloud.Fate{}
	}}
}

// changesMeet gives the fates to the requests that change something, in order, and none to later ones.
func (v Service) changesMeet(fates ...fakecloud.Fate) fakecloud.Faults {
	var mu sync.Mutex
	return fakecloud.Faults{Fate: func(r fakecloud.Request) fakecloud.Fate {
		mu.Lock()
		defer mu.Unlock()
		if r.Action != v.Change || len(fates) == 0 {
			return fakecloud.Fate{}
		}
		fate := fates[0]
		fates = fates[1:]
		return fate
	}}
}

// Name is a name of the federation's.
func Name(label string) federation.FQDN { return federation.FQDN(label+".ns.") + Subtree }

// Set is an RRset with a TTL of 180 s.
func Set(n federation.FQDN, typ string, data ...string) federation.RRset {
	return federation.RRset{Name: n, Type: typ, TTL: 180, Data: data}
}

// Create returns changes that create A and AAAA at that many names.
func Create(count int) (changes []plan.Change) {
	for i := range count {
		n := Name(fmt.Sprintf("service-%d", i))
		changes = append(changes, plan.Change{Name: n, To: []federation.RRset{
			Set(n, "A", fmt.Sprintf("192.0.2.%d", i%250+1)), Set(n, "AAAA", fmt.Sprintf("2001:db8::%x", i+1)),
		}})
	}
	return changes
}

// CreateLong returns changes that create a CNAME at that many names, and how many octets its target has.
func CreateLong(count int) (changes []plan.Change, octets int) {
	target := strings.Repeat(strings.Repeat("x", 62)+".", 3) + "example.org."
	for i := range count {
		n := Name(fmt.Sprintf("s%d", i))
		changes = append(changes, plan.Change{Name: n, To: []federation.RRset{Set(n, "CNAME", target)}})
	}
	return changes, len(target)
}

// Undo returns the changes that delete what the changes create.
func Undo(changes []plan.Change) (back []plan.Change) {
	for _, c := range changes {
		back = append(back, plan.Change{Name: c.Name, From: c.To})
	}
	return back
}

// Must makes the changes, all of which must succeed.
func Must(t testing.TB, p provider.Provider, claim *federation.RRset, changes ...plan.Change) {
	t.Helper()
	for i, err := range p.Apply(t.Context(), claim, changes) {
		if err != nil {
			t.Fatalf("change %d of %d: %v", i, len(changes), err)
		}
	}
}

// Has checks what is at the name.
func Has(t testing.TB, p provider.Provider, n federation.FQDN, want ...federation.RRset) {
	t.Helper()
	got, err := p.Get(t.Context(), n)
	if err != nil || !federation.EqualRRsets(got, want) {
		t.Errorf("at %q is %v, %v, want %v", n, got, err, want)
	}
}

// List returns the RRsets of a subtree.
func List(t testing.TB, p provider.Provider, suffix federation.FQDN) (out []federation.RRset) {
	t.Helper()
	err := p.List(t.Context(), suffix, func(s federation.RRset) error { out = append(out, s); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Actions returns the requests since the last Reset, as "changes.create" or "changes.create 429 rateLimitExceeded".
func Actions(s *fakecloud.Server) (out []string) {
	for _, r := range s.Requests() {
		out = append(out, action(r.Action, fakecloud.Fate{Status: r.Status, Code: r.Code}))
	}
	return out
}

// action is how Actions shows a request that was refused.
func action(action string, refusal fakecloud.Fate) string {
	if refusal.Code == "" {
		return action
	}
	return fmt.Sprintf("%s %d %s", action, refusal.Status, refusal.Code)
}

// Says checks that the error has each of the words, no secret and one line.
func Says(t testing.TB, err error, words ...string) {
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
	for _, no := range []string{Secret, "ya29.", "PRIVATE KEY", "\n"} {
		if strings.Contains(err.Error(), no) {
			t.Errorf("error %q has %q", err, no)
		}
	}
}

// Is checks the kind of an error, one of the provider's. nil is an error that leaves the outcome open.
func Is(t testing.TB, err, kind error) {
	t.Helper()
	switch {
	case kind != nil && !errors.Is(err, kind):
		t.Errorf("error %v does not wrap %q", err, kind)
	case kind == nil && (err == nil || errors.Is(err, provider.ErrRefused) || errors.Is(err, provider.ErrConflict)):
		t.Errorf("error is %v, want one that leaves the outcome open", err)
	}
}
