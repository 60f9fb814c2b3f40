// Package clouddns is a fake of Google Cloud DNS for tests and the demo: its API over HTTP as the SDK speaks it, the
// token endpoint of service accounts, and name servers.
//
// It does what is documented, and what users of the real one report: a Change is made as a whole or not at all,
// deletions before additions; a deletion matches name, type, TTL and every value; an addition is of nothing that
// exists; a CNAME stands alone, judged by the outcome of the Change; 1000 additions, 1000 deletions and 100,000 bytes
// of data; an error names each RRset that is wrong; pages with a token; a Change is pending, then done.
package clouddns

import (
	"fmt"
	"slices"
	"sync"

	"github.com/federation-dns/federation/test/cloudzone"
	"github.com/federation-dns/federation/test/fakecloud"
)

// Project is the only one.
const Project = "example-project"

// Server is the fake. Its methods may be called by several goroutines.
type Server struct {
	*fakecloud.Server

	mu          sync.Mutex
	tokens      map[string]token
	tokenFaults TokenFaults
}

// Start starts a fake at any ports of 127.0.0.1; see StartAt.
func Start(zones ...fakecloud.Zone) (*Server, error) {
	return StartAt(fakecloud.Loopback, zones...)
}

// StartAt starts a fake with these managed zones, each with SOA and NS. Their negative TTL is 30 s.
func StartAt(at fakecloud.Addresses, zones ...fakecloud.Zone) (s *Server, err error) {
	s = &Server{tokens: map[string]token{}}
	s.Server, err = fakecloud.New(fakecloud.Service{
		Apex: []cloudzone.Set{
			{Type: "SOA", TTL: 21600, Data: []string{"ns.example.org. hostmaster.example.org. 1 21600 3600 259200 30"}},
			{Type: "NS", TTL: 21600, Data: []string{"ns.example.org."}},
		},
		// The order of the answers is not documented.
		Order: func(name string) string { return name }, Record: record, MaxBody: maxBody,
		ServeCredentials: s.serveToken, Parse: s.parse, Encode: encode,
	}, zones...)
	if err != nil {
		return nil, err
	}
	return s, s.Start(at)
}

// managedZone is a zone by its name or number.
type managedZone struct {
	*fakecloud.Zone
	number uint64
}

func (s *Server) managedZones() (all []managedZone) {
	for i, z := range s.Zones() {
		all = append(all, managedZone{z, uint64(1000000000000000000 + i)})
	}
	return all
}

// managedZone returns the one with that name or number.
func (s *Server) managedZone(name string) (z managedZone, ok bool) {
	all := s.managedZones()
	i := slices.IndexFunc(all, func(z managedZone) bool { return z.ID == name || fmt.Sprint(z.number) == name })
	if i < 0 {
		return z, false
	}
	return all[i], true
}
