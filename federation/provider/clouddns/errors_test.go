package clouddns_test

import (
	"errors"
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
	"github.com/federation-dns/federation/federation/provider/internal/cloud/cloudtest"
	standin "github.com/federation-dns/federation/test/clouddns"
	"github.com/federation-dns/federation/test/fakecloud"
)

func TestHeals(t *testing.T) {
	change, read := service.Change, service.Read
	service.Heals(t, []cloudtest.Heal{
		{Name: "X5a 502 of a proxy", Fates: []fakecloud.Fate{{Status: 502, HTML: true}},
			Want: []string{change, read, change}},
		{Name: "X5a 429 without a reason", Fates: []fakecloud.Fate{{Status: 429, HTML: true}},
			Want: []string{change, change}},
		{Name: "X5a 403 throttled", Fates: []fakecloud.Fate{{Status: 403, Code: "userRateLimitExceeded"}},
			Want: []string{change + " 403 userRateLimitExceeded", change}},
	}...)
}

func TestErrors(t *testing.T) {
	refused := provider.ErrRefused
	fate := func(status int, code, message string) fakecloud.Fate {
		return fakecloud.Fate{Status: status, Code: code, Message: message}
	}
	service.Failures(t, []cloudtest.Failure{
		{Name: "access denied", Fate: fate(403, "accessDenied", ""), Kind: refused,
			Words: []string{"accessDenied", "dns.resourceRecordSets.*"}},
		{Name: "the API is not enabled", Fate: fate(403, "accessNotConfigured",
			"Cloud DNS API has not been used in project 1 before."), Kind: refused,
			Words: []string{"accessNotConfigured", "services enable"}},
		{Name: "the wrong scope", Fate: fate(403, "insufficientPermissions", ""), Kind: refused,
			Words: []string{"insufficientPermissions", "scope"}},
		{Name: "a token that is not good", Fate: fate(401, "authError", ""), Kind: refused,
			Words: []string{"401", "authError", "check the credentials"}},
		{Name: "no such managed zone", Fate: fate(404, "notFound",
			"The 'parameters.managedZone' resource named 'x' does not exist."), Kind: refused,
			Words: []string{"404", "notFound", "check managedZone and project"}},
		{Name: "no such container", Fate: fate(404, "containerNotFound", ""), Kind: refused,
			Words: []string{"containerNotFound", "check managedZone"}},
		{Name: "a quota of records", Fate: fate(403, "quotaExceeded",
			"The change would exceed quota for additions per change."), Kind: refused,
			Words: []string{"quotaExceeded", "additions per change", "have this quota of the project raised"}},
		{Name: "a quota of a day", Fate: fate(403, "dailyLimitExceeded", ""), Kind: refused,
			Words: []string{"dailyLimitExceeded", "quota of requests raised"}},
		{Name: "it is there", Fate: fate(409, "alreadyExists", ""), Kind: refused,
			Words: []string{"409", "alreadyExists", "as the test wants it"}},
		{Name: "it is not there", Fate: fate(404, "notFound",
			"The 'entity.change.deletions[0]' resource named 'x. (A)' does not exist."), Kind: refused,
			Words: []string{"404", "deletions[0]"}},
		{Name: "it is another", Fate: fate(412, "conditionNotMet", ""), Kind: refused,
			Words: []string{"412", "conditionNotMet"}},
		{Name: "a precondition", Fate: fate(412, "preconditionFailed", ""), Kind: refused,
			Words: []string{"412", "preconditionFailed"}},
		{Name: "a CNAME beside others", Fate: fate(400, "cnameResourceRecordSetConflict", ""), Kind: refused,
			Words: []string{"400", "cnameResourceRecordSetConflict"}},
		{Name: "invalid", Fate: fate(400, "invalid",
			"Invalid value for 'entity.change.additions[0].name': 'x'\nand more"), Kind: refused,
			Words: []string{"400", "invalid: Invalid value", "and more"}},
		{Name: "a redirection", Fate: fakecloud.Fate{Status: 302, HTML: true}, Kind: refused,
			Words: []string{"302", "check endpoint"}},
		{Name: "a page", Fate: fakecloud.Fate{Status: 400, HTML: true}, Kind: refused,
			Words: []string{"400: Bad Request"}},
		{Name: "throttled, by its reason", Fate: fate(403, "rateLimitExceeded", ""),
			Words: []string{"403", "rateLimitExceeded", "another program"}},
		{Name: "a page of a proxy", Fate: fakecloud.Fate{Status: 502, HTML: true},
			Words: []string{"502: Bad Gateway", "it was not made"}},
		{Name: "too much said", Fate: fate(400, "invalid",
			strings.Repeat("x", 2000)), Kind: refused,
			Words: []string{strings.Repeat("x", 500) + "..."}},
	}...)
	t.Run("X7 errors of several RRsets in one Change", func(t *testing.T) {
		s, p := service.Claimed(t, nil)
		n := cloudtest.Name("nginx")
		service.Put(t, s, cloudtest.Set(n, "A", "192.0.2.9"))
		service.Put(t, s, cloudtest.Set(n, "AAAA", "2001:db8::9"))
		s.SetFaults(cloudtest.Always(service.Read, service.Denied))
		to := []federation.RRset{cloudtest.Set(n, "A", "192.0.2.1"), cloudtest.Set(n, "AAAA", "2001:db8::1")}
		err := p.Apply(t.Context(), nil, []plan.Change{{Name: n, To: to}})[0]
		cloudtest.Says(t, err, "alreadyExists", "additions[0]", "(and 1 more)", "the name could not be read")
	})
}

func TestCredentials(t *testing.T) {
	t.Run("X7 there are none", func(t *testing.T) {
		s := start(t)
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "none.json"))
		err := connect(t, s.Server, nil).Apply(t.Context(), nil, cloudtest.Create(1))[0]
		cloudtest.Is(t, err, nil)
		cloudtest.Says(t, err, "not sent", "check the application default credentials", "none.json")
		if len(s.Requests()) > 0 {
			t.Errorf("requests %v", cloudtest.Actions(s.Server))
		}
	})
	t.Run("X7 no token is given out, until it is", func(t *testing.T) {
		s := start(t)
		s.SetTokenFaults(standin.TokenFaults{Deny: true})
		p := connect(t, s.Server, nil)
		err := p.Apply(t.Context(), nil, cloudtest.Create(1))[0]
		cloudtest.Is(t, err, nil)
		cloudtest.Says(t, err, "not sent", "status 400", "invalid_grant", "Invalid JWT Signature")
		if len(s.Requests()) > 0 {
			t.Errorf("requests %v", cloudtest.Actions(s.Server))
		}
		s.SetTokenFaults(standin.TokenFaults{})
		cloudtest.Must(t, p, nil, cloudtest.Create(1)...)
	})
	t.Run("X5a a token that comes too late is asked for again", func(t *testing.T) {
		s := start(t)
		s.SetTokenFaults(standin.TokenFaults{Takes: time.Minute, Late: 1})
		cloudtest.Must(t, connect(t, s.Server, func(c *clouddns.Config) { c.Timeout = time.Second }), nil,
			cloudtest.Create(1)...)
	})
	t.Run("X5a a token endpoint that is out of order heals", func(t *testing.T) {
		s := start(t)
		s.SetTokenFaults(standin.TokenFaults{Broken: 2})
		cloudtest.Must(t, connect(t, s.Server, nil), nil, cloudtest.Create(1)...)
	})
	t.Run("X7 a token that was revoked heals by a new one", func(t *testing.T) {
		s := start(t)
		p := connect(t, s.Server, nil)
		changes := cloudtest.Create(2)
		cloudtest.Must(t, p, nil, changes[0])
		s.RevokeTokens()
		err := p.Apply(t.Context(), nil, changes[1:])[0]
		cloudtest.Says(t, err, "401", "authError", "check the credentials")
		if !errors.Is(err, provider.ErrRefused) {
			t.Errorf("error is %v", err)
		}
		cloudtest.Must(t, p, nil, changes[1])
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
		p := connect(t, s.Server, nil)
		cloudtest.Says(t, p.Apply(t.Context(), nil, cloudtest.Create(1))[0],
			"check the application default credentials")
		if err := os.WriteFile(file, good, 0o600); err != nil {
			t.Fatal(err)
		}
		cloudtest.Must(t, p, nil, cloudtest.Create(1)...)
	})
	t.Run("X7 credentials that name no project", func(t *testing.T) {
		s := start(t)
		file := os.Getenv("GOOGLE_APPLICATION_CREDENTIALS")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(strings.Replace(string(text), "project_id", "project_is", 1)),
			0o600); err != nil {
			t.Fatal(err)
		}
		_, err = connect(t, s.Server, nil).Get(t.Context(), cloudtest.Name("nginx"))
		cloudtest.Says(t, err, "the credentials name no project", "by project")
		if !errors.Is(err, provider.ErrRefused) {
			t.Errorf("error is %v", err)
		}
		cloudtest.Must(t, connect(t, s.Server, func(c *clouddns.Config) { c.Project = standin.Project }), nil,
			cloudtest.Create(1)...)
	})
	t.Run("one token for many requests, and for many at once", func(t *testing.T) {
		s := start(t)
		p := connect(t, s.Server, nil)
		var wg sync.WaitGroup
		for _, c := range cloudtest.Create(20) {
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
