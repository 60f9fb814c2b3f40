package clouddns

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxBody is more than any request has within the limits.
const maxBody = 4 << 20

// Exchange is a request and its answer, for those who check them.
type Exchange struct {
	Action, Method string
	URL            *url.URL
	Body           []byte
	Status         int
	Answer         []byte
}

// ServeHTTP is the API of Cloud DNS, and the token endpoint.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return // the client has gone
	}
	if r.URL.Path == tokenPath {
		s.serveToken(w, r, body)
		return
	}
	c := newCall(r, body)
	c.request.Account = s.accountOf(r)
	entry := s.log(c.request)
	fate := Fate{}
	if decide := s.currentFaults().Fate; decide != nil {
		fate = decide(c.request)
	}
	if !sleep(r, fate.Delay) {
		return
	}
	wrong := fate.HangUp || fate.Status != 0
	var answer any
	var refusal *apiError
	if !wrong || fate.Done {
		answer, refusal = s.serve(r, c)
	}
	if !sleep(r, fate.Stall) {
		return
	}
	if fate.HangUp {
		panic(http.ErrAbortHandler) // closes the connection
	}
	if fate.HTML {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(fate.Status)
		_, _ = io.WriteString(w, "<html><body>\nas the test wants it\n</body></html>\n") // the client asks again
		return
	}
	if fate.Status != 0 {
		refusal = failed(fate.Status, fate.Reason, "%s", cmp.Or(fate.Message, "as the test wants it"))
	}
	s.reply(w, c, entry, answer, refusal)
}

// sleep reports false if the client goes before.
func sleep(r *http.Request, d time.Duration) bool {
	if d == 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// log notes the request and returns its entry.
func (s *Server) log(r Request) *Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, &r)
	return &r
}

// call is a request that was understood as far as it could be.
type call struct {
	request Request
	method  string
	url     *url.URL
	body    []byte
	project string
	id      string // of the Change
	change  jsonChange
	err     error
}

func newCall(r *http.Request, body []byte) call {
	c := call{method: r.Method, url: r.URL, body: body}
	c.request = Request{At: time.Now(), Octets: len(body)}
	path, inVersion := strings.CutPrefix(r.URL.Path, "/dns/v1/projects/")
	parts := strings.Split(path, "/")
	c.project = parts[0]
	if len(parts) > 2 {
		c.request.Zone = parts[2]
	}
	is := func(method string, length int, last string) bool {
		return inVersion && r.Method == method && len(parts) == length && (length < 2 || parts[1] == "managedZones") && (length < 4 || parts[3] == last)
	}
	switch {
	case is("POST", 4, "changes"):
		c.request.Action = "changes.create"
		c.err = json.Unmarshal(body, &c.change)
		c.weigh()
	case is("GET", 5, "changes"):
		c.request.Action = "changes.get"
		c.id = parts[4]
	case is("GET", 4, "rrsets"):
		c.request.Action = "resourceRecordSets.list"
		c.request.Name = r.URL.Query().Get("name")
	case is("GET", 3, ""):
		c.request.Action = "managedZones.get"
	case is("GET", 2, ""):
		c.request.Action = "managedZones.list"
	default:
		c.err = fmt.Errorf("%s %s is not in the stand-in", r.Method, r.URL.Path)
	}
	return c
}

// weigh counts what the limits are about.
func (c *call) weigh() {
	c.request.Additions, c.request.Deletions = len(c.change.Additions), len(c.change.Deletions)
	for i, sets := range [][]jsonSet{c.change.Deletions, c.change.Additions} {
		for _, set := range sets {
			c.request.Elements = append(c.request.Elements, []string{"DELETE ", "ADD "}[i]+set.Type+" "+set.Name)
			c.request.Names = append(c.request.Names, set.Name)
			for _, data := range set.Data {
				c.request.Data += len(data)
			}
		}
	}
}

// serve does what the request says.
func (s *Server) serve(r *http.Request, c call) (any, *apiError) {
	if err := s.unknown(r); err != nil {
		return nil, err
	}
	if s.throttled() {
		return nil, failed(http.StatusTooManyRequests, "rateLimitExceeded", "Quota exceeded for quota metric 'Write requests' and limit 'Write limit for a minute for a region' of service 'dns.googleapis.com' for consumer '%s'.", Project)
	}
	switch {
	case c.err != nil:
		return nil, failed(http.StatusBadRequest, "parseError", "%v", c.err)
	case c.project != Project:
		return nil, failed(http.StatusForbidden, "forbidden", "Permission denied on resource project %s.", c.project)
	case c.request.Action == "managedZones.list":
		return s.listZones(c)
	}
	z := s.zone(c.request.Zone)
	if z == nil {
		return nil, failed(http.StatusNotFound, "notFound", "The 'parameters.managedZone' resource named '%s' does not exist.", c.request.Zone)
	}
	switch c.request.Action {
	case "changes.create":
		return s.makeChange(z, c.change)
	case "changes.get":
		return s.getChange(z, c.id)
	case "resourceRecordSets.list":
		return s.list(z, c)
	}
	return z.json(), nil
}

func (s *Server) reply(w http.ResponseWriter, c call, entry *Request, answer any, refusal *apiError) {
	status := http.StatusOK
	if refusal != nil {
		status, answer = refusal.status, refusal.json()
	}
	out, err := json.Marshal(answer)
	if err != nil {
		panic(errors.Join(errors.New("an answer that is no JSON"), err))
	}
	s.mu.Lock()
	entry.Replied = len(out)
	if refusal != nil {
		entry.Code = strings.TrimSpace(fmt.Sprintf("%d %s", refusal.status, refusal.items[0].Reason))
	}
	observe := s.observe
	s.mu.Unlock()
	if observe != nil {
		observe(Exchange{Action: c.request.Action, Method: c.method, URL: c.url, Body: c.body, Status: status, Answer: out})
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(out) // the client asks again
}
