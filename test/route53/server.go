// Package route53 is a stand-in of Amazon Route 53 for tests and the demo: its
// API over HTTP as the SDK speaks it, and its name servers.
//
// It does what is documented, and what users of the real one report: a batch
// is made in order, all or nothing; a deletion matches name, type, TTL and the
// text of every value; a CNAME stands alone; an RRset is not deleted twice
// and not created before it is deleted in one batch; one request at a time and
// hosted zone; 1000 values and 32,000 characters; pages of 300 in the order of
// the labels from the right.
package route53

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/cloudzone"
)

// HostedZone is one of the account.
type HostedZone struct {
	ID      string
	Name    string // with the trailing dot
	Private bool
	zone    *cloudzone.Zone
	busy    sync.Mutex
}

// Limits of the account; 0 is none.
type Limits struct {
	// PerSecond requests, and as many at once.
	PerSecond int
	// RRsets in a hosted zone.
	RRsets int
}

// Request is one that was answered, or not.
type Request struct {
	At     time.Time
	Action string // "ChangeResourceRecordSets"
	Zone   string // id
	// Changes in it, values and characters in these, and octets of the body.
	Changes, Values, Characters, Octets int
	// Names that are changed, as the request has them.
	Names []string
	// Name that a list begins with.
	Name string
	// Elements are the changes in the request's order: "DELETE A www.example.com.".
	Elements []string
	// Key is the access key that has signed it.
	Key string
	// Replied octets.
	Replied int
	// Code is "" for a request that was granted.
	Code string
}

// Server is the stand-in. Its methods may be called by several goroutines.
type Server struct {
	// URL of the API, and of STS.
	URL string
	// DNS is the address of the name server of all zones.
	DNS string

	web     *http.Server
	ended   chan struct{}
	stopDNS func()

	mu       sync.Mutex
	zones    []*HostedZone
	limits   Limits
	faults   Faults
	requests []*Request
	times    []time.Time          // of the last second's requests
	changes  map[string]time.Time // when they are in sync
	roles    []Role
	observe  func(Exchange)
}

// Role is one that was assumed.
type Role struct {
	ARN, ExternalID, Session string
	// Key has signed the request.
	Key string
}

// Addresses are those that a stand-in listens on; port 0 is any.
type Addresses struct{ API, DNS string }

// Start starts a stand-in at any ports of 127.0.0.1; see StartAt.
func Start(zones ...HostedZone) (*Server, error) {
	return StartAt(Addresses{"127.0.0.1:0", "127.0.0.1:0"}, zones...)
}

// StartAt starts a stand-in with these hosted zones, each with SOA and NS, whose
// negative TTL is 30 s.
func StartAt(at Addresses, zones ...HostedZone) (*Server, error) {
	s := &Server{changes: map[string]time.Time{}, ended: make(chan struct{})}
	var served []*cloudzone.Zone
	for i := range zones {
		z := &zones[i]
		z.zone = cloudzone.New(z.Name, reversed, records)
		err := z.zone.Load(
			cloudzone.Set{Name: z.Name, Type: "SOA", TTL: 900, Data: []string{"ns.example.org. hostmaster.example.org. 1 7200 900 1209600 30"}},
			cloudzone.Set{Name: z.Name, Type: "NS", TTL: 172800, Data: []string{"ns.example.org."}})
		if err != nil {
			return nil, err
		}
		s.zones = append(s.zones, z)
		if !slices.ContainsFunc(served, func(o *cloudzone.Zone) bool { return o.Name() == z.Name }) {
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

// reversed is the order of the API: com.example.www.
func reversed(name string) string {
	labels := dns.SplitDomainName(name)
	slices.Reverse(labels)
	return strings.Join(labels, ".") + "."
}

// SetLimits sets the limits of the account.
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

// Requests returns the requests since the last Reset.
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

// Roles returns the roles that were assumed, oldest first.
func (s *Server) Roles() []Role {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.roles)
}

// Load puts RRsets into the hosted zone as somebody else would. Data is in the
// form of the API.
func (s *Server) Load(id string, sets ...cloudzone.Set) error {
	z := s.zone(id)
	if z == nil {
		return fmt.Errorf("no hosted zone %q", id)
	}
	return z.zone.Load(sets...)
}

// Remove takes RRsets out of the hosted zone as somebody else would.
func (s *Server) Remove(id string, keys ...cloudzone.Key) {
	if z := s.zone(id); z != nil {
		z.zone.Remove(keys...)
	}
}

// RRsets returns all RRsets of the hosted zone in the order of the API.
func (s *Server) RRsets(id string) []cloudzone.Set {
	z := s.zone(id)
	if z == nil {
		return nil
	}
	all, _ := z.zone.List(cloudzone.Key{}, 1<<30, nil)
	return all
}

func (s *Server) zone(id string) *HostedZone {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, z := range s.zones {
		if z.ID == id {
			return z
		}
	}
	return nil
}
