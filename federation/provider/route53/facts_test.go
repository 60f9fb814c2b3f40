package route53_test

import (
	"context"
	"errors"
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

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider/internal/cloud/cloudtest"
)

// What the provider relies on at Route 53, as batches and their outcome. The same table runs against the fake, here,
// and against a real account, in the tests tagged live.

var facts = []cloudtest.Fact{
	{Name: "O3a deletion and creation of the identical TXT", Before: []string{`claim TXT 60 "a" "b"`},
		Change: []string{`-claim TXT 60 "a" "b"`, `+claim TXT 60 "a" "b"`, "+x A 60 192.0.2.1"},
		After:  []string{`claim TXT 60 "a" "b"`, "x A 60 192.0.2.1"}},
	{Name: "O3a deletion and creation of a TXT that is another", Before: []string{`claim TXT 60 "a"`},
		Change:  []string{`-claim TXT 60 "b"`, `+claim TXT 60 "b"`, "+x A 60 192.0.2.1"},
		Refusal: "InvalidChangeBatch", Text: "do not match", After: []string{`claim TXT 60 "a"`}},
	{Name: "O3a deletion and creation of a TXT that is not there",
		Change: []string{`-claim TXT 60 "b"`, `+claim TXT 60 "b"`}, Refusal: "InvalidChangeBatch", Text: "not found"},
	{Name: "P6 a switch to CNAME", Before: []string{"x A 60 192.0.2.1", "x AAAA 60 2001:db8::1"},
		Change: []string{"-x A 60 192.0.2.1", "-x AAAA 60 2001:db8::1", "+x CNAME 60 www.example.org."},
		After:  []string{"x CNAME 60 www.example.org."}},
	{Name: "P6 a switch from CNAME", Before: []string{"x CNAME 60 www.example.org."},
		Change: []string{"-x CNAME 60 www.example.org.", "+x A 60 192.0.2.1", "+x AAAA 60 2001:db8::1"},
		After:  []string{"x A 60 192.0.2.1", "x AAAA 60 2001:db8::1"}},
	{Name: "P6 a batch is made in order", Before: []string{"x A 60 192.0.2.1"},
		Change: []string{"+x CNAME 60 www.example.org.", "-x A 60 192.0.2.1"}, Refusal: "InvalidChangeBatch",
		After: []string{"x A 60 192.0.2.1"}},
	{Name: "P6 a CNAME beside another type", Before: []string{`x TXT 60 "a"`},
		Change: []string{"+x CNAME 60 www.example.org."}, Refusal: "InvalidChangeBatch", Text: "conflict",
		After: []string{`x TXT 60 "a"`}},
	{Name: "P6 a type beside a CNAME", Before: []string{"x CNAME 60 www.example.org."},
		Change: []string{"+x A 60 192.0.2.1"}, Refusal: "InvalidChangeBatch", Text: "conflict",
		After: []string{"x CNAME 60 www.example.org."}},
	{Name: "X5a all or nothing", Before: []string{"x A 60 192.0.2.1"},
		Change: []string{"+y A 60 192.0.2.1", "+x A 60 192.0.2.2", "+z A 60 192.0.2.1"}, Refusal: "InvalidChangeBatch",
		Text: "already exists", After: []string{"x A 60 192.0.2.1"}},
	{Name: "O3a creation of what is there, identical", Before: []string{"x A 60 192.0.2.1"},
		Change: []string{"+x A 60 192.0.2.1"}, Refusal: "InvalidChangeBatch", Text: "already exists",
		After: []string{"x A 60 192.0.2.1"}},
	{Name: "O3a deletion with another TTL", Before: []string{"x A 60 192.0.2.1"},
		Change: []string{"-x A 30 192.0.2.1"}, Refusal: "InvalidChangeBatch", Text: "do not match",
		After: []string{"x A 60 192.0.2.1"}},
	{Name: "O3a deletion with fewer values", Before: []string{"x A 60 192.0.2.1 192.0.2.2"},
		Change: []string{"-x A 60 192.0.2.1"}, Refusal: "InvalidChangeBatch", Text: "do not match",
		After: []string{"x A 60 192.0.2.1 192.0.2.2"}},
	{Name: "O3a deletion with the values in another order", Before: []string{"x A 60 192.0.2.1 192.0.2.2"},
		Change: []string{"-x A 60 192.0.2.2 192.0.2.1"}},
	{Name: "O3a the absence of a type cannot be asserted by its creation and deletion",
		Change: []string{"+x AAAA 60 2001:db8::1", "-x AAAA 60 2001:db8::1"}, Refusal: "InvalidChangeBatch",
		Text: "invalid set of changes"},
	{Name: "X5b more than 1000 values", Change: cloudtest.Many("+s%d A 60 192.0.2.1", 1001),
		Refusal: "InvalidChangeBatch", Text: "1000"},
	{Name: "X5b more than 32,000 characters",
		Change:  cloudtest.Many("+s%d CNAME 60 "+strings.Repeat(strings.Repeat("x", 60)+".", 3)+"example.org.", 170),
		Refusal: "InvalidChangeBatch", Text: "32000"},
	{Name: "X7 an address that is none", Change: []string{"+x A 60 192.0.2.256"}, Refusal: "InvalidChangeBatch",
		Text: "192.0.2.256"},
	{Name: "N6 escapes of names and text", Change: []string{`+\052 A 60 192.0.2.1`,
		`+claim TXT 60 "\303\251 \"q\" \\"`}, After: []string{`\052 A 60 192.0.2.1`,
		`claim TXT 60 "\303\251 \"q\" \\"`}},
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

// Suffix implements cloudtest.FactZone.
func (h hosted) Suffix() string { return h.suffix }

// Apply implements cloudtest.FactZone.
func (h hosted) Apply(ctx context.Context, lines ...string) error {
	_, err := h.change(ctx, lines...)
	return err
}

func resource(set federation.RRset) *types.ResourceRecordSet {
	out := &types.ResourceRecordSet{
		Name: aws.String(string(set.Name)), Type: types.RRType(set.Type), TTL: aws.Int64(int64(set.TTL)),
	}
	for _, d := range set.Data {
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
		batch = append(batch, types.Change{Action: action,
			ResourceRecordSet: resource(cloudtest.ParseLine(line[1:], h.suffix))})
	}
	out, err := h.api.ChangeResourceRecordSets(ctx, &sdk.ChangeResourceRecordSetsInput{HostedZoneId: &h.id,
		ChangeBatch: &types.ChangeBatch{Changes: batch}})
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

// All implements cloudtest.FactZone.
func (h hosted) All(t testing.TB) (out []federation.RRset) {
	t.Helper()
	for _, set := range h.all(t) {
		one := federation.RRset{
			Name: federation.FQDN(*set.Name), Type: string(set.Type), TTL: uint32(aws.ToInt64(set.TTL)),
		}
		for _, r := range set.ResourceRecords {
			one.Data = append(one.Data, *r.Value)
		}
		out = append(out, one)
	}
	return out
}

// Clear implements cloudtest.FactZone.
func (h hosted) Clear(t testing.TB) {
	t.Helper()
	for part := range slices.Chunk(h.all(t), 400) {
		var batch []types.Change
		for i := range part {
			batch = append(batch, types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: &part[i]})
		}
		_, err := h.api.ChangeResourceRecordSets(context.WithoutCancel(t.Context()),
			&sdk.ChangeResourceRecordSetsInput{HostedZoneId: &h.id, ChangeBatch: &types.ChangeBatch{Changes: batch}})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// testFacts checks the table in the hosted zone.
func testFacts(t *testing.T, h hosted) {
	cloudtest.Facts(t, h, facts)
	t.Run("X7 no such hosted zone", func(t *testing.T) {
		none := h
		none.id = "Z00000000000000000000"
		_, err := none.change(t.Context(), "+x A 60 192.0.2.1")
		h.Refused(t, err, "NoSuchHostedZone", "")
	})
	t.Run("X7 an unknown access key", func(t *testing.T) {
		options := h.api.Options()
		options.Credentials = credentials.NewStaticCredentialsProvider("AKIAUNKNOWN000000000", "no secret", "")
		unknown := hosted{sdk.New(options), h.id, h.suffix}
		_, err := unknown.change(t.Context(), "+x A 60 192.0.2.1")
		h.Refused(t, err, "InvalidClientTokenId", "")
	})
	t.Run("a change is PENDING, then INSYNC", func(t *testing.T) {
		defer h.Clear(t)
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

// Refused implements cloudtest.FactZone.
func (hosted) Refused(t testing.TB, err error, code, text string) {
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
