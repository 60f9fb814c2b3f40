// Package route53 is a fake of Amazon Route 53 for tests and the demo: its API over HTTP as the SDK speaks it, the part
// of STS that lends a role, and name servers.
//
// It does what is documented, and what users of the real one report: a batch is made in order, all or nothing; a
// deletion matches name, type, TTL and the text of every value; a CNAME stands alone; an RRset is not deleted twice,
// and not created before it is deleted in one batch; one request at a time for each hosted zone; 1000 values and 32,000
// characters; pages of 300 in the order of the labels from the right.
package route53

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/cloudzone"
	"github.com/federation-dns/federation/test/fakecloud"
)

// Server is the fake. Its methods may be called by several goroutines.
type Server struct {
	*fakecloud.Server

	mu    sync.Mutex
	auth  AuthFaults
	roles []Role
	busy  map[string]*sync.Mutex // by hosted zone
}

// Start starts a fake at any ports of 127.0.0.1; see StartAt.
func Start(zones ...fakecloud.Zone) (*Server, error) {
	return StartAt(fakecloud.Loopback, zones...)
}

// StartAt starts a fake with these hosted zones, each with SOA and NS. Their negative TTL is 30 s.
func StartAt(at fakecloud.Addresses, zones ...fakecloud.Zone) (s *Server, err error) {
	s = &Server{busy: map[string]*sync.Mutex{}}
	for _, z := range zones {
		s.busy[z.ID] = &sync.Mutex{}
	}
	s.Server, err = fakecloud.New(fakecloud.Service{
		Apex: []cloudzone.Set{
			{Type: "SOA", TTL: 900, Data: []string{"ns.example.org. hostmaster.example.org. 1 7200 900 1209600 30"}},
			{Type: "NS", TTL: 172800, Data: []string{"ns.example.org."}},
		},
		Order: reversed, Record: record, MaxBody: maxBody,
		ServeCredentials: s.serveSTS, Parse: s.parse, Encode: s.encode,
	}, zones...)
	if err != nil {
		return nil, err
	}
	return s, s.Start(at)
}

// reversed is the order of the API: com.example.www.
func reversed(name string) string {
	labels := dns.SplitDomainName(name)
	slices.Reverse(labels)
	return strings.Join(labels, ".") + "."
}

// AuthFaults are what goes wrong with signatures and roles. The zero value is nothing.
type AuthFaults struct {
	// Skew is how far the clock of Route 53 is ahead.
	Skew time.Duration
	// DenyRole: no role may be assumed.
	DenyRole bool
}

// SetAuthFaults replaces the faults.
func (s *Server) SetAuthFaults(f AuthFaults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.auth = f
}

func (s *Server) authFaults() AuthFaults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.auth
}

// Access keys that the fake does not accept; it accepts all others.
const (
	ExpiredKey = "AKIAEXPIRED000000000"
	UnknownKey = "AKIAUNKNOWN000000000"
)

// maxSkew is how old a signature may be.
const maxSkew = 5 * time.Minute

// checkSignature returns the error of a request whose signature is missing, too old or too new; nil if it is good. It
// does not verify that the key has signed it.
func checkSignature(r *http.Request, now time.Time) *fakecloud.Error {
	forbidden := func(code, message string) *fakecloud.Error {
		return fakecloud.Errorf(http.StatusForbidden, code, "%s", message)
	}
	const form = "20060102T150405Z"
	at, err := time.Parse(form, r.Header.Get("X-Amz-Date"))
	signed, since, until := at.Format(form), now.Add(-maxSkew).UTC().Format(form), now.Add(maxSkew).UTC().Format(form)
	key := accessKey(r)
	switch {
	case err != nil || key == "":
		return forbidden("MissingAuthenticationToken", "Request is missing Authentication Token")
	case key == ExpiredKey:
		return forbidden("ExpiredToken", "The security token included in the request is expired")
	case key == UnknownKey:
		return forbidden("InvalidClientTokenId", "The security token included in the request is invalid.")
	case now.Sub(at) > maxSkew:
		return forbidden("SignatureDoesNotMatch", "Signature expired: "+signed+" is now earlier than "+since+
			" ("+now.UTC().Format(form)+" - 5 min.)")
	case at.Sub(now) > maxSkew:
		return forbidden("SignatureDoesNotMatch", "Signature not yet current: "+signed+" is still later than "+until+
			" ("+now.UTC().Format(form)+" + 5 min.)")
	}
	return nil
}

// accessKey is the ID of the key that has signed the request.
func accessKey(r *http.Request) string {
	_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(rest, "/")
	return key
}
