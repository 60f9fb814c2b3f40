package route53_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/internal/cloud/cloudtest"
	"github.com/federation-dns/federation/federation/provider/route53"
	"github.com/federation-dns/federation/test/fakecloud"
	standin "github.com/federation-dns/federation/test/route53"
)

func TestHeals(t *testing.T) {
	t.Parallel()
	busy := fakecloud.Fate{Status: 400, Code: "PriorRequestNotComplete"}
	service.Heals(t, cloudtest.Heal{Name: "X5a another request is under way", Fates: []fakecloud.Fate{busy},
		Want: []string{service.Change + " 400 PriorRequestNotComplete", service.Change}})
	t.Run("X5a the clock of this host is wrong", func(t *testing.T) {
		for _, skew := range []time.Duration{time.Hour, -time.Hour} {
			s := start(t)
			p := connect(t, s.Server, nil)
			s.SetAuthFaults(standin.AuthFaults{Skew: skew})
			cloudtest.Must(t, p, nil, cloudtest.Create(1)...)
			if got := cloudtest.Actions(s.Server); len(got) != 3 ||
				got[0] != "GetHostedZone 403 SignatureDoesNotMatch" {
				t.Errorf("skew of %v: requests %v", skew, got)
			}
		}
	})
}

// claimed is Service.Claimed with the configuration of Route 53.
func claimed(t testing.TB, change func(*route53.Config)) (*standin.Server, *route53.Provider) {
	t.Helper()
	s := start(t)
	p := connect(t, s.Server, change)
	claim := plan.Change{Name: cloudtest.Claim.Name, To: []federation.RRset{cloudtest.Claim}}
	cloudtest.Must(t, p, nil, claim)
	s.Reset()
	return s, p
}

func TestWaitInSync(t *testing.T) {
	t.Parallel()
	wait := func(c *route53.Config) { c.WaitInSync = true }
	t.Run("Apply returns when all name servers have it", func(t *testing.T) {
		s, p := claimed(t, wait)
		s.SetFaults(fakecloud.Faults{PendingFor: time.Second})
		cloudtest.Must(t, p, &cloudtest.Claim, cloudtest.Create(1)...)
		want := []string{"ChangeResourceRecordSets", "GetChange", "GetChange"}
		if diff := cmp.Diff(want, cloudtest.Actions(s.Server)); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
	t.Run("X5b it ends with the context", func(t *testing.T) {
		s, p := claimed(t, wait)
		s.SetFaults(fakecloud.Faults{PendingFor: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if err := errors.Join(p.Apply(ctx, &cloudtest.Claim, cloudtest.Create(2))...); err != nil {
			t.Errorf("the changes were made: %v", err)
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("it took %v to notice", took)
		}
	})
	t.Run("X7 it may not", func(t *testing.T) {
		s, p := claimed(t, wait)
		s.SetFaults(cloudtest.Always("GetChange", service.Denied))
		errs := p.Apply(t.Context(), &cloudtest.Claim, cloudtest.Create(3))
		cloudtest.Is(t, errs[0], nil)
		cloudtest.Says(t, errs[0], "the change is made", "route53:GetChange")
		if err := errors.Join(errs[1:]...); err != nil {
			t.Error(err)
		}
	})
}

func TestErrors(t *testing.T) {
	t.Parallel()
	refused := provider.ErrRefused
	fate := func(status int, code string) fakecloud.Fate { return fakecloud.Fate{Status: status, Code: code} }
	wrongSecret := fate(403, "SignatureDoesNotMatch")
	wrongSecret.Message = "The signature does not match.\n\nThe canonical string was\n" + secret
	service.Failures(t, []cloudtest.Failure{
		{Name: "no such hosted zone", Fate: service.NoZone, Kind: refused,
			Words: []string{cloudtest.InZone, "check hostedZoneID"}},
		{Name: "expired", Fate: fate(403, "ExpiredToken"), Kind: refused,
			Words: []string{"ExpiredToken", "check the credentials"}},
		{Name: "unknown key", Fate: fate(403, "InvalidClientTokenId"), Kind: refused,
			Words: []string{"InvalidClientTokenId", "check the credentials"}},
		{Name: "wrong secret", Fate: wrongSecret, Kind: refused,
			Words: []string{"SignatureDoesNotMatch", "check the credentials"}},
		{Name: "a batch that is refused", Fate: fate(400, "InvalidChangeBatch"), Kind: refused,
			Words: []string{"InvalidChangeBatch", "as the test wants it"}},
		{Name: "busy", Fate: fate(400, "PriorRequestNotComplete"),
			Words: []string{"PriorRequestNotComplete", "another program", cloudtest.InZone}},
	}...)
}

func TestCredentials(t *testing.T) {
	t.Run("X7 there are none", func(t *testing.T) {
		s := start(t)
		t.Setenv("AWS_ACCESS_KEY_ID", "")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "")
		err := connect(t, s.Server, nil).Apply(t.Context(), nil, cloudtest.Create(1))[0]
		cloudtest.Is(t, err, nil)
		cloudtest.Says(t, err, "check the credentials")
		if len(s.Requests()) > 0 {
			t.Errorf("requests %v", cloudtest.Actions(s.Server))
		}
	})
	t.Run("X7 expired ones heal when the file has new ones", func(t *testing.T) {
		s := start(t)
		t.Setenv("AWS_ACCESS_KEY_ID", "")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "")
		file := filepath.Join(t.TempDir(), "credentials")
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
		write := func(key string) {
			text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key, secret)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p := connect(t, s.Server, nil)
		for _, key := range []string{standin.ExpiredKey, standin.UnknownKey} {
			write(key)
			err := p.Apply(t.Context(), nil, cloudtest.Create(1))[0]
			cloudtest.Says(t, err, "check the credentials")
			if !errors.Is(err, provider.ErrRefused) {
				t.Errorf("error is %v", err)
			}
		}
		write("AKIAFRESH00000000000")
		cloudtest.Must(t, p, nil, cloudtest.Create(1)...)
	})
	t.Run("certificates of the environment's", func(t *testing.T) {
		s := start(t)
		secure := cloudtest.WithTLS(t, s.Server)
		p := connect(t, s.Server, func(c *route53.Config) { c.Endpoint = secure.URL })
		err := p.Apply(t.Context(), nil, cloudtest.Create(1))[0]
		cloudtest.Says(t, err, "not sent", "certificate", "AWS_CA_BUNDLE")
		bundle := filepath.Join(t.TempDir(), "ca.pem")
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
		if err := os.WriteFile(bundle, text, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("AWS_CA_BUNDLE", bundle)
		p = connect(t, s.Server, func(c *route53.Config) { c.Endpoint = secure.URL })
		cloudtest.Must(t, p, nil, cloudtest.Create(1)...)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	const role = "arn:aws:iam::123456789012:role/syncer"
	t.Run("a role is assumed", func(t *testing.T) {
		s := start(t)
		t.Setenv("AWS_ENDPOINT_URL_STS", s.URL)
		var keys sync.Map
		check := checker(t)
		s.Observe(func(e fakecloud.Exchange) { check(e); keys.Store(e.Client, true) })
		p := connect(t, s.Server, func(c *route53.Config) { c.RoleARN, c.ExternalID = role, "an id" })
		cloudtest.Must(t, p, nil, cloudtest.Create(1)...)
		want := []standin.Role{{ARN: role, ExternalID: "an id", Session: "federation-syncer", Key: key}}
		if diff := cmp.Diff(want, s.Roles()); diff != "" {
			t.Errorf("roles (-want +got):\n%s", diff)
		}
		keys.Range(func(by, _ any) bool {
			if by != standin.RoleKey {
				t.Errorf("a request is signed by %v", by)
			}
			return true
		})
	})
	t.Run("X7 the role is denied", func(t *testing.T) {
		s := start(t)
		t.Setenv("AWS_ENDPOINT_URL_STS", s.URL)
		s.SetAuthFaults(standin.AuthFaults{DenyRole: true})
		err := connect(t, s.Server, func(c *route53.Config) { c.RoleARN = role }).Apply(t.Context(), nil,
			cloudtest.Create(1))[0]
		cloudtest.Is(t, err, nil)
		cloudtest.Says(t, err, "check the credentials", "AccessDenied", role)
	})
}
