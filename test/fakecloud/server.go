// Package fakecloud is the frame of the fakes of cloud DNS services: zones that are also served over DNS, an HTTP
// server, a log of the requests, faults, a request limit, and changes that take time to propagate. The API is a
// Service.
package fakecloud

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/cloudzone"
)

// Zone is a zone of the account.
type Zone struct {
	ID      string // names the zone in requests
	Name    string // canonical
	Private bool
	// Forwards: the zone holds no records, queries go elsewhere. Only Cloud DNS has such zones.
	Forwards bool
	// Records are set by New.
	Records *cloudzone.Zone
}

// Service is the API of one cloud DNS service.
type Service struct {
	// Apex holds the SOA and NS RRsets of a new zone. Their names are filled in.
	Apex []cloudzone.Set
	// Order turns a name into the text by which the API sorts names.
	Order func(name string) string
	// Record parses data in the form of the API.
	Record func(set cloudzone.Set, data string) (dns.RR, error)
	// MaxBody bounds the body of a request, in octets.
	MaxBody int64
	// ServeCredentials answers a request for credentials, and reports whether r is one. Such requests are not logged.
	ServeCredentials func(w http.ResponseWriter, r *http.Request, body []byte) bool
	// Parse returns what a request asks for, as far as it is understood, and a function that carries it out.
	Parse func(r *http.Request, body []byte) (Request, func() (answer any, refusal *Error))
	// Encode returns the body of a reply, to an answer or a refusal, and sets its headers.
	Encode func(header http.Header, answer any, refusal *Error) []byte
}

// Server is a fake. Its methods may be called by several goroutines.
type Server struct {
	// URL of the API, and of the endpoint for credentials.
	URL string
	// DNS is the address of the name server of all zones.
	DNS string

	service Service
	zones   []*Zone
	web     *http.Server
	ended   chan struct{}
	stopDNS func()

	mu       sync.Mutex
	limits   Limits
	faults   Faults
	requests []*Request
	recent   []time.Time // requests of the last second
	changes  map[string][]Change
	observe  func(Exchange)
}

// Addresses to listen on; port 0 is any.
type Addresses struct{ API, DNS string }

// Loopback is any port of 127.0.0.1.
var Loopback = Addresses{"127.0.0.1:0", "127.0.0.1:0"}

// New returns a fake that does not listen yet. Of zones with the same name, the first is served over DNS.
func New(service Service, zones ...Zone) (*Server, error) {
	s := &Server{service: service, changes: map[string][]Change{}, ended: make(chan struct{})}
	for _, z := range zones {
		z.Records = cloudzone.New(z.Name, service.Order, service.Record)
		for _, set := range service.Apex {
			set.Name = z.Name
			if err := z.Records.Load(set); err != nil {
				return nil, err
			}
		}
		s.zones = append(s.zones, &z)
	}
	return s, nil
}

// Start listens and serves until Close.
func (s *Server) Start(at Addresses) (err error) {
	var served []*cloudzone.Zone
	for _, z := range s.zones {
		if !slices.ContainsFunc(served, func(o *cloudzone.Zone) bool { return o.Name() == z.Name }) {
			served = append(served, z.Records)
		}
	}
	if s.DNS, s.stopDNS, err = cloudzone.Serve(at.DNS, served...); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", at.API)
	if err != nil {
		s.stopDNS()
		return err
	}
	s.URL = "http://" + listener.Addr().String()
	s.web = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() {
		_ = s.web.Serve(listener) // ends with Close
		close(s.ended)
	}()
	return nil
}

// Close stops a fake that was started.
func (s *Server) Close() {
	_ = s.web.Close()
	<-s.ended
	s.stopDNS()
}

// Zones returns the zones, in the order of New.
func (s *Server) Zones() []*Zone { return slices.Clone(s.zones) }

// Zone returns the zone with this ID, or nil.
func (s *Server) Zone(id string) *Zone {
	for _, z := range s.zones {
		if z.ID == id {
			return z
		}
	}
	return nil
}

// Load puts RRsets into a zone, as another client would. Data is in the form of the API.
func (s *Server) Load(zone string, sets ...cloudzone.Set) error {
	z := s.Zone(zone)
	if z == nil {
		return fmt.Errorf("no zone %q", zone)
	}
	return z.Records.Load(sets...)
}

// Remove deletes RRsets from a zone, as another client would.
func (s *Server) Remove(zone string, keys ...cloudzone.Key) {
	if z := s.Zone(zone); z != nil {
		z.Records.Remove(keys...)
	}
}

// RRsets returns all RRsets of a zone in the order of the API.
func (s *Server) RRsets(zone string) []cloudzone.Set {
	z := s.Zone(zone)
	if z == nil {
		return nil
	}
	all, _ := z.Records.List(cloudzone.Key{}, 1<<30, nil)
	return all
}

// Change is one that was made. It propagates for a while (Faults.PendingFor).
type Change struct {
	ID        int // counts from 1 in each zone
	Submitted time.Time
	What      any // as given to Submit

	propagated time.Time
}

// Pending reports whether the change has yet to propagate.
func (c Change) Pending() bool { return time.Now().Before(c.propagated) }

// Submit records a change that was made.
func (s *Server) Submit(zone string, what any) Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	c := Change{ID: len(s.changes[zone]) + 1, Submitted: now, What: what, propagated: now.Add(s.faults.PendingFor)}
	s.changes[zone] = append(s.changes[zone], c)
	return c
}

// Change returns a change that was submitted.
func (s *Server) Change(zone string, id int) (c Change, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id < 1 || id > len(s.changes[zone]) {
		return c, false
	}
	return s.changes[zone][id-1], true
}
