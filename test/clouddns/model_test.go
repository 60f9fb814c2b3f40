package clouddns_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/federation-dns/federation/test/clouddns"
	"github.com/federation-dns/federation/test/fakecloud"
)

// TestModel holds that the check finds what differs from Google's description.
func TestModel(t *testing.T) {
	model, err := clouddns.LoadModel()
	if err != nil {
		t.Fatal(err)
	}
	const base = "/dns/v1/projects/p/managedZones/z/"
	const set = `{"kind":"dns#resourceRecordSet","name":"x.","type":"A","ttl":60,"rrdatas":["192.0.2.1"]}`
	const answer = `{"kind":"dns#resourceRecordSetsListResponse","rrsets":[` + set + `],"nextPageToken":"t"}`
	const made = `{"kind":"dns#change","id":"1","status":"pending","startTime":"2026-01-01T00:00:00Z","additions":[` +
		set + `]}`
	const failed = `{"error":{"code":409,"message":"m","errors":[` +
		`{"message":"m","domain":"global","reason":"alreadyExists"}]}}`
	list := func(query, answer string) fakecloud.Exchange {
		return fakecloud.Exchange{Action: "resourceRecordSets.list", Method: "GET", URL: &url.URL{Path: base + "rrsets",
			RawQuery: query}, Status: 200, Answer: []byte(answer)}
	}
	change := func(body, answer string) fakecloud.Exchange {
		return fakecloud.Exchange{Action: "changes.create", Method: "POST", URL: &url.URL{Path: base + "changes"},
			Body: []byte(body), Status: 200, Answer: []byte(answer)}
	}
	status := func(status int, answer string) fakecloud.Exchange {
		e := list("", answer)
		e.Status = status
		return e
	}
	const good = `{"additions":[` + set + `]}`
	for _, tt := range []struct {
		name string
		e    fakecloud.Exchange
		want string // "" is none
	}{
		{"a list", list("alt=json&prettyPrint=false&name=a.&type=A&maxResults=300&pageToken=t", answer), ""},
		{"a change", change(good, made), ""},
		{"an error", status(409, failed), ""},
		{"another method", fakecloud.Exchange{Action: "nothing.list", URL: &url.URL{}}, "no method"},
		{"another verb", fakecloud.Exchange{Action: "changes.create", Method: "GET",
			URL: &url.URL{Path: base + "changes"}}, "want POST"},
		{"another path", fakecloud.Exchange{Action: "changes.create", Method: "POST",
			URL: &url.URL{Path: base + "change"}}, "want POST"},
		{"no zone", fakecloud.Exchange{Action: "changes.create", Method: "POST",
			URL: &url.URL{Path: "/dns/v1/projects/p/managedZones//changes"}}, "want POST"},
		{"a parameter too many", list("page=1", answer), `"page"`},
		{"a parameter that is no number", list("maxResults=many", answer), "maxResults"},
		{"a parameter out of bounds", list("maxResults=9999999999", answer), "out of range"},
		{"a parameter of another value", list("alt=xml", answer), `"xml"`},
		{"a parameter that is no boolean", list("prettyPrint=perhaps", answer), "perhaps"},
		{"a property that is unknown", change(strings.Replace(good, `"ttl"`, `"ttI"`, 1), made), "ttI"},
		{"a number that is text", change(strings.Replace(good, "60", `"60"`, 1), made), "want integer"},
		{"a number out of bounds", change(strings.Replace(good, "60", "2147483648", 1), made), "out of range"},
		{"a text that is a number", change(strings.Replace(good, `"x."`, "1", 1), made), "want string"},
		{"a boolean that is none", change(`{"isServing":"yes"}`, made), "want boolean"},
		{"an array that is none", change(`{"additions":`+set+`}`, made), "want array"},
		{"an object that is none", change(`{"additions":[["x."]]}`, made), "want object"},
		{"no value", change(`{"additions":null}`, made), "want array"},
		{"no body", change("", made), "EOF"},
		{"a body where none belongs", fakecloud.Exchange{Action: "resourceRecordSets.list", Method: "GET",
			URL: &url.URL{Path: base + "rrsets"}, Body: []byte(good)}, "a body"},
		{"an answer of another method", list("", made), "unknown property"},
		{"a status of its own", change(good, strings.Replace(made, "pending", "waiting", 1)), `"waiting"`},
		{"an error with another status", status(400, failed), "400"},
		{"an error without a reason", status(409, strings.Replace(failed, "alreadyExists", "", 1)), "409"},
		{"an error without what is wrong", status(409, `{"error":{"code":409,"message":"m","errors":[]}}`), "409"},
		{"an error with more", status(409, strings.Replace(failed, `"code"`, `"cause":"c","code"`, 1)), "cause"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := model.Check(tt.e)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
		})
	}
}
