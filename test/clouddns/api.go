package clouddns

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/federation-dns/federation/test/fakecloud"
)

// maxBody is more than any request within the limits has.
const maxBody = 4 << 20

// call is a request, as far as it was understood.
type call struct {
	fakecloud.Request
	query   url.Values
	project string
	id      string // of the Change
	change  jsonChange
	err     error
}

func (s *Server) parse(r *http.Request, body []byte) (fakecloud.Request, func() (any, *fakecloud.Error)) {
	c := newCall(r, body)
	c.Client = s.accountOf(r)
	return c.Request, func() (any, *fakecloud.Error) { return s.serve(r, c) }
}

func newCall(r *http.Request, body []byte) call {
	c := call{query: r.URL.Query()}
	path, inVersion := strings.CutPrefix(r.URL.Path, "/dns/v1/projects/")
	parts := strings.Split(path, "/")
	c.project = parts[0]
	if len(parts) > 2 {
		c.Zone = parts[2]
	}
	is := func(method string, length int, last string) bool {
		return inVersion && r.Method == method && len(parts) == length &&
			(length < 2 || parts[1] == "managedZones") && (length < 4 || parts[3] == last)
	}
	switch {
	case is("POST", 4, "changes"):
		c.Action = "changes.create"
		c.err = json.Unmarshal(body, &c.change)
		for _, set := range c.change.Deletions {
			c.Add("DELETE", set.Type, set.Name, set.Data)
		}
		for _, set := range c.change.Additions {
			c.Add("ADD", set.Type, set.Name, set.Data)
		}
	case is("GET", 5, "changes"):
		c.Action = "changes.get"
		c.id = parts[4]
	case is("GET", 4, "rrsets"):
		c.Action = "resourceRecordSets.list"
		c.Name = c.query.Get("name")
	case is("GET", 3, ""):
		c.Action = "managedZones.get"
	case is("GET", 2, ""):
		c.Action = "managedZones.list"
	default:
		c.err = fmt.Errorf("%s %s is not in the fake", r.Method, r.URL.Path)
	}
	return c
}

// serve carries the request out.
func (s *Server) serve(r *http.Request, c call) (any, *fakecloud.Error) {
	if err := s.checkToken(r); err != nil {
		return nil, err
	}
	if s.Throttled() {
		return nil, fakecloud.Errorf(http.StatusTooManyRequests, "rateLimitExceeded",
			"Quota exceeded for quota metric 'Write requests' and limit 'Write limit for a minute for a region' of "+
				"service 'dns.googleapis.com' for consumer '%s'.", Project)
	}
	switch {
	case c.err != nil:
		return nil, fakecloud.Errorf(http.StatusBadRequest, "parseError", "%v", c.err)
	case c.project != Project:
		return nil, fakecloud.Errorf(http.StatusForbidden, "forbidden", "Permission denied on resource project %s.",
			c.project)
	case c.Action == "managedZones.list":
		return s.listZones(c)
	}
	z, ok := s.managedZone(c.Zone)
	if !ok {
		return nil, fakecloud.Errorf(http.StatusNotFound, "notFound",
			"The 'parameters.managedZone' resource named '%s' does not exist.", c.Zone)
	}
	switch c.Action {
	case "changes.create":
		return s.makeChange(z, c.change)
	case "changes.get":
		return s.getChange(z, c.id)
	case "resourceRecordSets.list":
		return s.list(z, c)
	}
	return z.json(), nil
}

// encode returns the answer, or the error if there is one.
func encode(header http.Header, answer any, refusal *fakecloud.Error) []byte {
	if refusal != nil {
		answer = errorToJSON(refusal)
	}
	out, err := json.Marshal(answer)
	if err != nil {
		panic(errors.Join(errors.New("the answer has no form in JSON"), err))
	}
	header.Set("Content-Type", "application/json; charset=UTF-8")
	return out
}
