package route53_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"
)

// What the provider takes for granted of Route 53, as batches and their
// outcome. The same table runs against the stand-in, here, and against a real
// account, in the tests tagged live.

// fact is a batch at names of its own.
type fact struct {
	name  string
	there []string // before
	batch []string
	code  string // of the error, "" is none
	text  string // in its message
	after []string
}

// The lines are "NAME TYPE TTL DATA...", those of a batch with "+" (CREATE)
// or "-" (DELETE) before them.
var facts = []fact{
	{name: "O3a deletion and creation of the identical TXT", there: []string{`claim TXT 60 "a" "b"`},
		batch: []string{`-claim TXT 60 "a" "b"`, `+claim TXT 60 "a" "b"`, "+x A 60 192.0.2.1"}, after: []string{`claim TXT 60 "a" "b"`, "x A 60 192.0.2.1"}},
	{name: "O3a deletion and creation of a TXT that is another", there: []string{`claim TXT 60 "a"`},
		batch: []string{`-claim TXT 60 "b"`, `+claim TXT 60 "b"`, "+x A 60 192.0.2.1"},
		code:  "InvalidChangeBatch", text: "do not match", after: []string{`claim TXT 60 "a"`}},
	{name: "O3a deletion and creation of a TXT that is not there",
		batch: []string{`-claim TXT 60 "b"`, `+claim TXT 60 "b"`}, code: "InvalidChangeBatch", text: "not found"},
	{name: "P6 a switch to CNAME", there: []string{"x A 60 192.0.2.1", "x AAAA 60 2001:db8::1"},
		batch: []string{"-x A 60 192.0.2.1", "-x AAAA 60 2001:db8::1", "+x CNAME 60 www.example.org."}, after: []string{"x CNAME 60 www.example.org."}},
	{name: "P6 a switch from CNAME", there: []string{"x CNAME 60 www.example.org."},
		batch: []string{"-x CNAME 60 www.example.org.", "+x A 60 192.0.2.1", "+x AAAA 60 2001:db8::1"}, after: []string{"x A 60 192.0.2.1", "x AAAA 60 2001:db8::1"}},
	{name: "P6 a batch is made in order", there: []string{"x A 60 192.0.2.1"},
		batch: []string{"+x CNAME 60 www.example.org.", "-x A 60 192.0.2.1"}, code: "InvalidChangeBatch", after: []string{"x A 60 192.0.2.1"}},
	{name: "P6 a CNAME beside another type", there: []string{`x TXT 60 "a"`},
		batch: []string{"+x CNAME 60 www.example.org."}, code: "InvalidChangeBatch", text: "conflict", after: []string{`x TXT 60 "a"`}},
	{name: "P6 a type beside a CNAME", there: []string{"x CNAME 60 www.example.org."},
		batch: []string{"+x A 60 192.0.2.1"}, code: "InvalidChangeBatch", text: "conflict", after: []string{"x CNAME 60 www.example.org."}},
	{name: "X5a all or nothing", there: []string{"x A 60 192.0.2.1"},
		batch: []string{"+y A 60 192.0.2.1", "+x A 60 192.0.2.2", "+z A 60 192.0.2.1"}, code: "InvalidChangeBatch", text: "already exists", after: []string{"x A 60 192.0.2.1"}},
	{name: "O3a creation of what is there, identical", there: []string{"x A 60 192.0.2.1"},
		batch: []string{"+x A 60 192.0.2.1"}, code: "InvalidChangeBatch", text: "already exists", after: []string{"x A 60 192.0.2.1"}},
	{name: "O3a deletion with another TTL", there: []string{"x A 60 192.0.2.1"},
		batch: []string{"-x A 30 192.0.2.1"}, code: "InvalidChangeBatch", text: "do not match", after: []string{"x A 60 192.0.2.1"}},
	{name: "O3a deletion with fewer values", there: []string{"x A 60 192.0.2.1 192.0.2.2"},
		batch: []string{"-x A 60 192.0.2.1"}, code: "InvalidChangeBatch", text: "do not match", after: []string{"x A 60 192.0.2.1 192.0.2.2"}},
	{name: "O3a deletion with the values in another order", there: []string{"x A 60 192.0.2.1 192.0.2.2"},
		batch: []string{"-x A 60 192.0.2.2 192.0.2.1"}},
	{name: "O3a the absence of a type cannot be asserted by its creation and deletion",
		batch: []string{"+x AAAA 60 2001:db8::1", "-x AAAA 60 2001:db8::1"}, code: "InvalidChangeBatch", text: "invalid set of changes"},
	{name: "X5b more than 1000 values", batch: many("+s%d A 60 192.0.2.1", 1001), code: "InvalidChangeBatch", text: "1000"},
	{name: "X5b more than 32,000 characters", batch: many("+s%d CNAME 60 "+strings.Repeat(strings.Repeat("x", 60)+".", 3)+"example.org.", 170), code: "InvalidChangeBatch", text: "32000"},
	{name: "X7 an address that is none", batch: []string{"+x A 60 192.0.2.256"}, code: "InvalidChangeBatch", text: "192.0.2.256"},
	{name: "N6 escapes of names and text", batch: []string{`+\052 A 60 192.0.2.1`, `+claim TXT 60 "\303\251 \"q\" \\"`}, after: []string{`\052 A 60 192.0.2.1`, `claim TXT 60 "\303\251 \"q\" \\"`}},
}

func many(format string, count int) (lines []string) {
	for i := range count {
		lines = append(lines, strings.ReplaceAll(format, "%d", fmt.Sprint(i)))
	}
	return lines
}

// hosted is a hosted zone for facts. Everything below suffix is theirs.
type hosted struct {
	api    *sdk.Client
	id     string
	suffix string
}

// newClient is the SDK as its users have it, with its own retries.
func newClient(t testing.TB, options ...func(*sdk.Options)) *sdk.Client {
	t.Helper()
	config, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if config.Region == "" {
		config.Region = "us-east-1"
	}
	base, ok := config.HTTPClient.(*awshttp.BuildableClient) // with AWS_CA_BUNDLE
	if !ok {
		base = awshttp.NewBuildableClient()
	}
	web := &http.Client{Transport: base.GetTransport()}
	t.Cleanup(web.CloseIdleConnections)
	config.HTTPClient = web
	return sdk.NewFromConfig(config, options...)
}

func (h hosted) set(line string) *types.ResourceRecordSet {
	words := strings.SplitN(line, " ", 4)
	out := &types.ResourceRecordSet{Name: aws.String(words[0] + "." + h.suffix), Type: types.RRType(words[1])}
	var ttl int64
	fmt.Sscan(words[2], &ttl)
	out.TTL = &ttl
	data := []string{words[3]}
	if words[1] != "TXT" {
		data = strings.Fields(words[3])
	}
	for _, d := range data {
		out.ResourceRecords = append(out.ResourceRecords, types.ResourceRecord{Value: aws.String(d)})
	}
	return out
}

// change sends the lines in one batch.
func (h hosted) change(ctx context.Context, lines ...string) (*types.ChangeInfo, error) {
	var batch []types.Change
	for _, line := range lines {
		action := types.ChangeActionCreate
		if line[0] == '-' {
			action = types.ChangeActionDelete
		}
		batch = append(batch, types.Change{Action: action, ResourceRecordSet: h.set(line[1:])})
	}
	out, err := h.api.ChangeResourceRecordSets(ctx, &sdk.ChangeResourceRecordSetsInput{HostedZoneId: &h.id, ChangeBatch: &types.ChangeBatch{Changes: batch}})
	if err != nil {
		return nil, err
	}
	return out.ChangeInfo, nil
}

// all returns everything below the suffix.
func (h hosted) all(t testing.TB) (sets []types.ResourceRecordSet) {
	t.Helper()
	in := &sdk.ListResourceRecordSetsInput{HostedZoneId: &h.id, StartRecordName: &h.suffix}
	pages := sdk.NewListResourceRecordSetsPaginator(h.api, in)
	for pages.HasMorePages() {
		out, err := pages.NextPage(context.WithoutCancel(t.Context())) // it cleans up too
		if err != nil {
			t.Fatal(err)
		}
		for _, set := range out.ResourceRecordSets {
			if !strings.HasSuffix("."+*set.Name, "."+h.suffix) {
				return sets
			}
			sets = append(sets, set)
		}
	}
	return sets
}

// lines are all RRsets below the suffix, sorted.
func (h hosted) lines(t testing.TB) (out []string) {
	t.Helper()
	for _, set := range h.all(t) {
		var data []string
		for _, r := range set.ResourceRecords {
			data = append(data, *r.Value)
		}
		slices.Sort(data)
		out = append(out, fmt.Sprintf("%s %s %d %s", strings.TrimSuffix(*set.Name, "."+h.suffix), set.Type, aws.ToInt64(set.TTL), strings.Join(data, " ")))
	}
	slices.Sort(out)
	return out
}

// clear deletes everything below the suffix.
func (h hosted) clear(t testing.TB) {
	t.Helper()
	for part := range slices.Chunk(h.all(t), 400) {
		var batch []types.Change
		for i := range part {
			batch = append(batch, types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: &part[i]})
		}
		_, err := h.api.ChangeResourceRecordSets(context.WithoutCancel(t.Context()), &sdk.ChangeResourceRecordSetsInput{HostedZoneId: &h.id, ChangeBatch: &types.ChangeBatch{Changes: batch}})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// testFacts checks the table in the hosted zone.
func testFacts(t *testing.T, h hosted) {
	for _, tt := range facts {
		t.Run(tt.name, func(t *testing.T) {
			defer h.clear(t)
			var creations []string
			for _, line := range tt.there {
				creations = append(creations, "+"+line)
			}
			if len(creations) > 0 {
				if _, err := h.change(t.Context(), creations...); err != nil {
					t.Fatal(err)
				}
			}
			_, err := h.change(t.Context(), tt.batch...)
			hasCode(t, err, tt.code, tt.text)
			want := slices.Sorted(slices.Values(tt.after))
			if got := h.lines(t); !slices.Equal(got, want) {
				t.Errorf("then there is %q, want %q", got, want)
			}
		})
	}
	t.Run("X7 no such hosted zone", func(t *testing.T) {
		none := h
		none.id = "Z00000000000000000000"
		_, err := none.change(t.Context(), "+x A 60 192.0.2.1")
		hasCode(t, err, "NoSuchHostedZone", "")
	})
	t.Run("X7 an unknown access key", func(t *testing.T) {
		options := h.api.Options()
		options.Credentials = credentials.NewStaticCredentialsProvider("AKIAUNKNOWN000000000", "no secret", "")
		unknown := hosted{sdk.New(options), h.id, h.suffix}
		_, err := unknown.change(t.Context(), "+x A 60 192.0.2.1")
		hasCode(t, err, "InvalidClientTokenId", "")
	})
	t.Run("a change is PENDING, then INSYNC", func(t *testing.T) {
		defer h.clear(t)
		info, err := h.change(t.Context(), "+x A 60 192.0.2.1")
		if err != nil || info.Status != types.ChangeStatusPending {
			t.Fatalf("%+v, %v", info, err)
		}
		waiter := sdk.NewResourceRecordSetsChangedWaiter(h.api)
		if err := waiter.Wait(t.Context(), &sdk.GetChangeInput{Id: info.Id}, 5*time.Minute); err != nil {
			t.Error(err)
		}
	})
}

// hasCode checks the code of the API's error, and a part of its message.
func hasCode(t *testing.T, err error, code, text string) {
	t.Helper()
	var api smithy.APIError
	switch {
	case code == "" && err == nil:
	case !errors.As(err, &api):
		t.Errorf("error is %v, want %q", err, code)
	case api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), text):
		t.Errorf("error is %q (%s), want %q with %q", api.ErrorCode(), api.ErrorMessage(), code, text)
	}
}

func TestFacts(t *testing.T) {
	s := start(t)
	api := newClient(t, func(o *sdk.Options) { o.BaseEndpoint = &s.URL })
	testFacts(t, hosted{api, zoneID, "facts." + string(zone)})
}
