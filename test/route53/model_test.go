package route53_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/federation-dns/federation/test/fakecloud"
	"github.com/federation-dns/federation/test/needs"
	"github.com/federation-dns/federation/test/route53"
)

// TestModel holds that the check finds what differs from AWS's description.
func TestModel(t *testing.T) {
	needs.File(t, route53.ModelPath, "python3-botocore")
	model, err := route53.LoadModel()
	if err != nil {
		t.Fatal(err)
	}
	const path, head = "/2013-04-01/hostedzone/Z1/rrset",
		`<ListResourceRecordSetsResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/">`
	const set = `<ResourceRecordSet><Name>x.</Name><Type>A</Type><TTL>60</TTL></ResourceRecordSet>`
	answer := head + `<ResourceRecordSets>` + set +
		`</ResourceRecordSets><IsTruncated>false</IsTruncated><MaxItems>300</MaxItems></ListResourceRecordSetsResponse>`
	failed := `<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/">` +
		`<Error><Type>Sender</Type><Code>InvalidInput</Code><Message>m</Message></Error><RequestId>r</RequestId></ErrorResponse>`
	list := func(query, answer string) fakecloud.Exchange {
		return fakecloud.Exchange{Action: "ListResourceRecordSets", Method: "GET",
			URL: &url.URL{Path: path, RawQuery: query}, Status: 200, Answer: []byte(answer)}
	}
	change := func(body string) fakecloud.Exchange {
		return fakecloud.Exchange{Action: "ChangeResourceRecordSets", Method: "POST", URL: &url.URL{Path: path},
			Body: []byte(body), Status: 400, Answer: []byte(failed)}
	}
	status := func(status int, answer string) fakecloud.Exchange {
		e := list("", answer)
		e.Status = status
		return e
	}
	good := batch("CREATE x. A 60 192.0.2.1")
	for _, tt := range []struct {
		name string
		e    fakecloud.Exchange
		want string // "" is none
	}{
		{"a list", list("name=a.&type=A&maxitems=300", answer), ""},
		{"a change", change(good), ""},
		{"an error", status(400, failed), ""},
		{"an error of all operations", status(403, strings.Replace(failed, "InvalidInput", "AccessDenied", 1)), ""},
		{"another operation", fakecloud.Exchange{Action: "Nothing", URL: &url.URL{}}, "no operation"},
		{"another method", fakecloud.Exchange{Action: "ListResourceRecordSets", Method: "POST",
			URL: &url.URL{Path: path}}, "want GET"},
		{"another path", fakecloud.Exchange{Action: "ListResourceRecordSets", Method: "GET",
			URL: &url.URL{Path: "/2013-04-01/zone/Z1/rrset"}}, "want GET"},
		{"a parameter too many", list("page=1", answer), `"page"`},
		{"a type that is none", list("type=B", answer), `"B"`},
		{"an id that is too long", fakecloud.Exchange{Action: "ListResourceRecordSets", Method: "GET",
			URL: &url.URL{Path: strings.Replace(path, "Z1", strings.Repeat("Z", 33), 1)}}, "33"},
		{"an element that is unknown", change(strings.Replace(good, "<TTL>60</TTL>", "<TTL>60</TTL><Class>IN</Class>",
			1)), "Class"},
		{"an element that is missing", change(strings.Replace(good, "<Type>A</Type>", "", 1)), "no Type"},
		{"an element twice", change(strings.Replace(good, "<TTL>60</TTL>", "<TTL>60</TTL><TTL>60</TTL>", 1)), "TTL"},
		{"another namespace", change(strings.Replace(good, "2013-04-01", "2012-12-12", 1)), "2012-12-12"},
		{"a number that is none", change(strings.Replace(good, "60", "sixty", 1)), "sixty"},
		{"a number out of bounds", change(strings.Replace(good, "60", "2147483648", 1)), "bounds"},
		{"an empty list", change(batch()), "bounds"},
		{"no body", change(""), "EOF"},
		{"a body where none belongs", fakecloud.Exchange{Action: "ListResourceRecordSets", Method: "GET",
			URL: &url.URL{Path: path}, Body: []byte(good)}, "a body"},
		{"another answer", list("", strings.ReplaceAll(answer, "ListResourceRecordSetsResponse", "ListResponse")),
			"ListResponse"},
		{"an answer without what it needs", list("", strings.Replace(answer, "<MaxItems>300</MaxItems>", "", 1)),
			"MaxItems"},
		{"no boolean", list("", strings.Replace(answer, "false", "no", 1)), "boolean"},
		{"a code that the operation does not have",
			status(400, strings.Replace(failed, "InvalidInput", "InvalidChangeBatch", 1)), "InvalidChangeBatch"},
		{"a code with another status", status(404, failed), "404"},
		{"an error without a code", status(400, strings.Replace(failed, "Code>", "Kode>", 2)), "status 400"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := model.Check(tt.e)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
