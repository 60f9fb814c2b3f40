package clouddns_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "google.golang.org/api/dns/v1"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider/internal/cloud/cloudtest"
	standin "github.com/federation-dns/federation/test/clouddns"
	"github.com/federation-dns/federation/test/fakecloud"
)

// What the provider relies on at Cloud DNS, as Changes and their outcome. The same table runs against the fake, here,
// and against a real project, in the tests tagged live.

var facts = []cloudtest.Fact{
	{Name: "O3a deletion and addition of the identical TXT", Before: []string{`claim TXT 60 "a" "b"`},
		Change: []string{`-claim TXT 60 "a" "b"`, `+claim TXT 60 "a" "b"`, "+x A 60 192.0.2.1"},
		After:  []string{`claim TXT 60 "a" "b"`, "x A 60 192.0.2.1"}},
	{Name: "O3a deletion and addition of the identical TXT, and nothing else", Before: []string{`claim TXT 60 "a" "b"`},
		Change: []string{`-claim TXT 60 "a" "b"`, `+claim TXT 60 "a" "b"`}, After: []string{`claim TXT 60 "a" "b"`}},
	{Name: "O3a deletion and addition of a TXT that is another", Before: []string{`claim TXT 60 "a"`},
		Change:  []string{`-claim TXT 60 "b"`, `+claim TXT 60 "b"`, "+x A 60 192.0.2.1"},
		Refusal: "412 conditionNotMet", Text: "deletions[0]", After: []string{`claim TXT 60 "a"`}},
	{Name: "O3a deletion and addition of a TXT that has another TTL", Before: []string{`claim TXT 30 "a"`},
		Change:  []string{`-claim TXT 60 "a"`, `+claim TXT 60 "a"`, "+x A 60 192.0.2.1"},
		Refusal: "412 conditionNotMet", After: []string{`claim TXT 30 "a"`}},
	{Name: "O3a deletion and addition of a TXT that is not there",
		Change: []string{`-claim TXT 60 "b"`, `+claim TXT 60 "b"`}, Refusal: "404 notFound",
		Text: "entity.change.deletions[0]"},
	{Name: "P6 a switch to CNAME", Before: []string{"x A 60 192.0.2.1", "x AAAA 60 2001:db8::1"},
		Change: []string{"-x A 60 192.0.2.1", "-x AAAA 60 2001:db8::1", "+x CNAME 60 www.example.org."},
		After:  []string{"x CNAME 60 www.example.org."}},
	{Name: "P6 a switch from CNAME", Before: []string{"x CNAME 60 www.example.org."},
		Change: []string{"-x CNAME 60 www.example.org.", "+x A 60 192.0.2.1", "+x AAAA 60 2001:db8::1"},
		After:  []string{"x A 60 192.0.2.1", "x AAAA 60 2001:db8::1"}},
	{Name: "P6 a CNAME beside another type", Before: []string{`x TXT 60 "a"`},
		Change: []string{"+x CNAME 60 www.example.org."}, Refusal: "400 cnameResourceRecordSetConflict", Text: "TXT",
		After: []string{`x TXT 60 "a"`}},
	{Name: "P6 a type beside a CNAME", Before: []string{"x CNAME 60 www.example.org."},
		Change: []string{"+x A 60 192.0.2.1"}, Refusal: "400 cnameResourceRecordSetConflict",
		After: []string{"x CNAME 60 www.example.org."}},
	{Name: "X5a all or nothing", Before: []string{"x A 60 192.0.2.1"},
		Change: []string{"+y A 60 192.0.2.1", "+x A 60 192.0.2.2", "+z A 60 192.0.2.1"}, Refusal: "409 alreadyExists",
		Text: "entity.change.additions[1]", After: []string{"x A 60 192.0.2.1"}},
	{Name: "O3a addition of what is there, identical", Before: []string{"x A 60 192.0.2.1"},
		Change: []string{"+x A 60 192.0.2.1"}, Refusal: "409 alreadyExists", After: []string{"x A 60 192.0.2.1"}},
	{Name: "O3a deletion with another TTL", Before: []string{"x A 60 192.0.2.1"},
		Change: []string{"-x A 30 192.0.2.1"}, Refusal: "412 conditionNotMet", After: []string{"x A 60 192.0.2.1"}},
	{Name: "O3a deletion with fewer values", Before: []string{"x A 60 192.0.2.1 192.0.2.2"},
		Change: []string{"-x A 60 192.0.2.1"}, Refusal: "412 conditionNotMet",
		After: []string{"x A 60 192.0.2.1 192.0.2.2"}},
	{Name: "O3a deletion with the values in another order", Before: []string{"x A 60 192.0.2.1 192.0.2.2"},
		Change: []string{"-x A 60 192.0.2.2 192.0.2.1"}},
	{Name: "O3a deletion of what is not there",
		Change: []string{"-x A 60 192.0.2.1"}, Refusal: "404 notFound", Text: "entity.change.deletions[0]"},
	{Name: "X5b more than 1000 additions", Change: cloudtest.Many("+s%d A 60 192.0.2.1", 1001),
		Refusal: "403 quotaExceeded", Text: "additions per change"},
	{Name: "X5b more than 100,000 octets of data",
		Change:  cloudtest.Many("+s%d CNAME 60 "+strings.Repeat(strings.Repeat("x", 60)+".", 3)+"example.org.", 600),
		Refusal: "403 quotaExceeded", Text: "rrdata size per change"},
	{Name: "X7 nothing at all", Refusal: "400 required", Text: "entity.change"},
	{Name: "X7 an address that is none", Change: []string{"+x A 60 192.0.2.256"}, Refusal: "400 invalid",
		Text: "192.0.2.256"},
	{Name: "X7 a name of another zone", Change: []string{"+elsewhere.invalid. A 60 192.0.2.1"}, Refusal: "400 invalid",
		Text: "elsewhere.invalid."},
	{Name: "N6 escapes of text", Change: []string{`+claim TXT 60 "\195\169 \"q\" \\"`},
		After: []string{`claim TXT 60 "\195\169 \"q\" \\"`}},
	{Name: "P5 a TTL of 0", Change: []string{`+x A 0 192.0.2.1`}, After: []string{`x A 0 192.0.2.1`}},
}

// managed is a managed zone for facts. Everything below suffix is theirs.
type managed struct {
	api           *sdk.Service
	project, zone string
	suffix        string
}

// newClient is the SDK as its users have it.
func newClient(t testing.TB, options ...option.ClientOption) *sdk.Service {
	t.Helper()
	api, err := sdk.NewService(t.Context(), options...)
	if err != nil {
		t.Fatal(err)
	}
	return api
}

// Suffix implements cloudtest.FactZone.
func (m managed) Suffix() string { return m.suffix }

// Apply implements cloudtest.FactZone.
func (m managed) Apply(ctx context.Context, lines ...string) error {
	_, err := m.apply(ctx, lines...)
	return err
}

func resource(set federation.RRset) *sdk.ResourceRecordSet {
	return &sdk.ResourceRecordSet{
		Name: string(set.Name), Type: set.Type, Ttl: int64(set.TTL), Rrdatas: set.Data,
		ForceSendFields: []string{"Ttl"},
	}
}

// apply sends the lines in one Change.
func (m managed) apply(ctx context.Context, lines ...string) (*sdk.Change, error) {
	c := &sdk.Change{}
	for _, line := range lines {
		set := resource(cloudtest.ParseLine(line[1:], m.suffix))
		if line[0] == '-' {
			c.Deletions = append(c.Deletions, set)
		} else {
			c.Additions = append(c.Additions, set)
		}
	}
	return m.api.Changes.Create(m.project, m.zone, c).Context(ctx).Do()
}

// all returns everything below the suffix.
func (m managed) all(t testing.TB) (sets []*sdk.ResourceRecordSet) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // it cleans up too
	err := m.api.ResourceRecordSets.List(m.project, m.zone).Pages(ctx,
		func(page *sdk.ResourceRecordSetsListResponse) error {
			for _, set := range page.Rrsets {
				if strings.HasSuffix("."+set.Name, "."+m.suffix) {
					sets = append(sets, set)
				}
			}
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	return sets
}

// All implements cloudtest.FactZone.
func (m managed) All(t testing.TB) (out []federation.RRset) {
	t.Helper()
	for _, set := range m.all(t) {
		one := federation.RRset{Name: federation.FQDN(set.Name), Type: set.Type, TTL: uint32(set.Ttl),
			Data: set.Rrdatas}
		out = append(out, one)
	}
	return out
}

// Clear implements cloudtest.FactZone.
func (m managed) Clear(t testing.TB) {
	t.Helper()
	for part := range slices.Chunk(m.all(t), 500) {
		for _, set := range part {
			set.ForceSendFields = []string{"Ttl"}
		}
		if _, err := m.api.Changes.Create(m.project, m.zone,
			&sdk.Change{Deletions: part}).Context(context.WithoutCancel(t.Context())).Do(); err != nil {
			t.Fatal(err)
		}
	}
}

// testFacts checks the table in the managed zone.
func testFacts(t *testing.T, m managed) {
	cloudtest.Facts(t, m, facts)
	t.Run("X7 no such managed zone", func(t *testing.T) {
		none := m
		none.zone = "there-is-no-such-zone"
		_, err := none.apply(t.Context(), "+x A 60 192.0.2.1")
		m.Refused(t, err, "404 notFound", "parameters.managedZone")
	})
	t.Run("X7 a token that is none", func(t *testing.T) {
		other := m
		other.api = newClient(t, option.WithHTTPClient(&http.Client{Transport: forged{}}),
			option.WithEndpoint(m.api.BasePath))
		_, err := other.apply(t.Context(), "+x A 60 192.0.2.1")
		m.Refused(t, err, "401 authError", "")
	})
	t.Run("a Change is pending, then done", func(t *testing.T) {
		defer m.Clear(t)
		c, err := m.apply(t.Context(), "+x A 60 192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(5 * time.Minute); c.Status != "done"; {
			if c.Status != "pending" || time.Now().After(deadline) {
				t.Fatalf("status %q", c.Status)
			}
			if c, err = m.api.Changes.Get(m.project, m.zone, c.Id).Context(t.Context()).Do(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond) // between two looks at a project that may be real
		}
	})
}

// forged sends a token that was never issued.
type forged struct{}

func (forged) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer ya29.forged")
	r.Close = true
	return http.DefaultTransport.RoundTrip(r)
}

// Refused implements cloudtest.FactZone. A refusal is status and first reason.
func (managed) Refused(t testing.TB, err error, refusal, text string) {
	t.Helper()
	var api *googleapi.Error
	switch {
	case refusal == "" && err == nil:
	case !errors.As(err, &api) || len(api.Errors) == 0:
		t.Errorf("error is %v, want %q", err, refusal)
	case fmt.Sprintf("%d %s", api.Code, api.Errors[0].Reason) != refusal || !strings.Contains(api.Message, text):
		t.Errorf("error is %d %s (%s), want %q with %q", api.Code, api.Errors[0].Reason, api.Message, refusal, text)
	}
}

func TestFacts(t *testing.T) {
	s := start(t)
	s.SetFaults(fakecloud.Faults{PendingFor: 150 * time.Millisecond})
	testFacts(t, managed{newClient(t, option.WithEndpoint(s.URL+"/")), standin.Project, zoneName,
		"facts." + string(zone)})
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}
