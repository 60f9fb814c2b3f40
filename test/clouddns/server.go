// Package clouddns is a stand-in of Google Cloud DNS for tests and the demo: its
// API over HTTP as the SDK speaks it, the token endpoint that service accounts
// ask, and its name servers.
//
// It does what is documented, and what users of the real one report: a Change
// is made as a whole or not at all, deletions before additions; a deletion
// matches name, type, TTL and every value; an addition is of nothing that is
// there; a CNAME stands alone, which is judged by what the Change leaves; 1000
// additions, 1000 deletions and 100,000 bytes of data; an error names each
// RRset that is wrong; pages with a token; a Change is pending, then done.
package clouddns

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/federation-dns/federation/test/cloudzone"
)

// Project is the one that there is.
const Project = "example-project"

// ManagedZone is one of the project.
type ManagedZone struct {
	Name    string // "example-com"
	DNSName string // "example.com.", canonical
	Private bool
	// Forwards: the zone has no records, queries go elsewhere.
	Forwards bool
	id       uint64
	zone     *cloudzone.Zone
}

// Limits of the project; 0 is none, or that of Cloud DNS.
type Limits struct {
	// PerSecond requests, and as many at once.
	PerSecond int
	// RRsets in a managed zone.
	RRsets int
	// Page is the most that an answer holds, whatever is asked for.
	Page int
}

// Request is one that was answered, or not.
type Request struct {
	At     time.Time
	Action string // "changes.create"
	Zone   string // name
	// Additions and Deletions in it, and octets of their data and of the body.
	Additions, Deletions, Data, Octets int
	// Names that are changed, as the request has them.
	Names []string
	// Name that a list asks for.
	Name string
	// Elements are the changes in the request's order, deletions first:
	// "DELETE A www.example.com.", "ADD ...".
	Elements []string
	// Account is the service account that has sent it; "" is none.
	Account string
	// Replied octets.
	Replied int
	// Code is the status and reason, "409 alreadyExists"; "" for a request that
	// was granted.
	Code string
}

// Server is the stand-in. Its methods may be called by several goroutines.
type Server struct {
	// URL of the API, and of the token endpoint.
	URL string
	// DNS is the address of the name server of all zones.
	DNS string

	web     *http.Server
	ended   chan struct{}
	stopDNS func()

	mu       sync.Mutex
	zones    []*ManagedZone
	limits   Limits
	faults   Faults
	requests []*Request
	times    []time.Time // of the last second's requests
	changes  map[string][]*made
	tokens   map[string]grant
	observe  func(Exchange)
}

// Addresses are those that a stand-in listens on; port 0 is any.
type Addresses struct{ API, DNS string }

// Start starts a stand-in at any ports of 127.0.0.1; see StartAt.
func Start(zones ...ManagedZone) (*Server, error) {
	return StartAt(Addresses{"127.0.0.1:0", "127.0.0.1:0"}, zones...)
}

// StartAt starts a stand-in with these managed zones, each with SOA and NS, whose
// negative TTL is 30 s.
func StartAt(at Addresses, zones ...ManagedZone) (*Server, error) {
	s := &Server{changes: map[string][]*made{}, tokens: map[string]grant{}, ended: make(chan struct{})}
	var served []*cloudzone.Zone
	for i := range zones {
		z := &zones[i]
		z.id = uint64(1000000000000000000 + i)
		z.zone = cloudzone.New(z.DNSName, listed, records)
		err := z.zone.Load(
			cloudzone.Set{Name: z.DNSName, Type: "SOA", TTL: 21600, Data: []string{"ns.example.org. hostmaster.example.org. 1 21600 3600 259200 30"}},
			cloudzone.Set{Name: z.DNSName, Type: "NS", TTL: 21600, Data: []string{"ns.example.org."}})
		if err != nil {
			return nil, err
		}
		s.zones = append(s.zones, z)
		if !slices.ContainsFunc(served, func(o *cloudzone.Zone) bool { return o.Name() == z.DNSName }) {
			served = append(served, z.zone)
		}
	}
	var err error
	if s.DNS, s.stopDNS, err = cloudzone.Serve(at.DNS, served...); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", at.API)
	if err != nil {
		s.stopDNS()
		return nil, err
	}
	s.URL = "http://" + listener.Addr().String()
	s.web = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() {
		_ = s.web.Serve(listener) // it ends by Close
		close(s.ended)
	}()
	return s, nil
}

// Close ends it.
func (s *Server) Close() {
	_ = s.web.Close()
	<-s.ended
	s.stopDNS()
}

// listed is the order of the answers, which is not documented.
func listed(name string) string { return name }

// SetLimits sets the limits of the project.
func (s *Server) SetLimits(l Limits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits = l
}

func (s *Server) currentLimits() Limits {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limits
}

// Requests returns the requests since the last Reset. Those for tokens are not
// among them.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Request, len(s.requests))
	for i, r := range s.requests {
		out[i] = *r
	}
	return out
}

// Take returns the requests since the last Take or Reset, and forgets them. One
// whose answer is under way may lack its code.
func (s *Server) Take() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Request, len(s.requests))
	for i, r := range s.requests {
		out[i] = *r
	}
	s.requests = nil
	return out
}

// Count returns how many of these requests were for the action; "" is any.
func (s *Server) Count(action string) (n int) {
	for _, r := range s.Requests() {
		if action == "" || r.Action == action {
			n++
		}
	}
	return n
}

// Reset forgets the requests and ends the faults.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.faults = nil, Faults{}
}

// Observe has f called for each request and its answer, before that is sent.
// It may be called by several goroutines.
func (s *Server) Observe(f func(Exchange)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observe = f
}

// Load puts RRsets into the managed zone as somebody else would. Data is in the
// form of the API.
func (s *Server) Load(name string, sets ...cloudzone.Set) error {
	z := s.zone(name)
	if z == nil {
		return fmt.Errorf("no managed zone %q", name)
	}
	return z.zone.Load(sets...)
}

// Remove takes RRsets out of the managed zone as somebody else would.
func (s *Server) Remove(id string, keys ...cloudzone.Key) {
	if z := s.zone(id); z != nil {
		z.zone.Remove(keys...)
	}
}

// RRsets returns all RRsets of the managed zone, sorted by name.
func (s *Server) RRsets(name string) []cloudzone.Set {
	z := s.zone(name)
	if z == nil {
		return nil
	}
	all, _ := z.zone.List(cloudzone.Key{}, 1<<30, nil)
	return all
}

// zone is the one of that name or id.
func (s *Server) zone(name string) *ManagedZone {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, z := range s.zones {
		if z.Name == name || fmt.Sprint(z.id) == name {
			return z
		}
	}
	return nil
}
