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

	standin "github.com/federation-dns/federation/test/clouddns"
	"github.com/federation-dns/federation/test/fakecloud"
)

// What the provider takes for granted of Cloud DNS, as Changes and their
// outcome. The same table runs against the stand-in, here, and against a real
// project, in the tests tagged live.

// fact is a Change at names of its own.
type fact struct {
	name   string
	there  []string // before
	change []string
	status int    // of the error, 0 is none
	reason string // of the error
	text   string // in its message
	after  []string
}

// The lines are "NAME TYPE TTL DATA...", those of a Change with "+" (an
// addition) or "-" (a deletion) before them.
var facts = []fact{
	{name: "O3a deletion and addition of the identical TXT", there: []string{`claim TXT 60 "a" "b"`},
		change: []string{`-claim TXT 60 "a" "b"`, `+claim TXT 60 "a" "b"`, "+x A 60 192.0.2.1"}, after: []string{`claim TXT 60 "a" "b"`, "x A 60 192.0.2.1"}},
	{name: "O3a deletion and addition of the identical TXT, and nothing else", there: []string{`claim TXT 60 "a" "b"`},
		change: []string{`-claim TXT 60 "a" "b"`, `+claim TXT 60 "a" "b"`}, after: []string{`claim TXT 60 "a" "b"`}},
	{name: "O3a deletion and addition of a TXT that is another", there: []string{`claim TXT 60 "a"`},
		change: []string{`-claim TXT 60 "b"`, `+claim TXT 60 "b"`, "+x A 60 192.0.2.1"},
		status: 412, reason: "conditionNotMet", text: "deletions[0]", after: []string{`claim TXT 60 "a"`}},
	{name: "O3a deletion and addition of a TXT that has another TTL", there: []string{`claim TXT 30 "a"`},
		change: []string{`-claim TXT 60 "a"`, `+claim TXT 60 "a"`, "+x A 60 192.0.2.1"},
		status: 412, reason: "conditionNotMet", after: []string{`claim TXT 30 "a"`}},
	{name: "O3a deletion and addition of a TXT that is not there",
		change: []string{`-claim TXT 60 "b"`, `+claim TXT 60 "b"`}, status: 404, reason: "notFound", text: "entity.change.deletions[0]"},
	{name: "P6 a switch to CNAME", there: []string{"x A 60 192.0.2.1", "x AAAA 60 2001:db8::1"},
		change: []string{"-x A 60 192.0.2.1", "-x AAAA 60 2001:db8::1", "+x CNAME 60 www.example.org."}, after: []string{"x CNAME 60 www.example.org."}},
	{name: "P6 a switch from CNAME", there: []string{"x CNAME 60 www.example.org."},
		change: []string{"-x CNAME 60 www.example.org.", "+x A 60 192.0.2.1", "+x AAAA 60 2001:db8::1"}, after: []string{"x A 60 192.0.2.1", "x AAAA 60 2001:db8::1"}},
	{name: "P6 a CNAME beside another type", there: []string{`x TXT 60 "a"`},
		change: []string{"+x CNAME 60 www.example.org."}, status: 400, reason: "cnameResourceRecordSetConflict", text: "TXT", after: []string{`x TXT 60 "a"`}},
	{name: "P6 a type beside a CNAME", there: []string{"x CNAME 60 www.example.org."},
		change: []string{"+x A 60 192.0.2.1"}, status: 400, reason: "cnameResourceRecordSetConflict", after: []string{"x CNAME 60 www.example.org."}},
	{name: "X5a all or nothing", there: []string{"x A 60 192.0.2.1"},
		change: []string{"+y A 60 192.0.2.1", "+x A 60 192.0.2.2", "+z A 60 192.0.2.1"}, status: 409, reason: "alreadyExists", text: "entity.change.additions[1]", after: []string{"x A 60 192.0.2.1"}},
	{name: "O3a addition of what is there, identical", there: []string{"x A 60 192.0.2.1"},
		change: []string{"+x A 60 192.0.2.1"}, status: 409, reason: "alreadyExists", after: []string{"x A 60 192.0.2.1"}},
	{name: "O3a deletion with another TTL", there: []string{"x A 60 192.0.2.1"},
		change: []string{"-x A 30 192.0.2.1"}, status: 412, reason: "conditionNotMet", after: []string{"x A 60 192.0.2.1"}},
	{name: "O3a deletion with fewer values", there: []string{"x A 60 192.0.2.1 192.0.2.2"},
		change: []string{"-x A 60 192.0.2.1"}, status: 412, reason: "conditionNotMet", after: []string{"x A 60 192.0.2.1 192.0.2.2"}},
	{name: "O3a deletion with the values in another order", there: []string{"x A 60 192.0.2.1 192.0.2.2"},
		change: []string{"-x A 60 192.0.2.2 192.0.2.1"}},
	{name: "O3a deletion of what is not there",
		change: []string{"-x A 60 192.0.2.1"}, status: 404, reason: "notFound", text: "entity.change.deletions[0]"},
	{name: "X5b more than 1000 additions", change: many("+s%d A 60 192.0.2.1", 1001), status: 403, reason: "quotaExceeded", text: "additions per change"},
	{name: "X5b more than 100,000 octets of data", change: many("+s%d CNAME 60 "+strings.Repeat(strings.Repeat("x", 60)+".", 3)+"example.org.", 600), status: 403, reason: "quotaExceeded", text: "rrdata size per change"},
	{name: "X7 nothing at all", status: 400, reason: "required", text: "entity.change"},
	{name: "X7 an address that is none", change: []string{"+x A 60 192.0.2.256"}, status: 400, reason: "invalid", text: "192.0.2.256"},
	{name: "X7 a name of another zone", change: []string{"+elsewhere.invalid. A 60 192.0.2.1"}, status: 400, reason: "invalid", text: "elsewhere.invalid."},
	{name: "N6 escapes of text", change: []string{`+claim TXT 60 "\195\169 \"q\" \\"`}, after: []string{`claim TXT 60 "\195\169 \"q\" \\"`}},
	{name: "P5 a TTL of 0", change: []string{`+x A 0 192.0.2.1`}, after: []string{`x A 0 192.0.2.1`}},
}

func many(format string, count int) (lines []string) {
	for i := range count {
		lines = append(lines, strings.ReplaceAll(format, "%d", fmt.Sprint(i)))
	}
	return lines
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

func (m managed) set(line string) *sdk.ResourceRecordSet {
	words := strings.SplitN(line, " ", 4)
	out := &sdk.ResourceRecordSet{Name: words[0], Type: words[1], ForceSendFields: []string{"Ttl"}}
	if !strings.HasSuffix(out.Name, ".") {
		out.Name += "." + m.suffix
	}
	fmt.Sscan(words[2], &out.Ttl)
	out.Rrdatas = []string{words[3]}
	if out.Type != "TXT" {
		out.Rrdatas = strings.Fields(words[3])
	}
	return out
}

// apply sends the lines in one Change.
func (m managed) apply(ctx context.Context, lines ...string) (*sdk.Change, error) {
	c := &sdk.Change{}
	for _, line := range lines {
		if line[0] == '-' {
			c.Deletions = append(c.Deletions, m.set(line[1:]))
		} else {
			c.Additions = append(c.Additions, m.set(line[1:]))
		}
	}
	return m.api.Changes.Create(m.project, m.zone, c).Context(ctx).Do()
}

// all returns everything below the suffix.
func (m managed) all(t testing.TB) (sets []*sdk.ResourceRecordSet) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // it cleans up too
	err := m.api.ResourceRecordSets.List(m.project, m.zone).Pages(ctx, func(page *sdk.ResourceRecordSetsListResponse) error {
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

// lines are all RRsets below the suffix, sorted.
func (m managed) lines(t testing.TB) (out []string) {
	t.Helper()
	for _, set := range m.all(t) {
		data := slices.Sorted(slices.Values(set.Rrdatas))
		out = append(out, fmt.Sprintf("%s %s %d %s", strings.TrimSuffix(set.Name, "."+m.suffix), set.Type, set.Ttl, strings.Join(data, " ")))
	}
	slices.Sort(out)
	return out
}

// clear deletes everything below the suffix.
func (m managed) clear(t testing.TB) {
	t.Helper()
	for part := range slices.Chunk(m.all(t), 500) {
		for _, set := range part {
			set.ForceSendFields = []string{"Ttl"}
		}
		if _, err := m.api.Changes.Create(m.project, m.zone, &sdk.Change{Deletions: part}).Context(context.WithoutCancel(t.Context())).Do(); err != nil {
			t.Fatal(err)
		}
	}
}

// testFacts checks the table in the managed zone.
func testFacts(t *testing.T, m managed) {
	for _, tt := range facts {
		t.Run(tt.name, func(t *testing.T) {
			defer m.clear(t)
			var additions []string
			for _, line := range tt.there {
				additions = append(additions, "+"+line)
			}
			if len(additions) > 0 {
				if _, err := m.apply(t.Context(), additions...); err != nil {
					t.Fatal(err)
				}
			}
			_, err := m.apply(t.Context(), tt.change...)
			hasReason(t, err, tt.status, tt.reason, tt.text)
			want := slices.Sorted(slices.Values(tt.after))
			if got := m.lines(t); !slices.Equal(got, want) {
				t.Errorf("then there is %q, want %q", got, want)
			}
		})
	}
	t.Run("X7 no such managed zone", func(t *testing.T) {
		none := m
		none.zone = "there-is-no-such-zone"
		_, err := none.apply(t.Context(), "+x A 60 192.0.2.1")
		hasReason(t, err, http.StatusNotFound, "notFound", "parameters.managedZone")
	})
	t.Run("X7 a token that is none", func(t *testing.T) {
		other := m
		other.api = newClient(t, option.WithHTTPClient(&http.Client{Transport: forged{}}), option.WithEndpoint(m.api.BasePath))
		_, err := other.apply(t.Context(), "+x A 60 192.0.2.1")
		hasReason(t, err, http.StatusUnauthorized, "authError", "")
	})
	t.Run("a Change is pending, then done", func(t *testing.T) {
		defer m.clear(t)
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

// forged sends a token that nobody has given out.
type forged struct{}

func (forged) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer ya29.forged")
	r.Close = true
	return http.DefaultTransport.RoundTrip(r)
}

// hasReason checks status and first reason of the API's error, and a part of
// its message.
func hasReason(t *testing.T, err error, status int, reason, text string) {
	t.Helper()
	var api *googleapi.Error
	switch {
	case status == 0 && err == nil:
	case !errors.As(err, &api) || len(api.Errors) == 0:
		t.Errorf("error is %v, want %d %s", err, status, reason)
	case api.Code != status || api.Errors[0].Reason != reason || !strings.Contains(api.Message, text):
		t.Errorf("error is %d %s (%s), want %d %s with %q", api.Code, api.Errors[0].Reason, api.Message, status, reason, text)
	}
}

func TestFacts(t *testing.T) {
	s := start(t)
	s.SetFaults(fakecloud.Faults{PendingFor: 150 * time.Millisecond})
	testFacts(t, managed{newClient(t, option.WithEndpoint(s.URL+"/")), standin.Project, zoneName, "facts." + string(zone)})
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}
