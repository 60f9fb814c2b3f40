package clouddns_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/clouddns"
	standin "github.com/federation-dns/federation/test/clouddns"
	"github.com/federation-dns/federation/test/fakecloud"
)

// TestErrors has a managed zone for each row, so that they can run at once.
func TestErrors(t *testing.T) {
	tests := []struct {
		name  string
		fate  fakecloud.Fate
		kind  error // nil leaves it open
		words []string
	}{
		{"forbidden", fakecloud.Fate{Status: 403, Code: "forbidden"}, provider.ErrRefused, []string{"403", "forbidden", "dns.changes.create", "clouddns-role.yaml"}},
		{"access denied", fakecloud.Fate{Status: 403, Code: "accessDenied"}, provider.ErrRefused, []string{"accessDenied", "dns.resourceRecordSets.*"}},
		{"the API is not enabled", fakecloud.Fate{Status: 403, Code: "accessNotConfigured", Message: "Cloud DNS API has not been used in project 1 before."}, provider.ErrRefused, []string{"accessNotConfigured", "services enable"}},
		{"the wrong scope", fakecloud.Fate{Status: 403, Code: "insufficientPermissions"}, provider.ErrRefused, []string{"insufficientPermissions", "scope"}},
		{"a token that is not good", fakecloud.Fate{Status: 401, Code: "authError"}, provider.ErrRefused, []string{"401", "authError", "check the credentials"}},
		{"no such managed zone", fakecloud.Fate{Status: 404, Code: "notFound", Message: "The 'parameters.managedZone' resource named 'x' does not exist."}, provider.ErrRefused, []string{"404", "notFound", "check managedZone and project"}},
		{"no such container", fakecloud.Fate{Status: 404, Code: "containerNotFound"}, provider.ErrRefused, []string{"containerNotFound", "check managedZone"}},
		{"a quota of records", fakecloud.Fate{Status: 403, Code: "quotaExceeded", Message: "The change would exceed quota for additions per change."}, provider.ErrRefused, []string{"quotaExceeded", "additions per change", "have this quota of the project raised"}},
		{"a quota of a day", fakecloud.Fate{Status: 403, Code: "dailyLimitExceeded"}, provider.ErrRefused, []string{"dailyLimitExceeded", "quota of requests raised"}},
		{"it is there", fakecloud.Fate{Status: 409, Code: "alreadyExists"}, provider.ErrRefused, []string{"409", "alreadyExists", "as the test wants it"}},
		{"it is not there", fakecloud.Fate{Status: 404, Code: "notFound", Message: "The 'entity.change.deletions[0]' resource named 'x. (A)' does not exist."}, provider.ErrRefused, []string{"404", "deletions[0]"}},
		{"it is another", fakecloud.Fate{Status: 412, Code: "conditionNotMet"}, provider.ErrRefused, []string{"412", "conditionNotMet"}},
		{"a precondition", fakecloud.Fate{Status: 412, Code: "preconditionFailed"}, provider.ErrRefused, []string{"412", "preconditionFailed"}},
		{"a CNAME beside others", fakecloud.Fate{Status: 400, Code: "cnameResourceRecordSetConflict"}, provider.ErrRefused, []string{"400", "cnameResourceRecordSetConflict"}},
		{"invalid", fakecloud.Fate{Status: 400, Code: "invalid", Message: "Invalid value for 'entity.change.additions[0].name': 'x'\nand more"}, provider.ErrRefused, []string{"400", "invalid: Invalid value", "and more"}},
		{"a redirection", fakecloud.Fate{Status: 302, HTML: true}, provider.ErrRefused, []string{"302", "check endpoint"}},
		{"a page", fakecloud.Fate{Status: 400, HTML: true}, provider.ErrRefused, []string{"400: Bad Request"}},
		{"throttled", fakecloud.Fate{Status: 429, Code: "rateLimitExceeded"}, nil, []string{"429", "rateLimitExceeded", "another program"}},
		{"throttled, by its reason", fakecloud.Fate{Status: 403, Code: "rateLimitExceeded"}, nil, []string{"403", "rateLimitExceeded", "another program"}},
		{"out of order", fakecloud.Fate{Status: 503, Code: "backendError"}, nil, []string{"503", "backendError", "it was not made"}},
		{"a page of something between", fakecloud.Fate{Status: 502, HTML: true}, nil, []string{"502: Bad Gateway", "it was not made"}},
		{"no answer", fakecloud.Fate{HangUp: true}, nil, []string{"no answer", "it was not made"}},
		{"too much said", fakecloud.Fate{Status: 400, Code: "invalid", Message: strings.Repeat("x", 2000)}, provider.ErrRefused, []string{strings.Repeat("x", 500) + "..."}},
	}
	var zones []fakecloud.Zone
	fates := map[string]fakecloud.Fate{}
	for i, tt := range tests {
		name := fmt.Sprintf("case-%d", i)
		zones = append(zones, fakecloud.Zone{ID: name, Name: string(zone)})
		fates[name] = tt.fate
	}
	s := start(t, zones...)
	s.Observe(nil) // some of these errors are none of the API
	s.SetFaults(fakecloud.Faults{Fate: func(r fakecloud.Request) fakecloud.Fate {
		if r.Action != "changes.create" {
			return fakecloud.Fate{}
		}
		return fates[r.Zone]
	}})
	for i, tt := range tests {
		t.Run("X7 "+tt.name, func(t *testing.T) {
			t.Parallel()
			p := connect(t, s, func(c *clouddns.Config) { c.ManagedZone = zones[i].ID })
			err := p.Apply(t.Context(), nil, create(1))[0]
			says(t, err, append(tt.words, "clouddns: changes.create", `"service-0.ns.fed.svc.example.com."`)...)
			if tt.kind != nil && !errors.Is(err, tt.kind) {
				t.Errorf("error %v does not wrap %q", err, tt.kind)
			}
			if tt.kind == nil {
				isOpen(t, err)
			}
			has(t, p, name("service-0"))
		})
	}
}

func TestReach(t *testing.T) {
	t.Run("X7 nobody listens", func(t *testing.T) {
		s, _ := claimed(t, nil)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listener.Close()
		p := connect(t, s, func(c *clouddns.Config) { c.Endpoint = "http://" + listener.Addr().String() })
		err = p.Apply(t.Context(), &claim, create(1))[0]
		isOpen(t, err)
		says(t, err, "not sent", "connection refused")
	})
	t.Run("X7 a certificate that is not trusted", func(t *testing.T) {
		s := start(t)
		secure := httptest.NewUnstartedServer(s)
		secure.Config.ErrorLog = log.New(io.Discard, "", 0)
		secure.StartTLS()
		defer secure.Close()
		p := connect(t, s, func(c *clouddns.Config) { c.Endpoint = secure.URL })
		err := p.Apply(t.Context(), nil, create(1))[0]
		isOpen(t, err)
		says(t, err, "not sent", "certificate", "SSL_CERT_FILE")
	})
	t.Run("X7 errors of several RRsets in one Change", func(t *testing.T) {
		s, p := claimed(t, nil)
		n := name("nginx")
		put(t, s, set(n, "A", "192.0.2.9"))
		put(t, s, set(n, "AAAA", "2001:db8::9"))
		s.SetFaults(fakecloud.Faults{Fate: always("resourceRecordSets.list", fakecloud.Fate{Status: 403, Code: "forbidden"})})
		err := p.Apply(t.Context(), nil, []plan.Change{{Name: n, To: []federation.RRset{set(n, "A", "192.0.2.1"), set(n, "AAAA", "2001:db8::1")}}})[0]
		says(t, err, "alreadyExists", "additions[0]", "(and 1 more)", "the name could not be read")
	})
}

func TestCredentials(t *testing.T) {
	t.Run("X7 there are none", func(t *testing.T) {
		s := start(t)
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "none.json"))
		err := connect(t, s, nil).Apply(t.Context(), nil, create(1))[0]
		isOpen(t, err)
		says(t, err, "not sent", "check the application default credentials", "none.json")
		if len(s.Requests()) > 0 {
			t.Errorf("requests %v", actions(s))
		}
	})
	t.Run("X7 no token is given out, until it is", func(t *testing.T) {
		s := start(t)
		s.SetTokenFaults(standin.TokenFaults{Deny: true})
		p := connect(t, s, nil)
		err := p.Apply(t.Context(), nil, create(1))[0]
		isOpen(t, err)
		says(t, err, "not sent", "status 400", "invalid_grant", "Invalid JWT Signature")
		if len(s.Requests()) > 0 {
			t.Errorf("requests %v", actions(s))
		}
		s.SetTokenFaults(standin.TokenFaults{})
		must(t, p, nil, create(1)...)
	})
	t.Run("X5a a token that comes too late is asked for again", func(t *testing.T) {
		s := start(t)
		s.SetTokenFaults(standin.TokenFaults{Takes: time.Minute, Late: 1})
		must(t, connect(t, s, func(c *clouddns.Config) { c.Timeout = time.Second }), nil, create(1)...)
	})
	t.Run("X5a a token endpoint that is out of order heals", func(t *testing.T) {
		s := start(t)
		s.SetTokenFaults(standin.TokenFaults{Broken: 2})
		must(t, connect(t, s, nil), nil, create(1)...)
	})
	t.Run("X7 a token that was revoked heals by a new one", func(t *testing.T) {
		s := start(t)
		p := connect(t, s, nil)
		changes := create(2)
		must(t, p, nil, changes[0])
		s.RevokeTokens()
		err := p.Apply(t.Context(), nil, changes[1:])[0]
		says(t, err, "401", "authError", "check the credentials")
		if !errors.Is(err, provider.ErrRefused) {
			t.Errorf("error is %v", err)
		}
		must(t, p, nil, changes[1])
	})
	t.Run("X7 a file that was bad heals when it is good", func(t *testing.T) {
		s := start(t)
		file := os.Getenv("GOOGLE_APPLICATION_CREDENTIALS")
		good, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		p := connect(t, s, nil)
		says(t, p.Apply(t.Context(), nil, create(1))[0], "check the application default credentials")
		if err := os.WriteFile(file, good, 0o600); err != nil {
			t.Fatal(err)
		}
		must(t, p, nil, create(1)...)
	})
	t.Run("X7 credentials that name no project", func(t *testing.T) {
		s := start(t)
		file := os.Getenv("GOOGLE_APPLICATION_CREDENTIALS")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(strings.Replace(string(text), "project_id", "project_is", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = connect(t, s, nil).Get(t.Context(), name("nginx"))
		says(t, err, "the credentials name no project", "by project")
		if !errors.Is(err, provider.ErrRefused) {
			t.Errorf("error is %v", err)
		}
		must(t, connect(t, s, func(c *clouddns.Config) { c.Project = standin.Project }), nil, create(1)...)
	})
	t.Run("one token for many requests, and for many at once", func(t *testing.T) {
		s := start(t)
		p := connect(t, s, nil)
		var wg sync.WaitGroup
		for _, c := range create(20) {
			wg.Go(func() {
				if err := p.Apply(t.Context(), nil, []plan.Change{c})[0]; err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := s.Tokens(); got != 1 {
			t.Errorf("%d tokens", got)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}
