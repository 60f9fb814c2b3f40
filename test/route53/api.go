package route53

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/federation-dns/federation/test/fakecloud"
)

// maxBody is more than any request within the limits has.
const maxBody = 1 << 20

// call is a request, as far as it was understood.
type call struct {
	fakecloud.Request
	query url.Values
	id    string // of the hosted zone or the change
	batch changeRequest
	err   error
}

func (s *Server) parse(r *http.Request, body []byte) (fakecloud.Request, func() (any, *fakecloud.Error)) {
	c := newCall(r, body)
	return c.Request, func() (any, *fakecloud.Error) { return s.serve(r, c) }
}

func newCall(r *http.Request, body []byte) call {
	c := call{query: r.URL.Query(), Request: fakecloud.Request{Client: accessKey(r)}}
	path, inVersion := strings.CutPrefix(strings.TrimSuffix(r.URL.Path, "/"), "/2013-04-01/")
	parts := strings.Split(path, "/")
	is := func(method, first string, length int) bool {
		return inVersion && r.Method == method && parts[0] == first && len(parts) == length
	}
	switch {
	case is("POST", "hostedzone", 3) && parts[2] == "rrset":
		c.Action = "ChangeResourceRecordSets"
		c.err = xml.Unmarshal(body, &c.batch)
		for _, change := range c.batch.Changes {
			c.Add(change.Action, change.Set.Type, change.Set.Name, change.Set.values())
		}
	case is("GET", "hostedzone", 3) && parts[2] == "rrset":
		c.Action = "ListResourceRecordSets"
		c.Name = c.query.Get("name")
	case is("GET", "hostedzone", 2):
		c.Action = "GetHostedZone"
	case is("GET", "hostedzonesbyname", 1):
		c.Action = "ListHostedZonesByName"
	case is("GET", "change", 2):
		c.Action = "GetChange"
	default:
		c.err = fmt.Errorf("%s %s is not in the fake", r.Method, r.URL.Path)
	}
	if len(parts) > 1 {
		c.id = parts[1]
	}
	if parts[0] == "hostedzone" {
		c.Zone = c.id
	}
	return c
}

// serve carries the request out.
func (s *Server) serve(r *http.Request, c call) (any, *fakecloud.Error) {
	if err := checkSignature(r, time.Now().Add(s.authFaults().Skew)); err != nil {
		return nil, err
	}
	if s.Throttled() {
		return nil, fakecloud.Errorf(400, "Throttling", "Rate exceeded")
	}
	if c.err != nil {
		return nil, invalidInput("%v", c.err)
	}
	switch c.Action {
	case "ChangeResourceRecordSets":
		return s.change(c)
	case "ListResourceRecordSets":
		return s.list(c)
	case "GetHostedZone":
		return s.getZone(c)
	case "ListHostedZonesByName":
		return s.zonesByName(c)
	}
	return s.getChange(c)
}

// encode returns the answer, or the error if there is one.
func (s *Server) encode(header http.Header, answer any, refusal *fakecloud.Error) []byte {
	now := time.Now()
	if refusal != nil {
		answer = errorOf(refusal, fmt.Sprintf("request-%d", now.UnixNano()))
	}
	var out bytes.Buffer
	out.WriteString(xml.Header)
	if err := xml.NewEncoder(&out).Encode(answer); err != nil {
		panic(errors.Join(errors.New("the answer has no form in XML"), err))
	}
	header.Set("Content-Type", "text/xml")
	header.Set("Date", now.Add(s.authFaults().Skew).UTC().Format(http.TimeFormat))
	return out.Bytes()
}
