package dnscheck

import (
	"flag"
	"fmt"
	"testing"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/test/check/texts"
)

var update = flag.Bool("update", false, "write docs/checks.md")

// TestFindings also notes the texts for docs/checks.md.
func TestFindings(t *testing.T) {
	seen := texts.Seen{}
	testStates(t, seen)
	testAnswers(t, seen)
	testNoProvider(t, seen)
	seen.InUnitTests(t, "dnscheck", *update)
}

func testStates(t *testing.T, seen texts.Seen) {
	for _, c := range []struct {
		state, err    string
		claim, writes check.Outcome
	}{
		{"writing", "", check.OK, check.OK},
		{"claiming", "", check.Unknown, check.Unknown},
		{"claiming", "BADKEY", check.Unknown, check.Fail},
		{"foreign", "", check.Fail, check.Unknown},
		{"deposed", "another owner", check.Fail, check.Unknown},
		{"provider-down", "no answer", check.Unknown, check.Fail},
	} {
		t.Run("CK3 "+c.state+" "+c.err, func(t *testing.T) {
			f := &admin.FederationStatus{Name: "fed", Domain: "example.com", State: c.state, Error: c.err}
			held, written := claimHeld(f), writes(f)
			if held.Outcome != c.claim {
				t.Errorf("claim-held: %+v", held)
			}
			if written.Outcome != c.writes {
				t.Errorf("provider-writes: %+v", written)
			}
			seen.Add("claim-held", held.Outcome, held.Text, "")
			seen.Add("provider-writes", written.Outcome, written.Text, "")
		})
	}
	t.Run("CK1 provider-writes: what is refused", func(t *testing.T) {
		f := &admin.FederationStatus{State: "writing", Services: []admin.ServiceStatus{{
			Refused: []admin.RefusedStatus{{Name: "a.", Error: "NOTAUTH"}, {Name: "b.", Error: "NOTAUTH"}}}}}
		got := writes(f)
		if got.Outcome != check.Fail || got.Text != "changes of 2 names fail: a.: NOTAUTH" {
			t.Errorf("%+v", got)
		}
		seen.Add("provider-writes", got.Outcome, got.Text, "")
	})
}

// testNoProvider holds what is said of a federation without a DNS provider.
func testNoProvider(t *testing.T, seen texts.Seen) {
	for _, c := range []struct {
		name, state, err string
		outcome          check.Outcome
		text             string
	}{
		{"all is well", "writing", "", check.OK,
			"no change fails; the host has 0 RRsets, as there is no DNS provider"},
		{"the host does not answer", "provider-down", "dial tcp: no route to host", check.Fail,
			"the host, which has the records, does not answer: dial tcp: no route to host"},
		{"the right is missing", "claiming", "forbidden", check.Fail, "the claim cannot be written: forbidden"},
	} {
		t.Run("M7 provider-writes: "+c.name, func(t *testing.T) {
			got := writes(&admin.FederationStatus{State: c.state, Error: c.err,
				FederationProvider: admin.FederationProvider{NoProvider: true}})
			if got.Outcome != c.outcome || got.Text != c.text || (got.Remedy != "") != (c.outcome == check.Fail) {
				t.Errorf("%+v", got)
			}
			seen.Add("provider-writes", got.Outcome, got.Text, "")
		})
	}
	for _, id := range []string{"domain-resolves", "records-true", "negative-ttl"} {
		t.Run("M7 "+id+" leaves out what no zone has", func(t *testing.T) {
			w := newWorld()
			w.federation.NoProvider = true
			chosen, err := check.Select(Checks(), []string{id}, nil)
			if err != nil {
				t.Fatal(err)
			}
			r := check.Run(t.Context(), check.NewEnv(check.Options{Syncer: source{federation: w.federation}}), chosen)
			if len(r.Results) > 0 {
				t.Errorf("%+v", r.Results)
			}
		})
	}
}

func TestExpectations(t *testing.T) {
	t.Run("CK5 records-true: of many, some from all services", func(t *testing.T) {
		f := &admin.FederationStatus{Name: "fed", Domain: "example.com", Naming: "flat",
			FederationLevels: admin.FederationLevels{
				Levels: []admin.LevelStatus{{Name: "example.com.", Kind: "global"}},
			}}
		for i := range 1000 {
			f.Services = append(f.Services, admin.ServiceStatus{Name: fmt.Sprintf("shop/s%03d", i)})
		}
		want, total, err := expectations(f)
		if err != nil || total != 3000 || len(want) != maxCompared {
			t.Fatalf("%d of %d, %v", len(want), total, err)
		}
		if first, last := want[0].Name, want[len(want)-1].Name; first != "s000.shop.fed.svc.example.com." ||
			last != "s998.shop.fed.svc.example.com." {
			t.Errorf("from %s to %s", first, last)
		}
	})
}
