package route53_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/route53"
	"github.com/federation-dns/federation/test/fakecloud"
	standin "github.com/federation-dns/federation/test/route53"
)

// changeOnly gives the fates to the requests that change something, in order,
// and none to those after them.
func changeOnly(fates ...fakecloud.Fate) func(fakecloud.Request) fakecloud.Fate {
	var mu sync.Mutex
	return func(r fakecloud.Request) fakecloud.Fate {
		mu.Lock()
		defer mu.Unlock()
		if r.Action != "ChangeResourceRecordSets" || len(fates) == 0 {
			return fakecloud.Fate{}
		}
		fate := fates[0]
		fates = fates[1:]
		return fate
	}
}

// always gives each request of the action this fate.
func always(action string, fate fakecloud.Fate) func(fakecloud.Request) fakecloud.Fate {
	return func(r fakecloud.Request) fakecloud.Fate {
		if r.Action == action {
			return fate
		}
		return fakecloud.Fate{}
	}
}

func TestHeals(t *testing.T) {
	t.Parallel()
	const change, read = "ChangeResourceRecordSets", "ListResourceRecordSets"
	for _, tt := range []struct {
		name  string
		fates []fakecloud.Fate
		want  []string
	}{
		{"O3 the reply is lost after the change was made", []fakecloud.Fate{{Done: true, HangUp: true}}, []string{change, read}},
		{"O3 the request is lost", []fakecloud.Fate{{HangUp: true}}, []string{change, read, change}},
		{"O3 both, one after the other", []fakecloud.Fate{{HangUp: true}, {Done: true, HangUp: true}}, []string{change, read, change, read}},
		{"O3 no answer in time after the change was made", []fakecloud.Fate{{Stall: time.Minute}}, []string{change, read}},
		{"X5a 503", []fakecloud.Fate{{Status: 503, Code: "ServiceUnavailable"}}, []string{change + " ServiceUnavailable", read, change}},
		{"X5a 500 after the change was made", []fakecloud.Fate{{Status: 500, Code: "InternalFailure", Done: true}}, []string{change + " InternalFailure", read}},
		{"X5a throttled", []fakecloud.Fate{{Status: 400, Code: "Throttling"}, {Status: 400, Code: "Throttling"}}, []string{change + " Throttling", change + " Throttling", change}},
		{"X5a another request is under way", []fakecloud.Fate{{Status: 400, Code: "PriorRequestNotComplete"}}, []string{change + " PriorRequestNotComplete", change}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, p := claimed(t, func(c *route53.Config) { c.Timeout = 10 * time.Second })
			if tt.fates[0].Stall > 0 {
				p = connect(t, s, func(c *route53.Config) { c.Timeout = 500 * time.Millisecond })
				has(t, p, name("nothing"))
				s.Reset()
			}
			c := create(1)[0]
			s.SetFaults(fakecloud.Faults{Fate: changeOnly(tt.fates...)})
			must(t, p, &claim, c)
			if diff := cmp.Diff(tt.want, actions(s)); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			has(t, p, c.Name, c.To...)
		})
	}
	t.Run("O3 an outcome that cannot be seen stays open", func(t *testing.T) {
		s, p := claimed(t, nil)
		s.SetFaults(fakecloud.Faults{Fate: func(fakecloud.Request) fakecloud.Fate { return fakecloud.Fate{HangUp: true} }})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, err := range p.Apply(ctx, &claim, create(2)) {
			isOpen(t, err)
		}
	})
	t.Run("X5a a list is throttled", func(t *testing.T) {
		shared := fast()
		s, p := claimed(t, func(c *route53.Config) { c.Budget = shared })
		must(t, p, &claim, create(2)...)
		n := 0
		s.SetFaults(fakecloud.Faults{Fate: func(fakecloud.Request) fakecloud.Fate {
			if n++; n%2 == 1 {
				return fakecloud.Fate{Status: 400, Code: "Throttling"}
			}
			return fakecloud.Fate{}
		}})
		if got := list(t, p, "fed.svc."+zone); len(got) != 5 {
			t.Errorf("List yields %d RRsets, want 5", len(got))
		}
		if got := shared.Stats(); got.Throttled == 0 || got.Throttled >= got.Requests {
			t.Errorf("the budget has counted %+v", got)
		}
	})
	t.Run("X5a the clock of this host is wrong", func(t *testing.T) {
		for _, skew := range []time.Duration{time.Hour, -time.Hour} {
			s := start(t)
			p := connect(t, s, nil)
			s.SetAuthFaults(standin.AuthFaults{Skew: skew})
			must(t, p, nil, create(1)...)
			if got := actions(s); len(got) != 3 || got[0] != "GetHostedZone SignatureDoesNotMatch" {
				t.Errorf("skew of %v: requests %v", skew, got)
			}
		}
	})
	t.Run("X5a a limit of the account that is too low for us", func(t *testing.T) {
		s, p := claimed(t, nil)
		s.SetLimits(fakecloud.Limits{PerSecond: 3})
		for _, c := range create(8) {
			must(t, p, &claim, c)
		}
		if !slices.Contains(actions(s), "ChangeResourceRecordSets Throttling") {
			t.Error("nothing was throttled: the test shows nothing")
		}
	})
}

func isOpen(t *testing.T, err error) {
	t.Helper()
	if err == nil || errors.Is(err, provider.ErrRefused) || errors.Is(err, provider.ErrConflict) {
		t.Errorf("error is %v, want one that leaves the outcome open", err)
	}
}

func list(t testing.TB, p provider.Provider, suffix federation.FQDN) (out []federation.RRset) {
	t.Helper()
	err := p.List(t.Context(), suffix, func(s federation.RRset) error { out = append(out, s); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestShared(t *testing.T) {
	t.Run("X5b one request in flight for a hosted zone, of several providers", func(t *testing.T) {
		s := start(t)
		s.SetFaults(fakecloud.Faults{ChangeTakes: 5 * time.Millisecond})
		shared := fast()
		var wg sync.WaitGroup
		for _, c := range create(24) {
			p := connect(t, s, func(c *route53.Config) { c.Budget = shared })
			wg.Go(func() {
				if err := p.Apply(t.Context(), nil, []plan.Change{c})[0]; err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, action := range actions(s) {
			if action == "ChangeResourceRecordSets PriorRequestNotComplete" {
				t.Fatal("two requests were in flight")
			}
		}
	})
	t.Run("X5b the requests a second of an account, by several providers", func(t *testing.T) {
		const perSecond, count = 40, 60
		s := start(t)
		shared := budget.New(perSecond)
		var wg sync.WaitGroup
		begin := time.Now()
		changes := create(count)
		for part := range slices.Chunk(changes, count/3) {
			p := connect(t, s, func(c *route53.Config) { c.Budget = shared })
			wg.Go(func() {
				for _, c := range part {
					if err := p.Apply(t.Context(), nil, []plan.Change{c})[0]; err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if took, least := time.Since(begin), time.Second*(count+3-perSecond)/perSecond; took < least {
			t.Errorf("%d requests within %v, want at least %v", count+3, took, least)
		}
	})
}

func TestWaitInSync(t *testing.T) {
	t.Parallel()
	wait := func(c *route53.Config) { c.WaitInSync = true }
	t.Run("Apply returns when all name servers have it", func(t *testing.T) {
		s, p := claimed(t, wait)
		s.SetFaults(fakecloud.Faults{PendingFor: time.Second})
		must(t, p, &claim, create(1)...)
		want := []string{"ChangeResourceRecordSets", "GetChange", "GetChange"}
		if diff := cmp.Diff(want, actions(s)); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
	t.Run("X5b it ends with the context", func(t *testing.T) {
		s, p := claimed(t, wait)
		s.SetFaults(fakecloud.Faults{PendingFor: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if err := errors.Join(p.Apply(ctx, &claim, create(2))...); err != nil {
			t.Errorf("the changes were made: %v", err)
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("it took %v to notice", took)
		}
	})
	t.Run("X7 it may not", func(t *testing.T) {
		s, p := claimed(t, wait)
		s.SetFaults(fakecloud.Faults{Fate: always("GetChange", fakecloud.Fate{Status: 403, Code: "AccessDenied"})})
		errs := p.Apply(t.Context(), &claim, create(3))
		isOpen(t, errs[0])
		says(t, errs[0], "the change is made", "route53:GetChange")
		if err := errors.Join(errs[1:]...); err != nil {
			t.Error(err)
		}
	})
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fate  fakecloud.Fate
		kind  error // nil leaves it open
		words []string
	}{
		{"denied", fakecloud.Fate{Status: 403, Code: "AccessDenied"}, provider.ErrRefused, []string{"AccessDenied", "route53:ChangeResourceRecordSets", zoneID, "route53-policy.json"}},
		{"no such hosted zone", fakecloud.Fate{Status: 404, Code: "NoSuchHostedZone"}, provider.ErrRefused, []string{"NoSuchHostedZone", zoneID, "check hostedZoneID"}},
		{"expired", fakecloud.Fate{Status: 403, Code: "ExpiredToken"}, provider.ErrRefused, []string{"ExpiredToken", "check the credentials"}},
		{"unknown key", fakecloud.Fate{Status: 403, Code: "InvalidClientTokenId"}, provider.ErrRefused, []string{"InvalidClientTokenId", "check the credentials"}},
		{"wrong secret", fakecloud.Fate{Status: 403, Code: "SignatureDoesNotMatch", Message: "The signature does not match.\n\nThe canonical string was\n" + secret}, provider.ErrRefused, []string{"SignatureDoesNotMatch", "check the credentials"}},
		{"a batch that is refused", fakecloud.Fate{Status: 400, Code: "InvalidChangeBatch"}, provider.ErrRefused, []string{"InvalidChangeBatch", "as the test wants it"}},
		{"a request that is refused", fakecloud.Fate{Status: 400, Code: "InvalidInput"}, provider.ErrRefused, []string{"InvalidInput"}},
		{"throttled", fakecloud.Fate{Status: 400, Code: "Throttling"}, nil, []string{"Throttling", "another program"}},
		{"busy", fakecloud.Fate{Status: 400, Code: "PriorRequestNotComplete"}, nil, []string{"PriorRequestNotComplete", "another program", zoneID}},
		{"out of order", fakecloud.Fate{Status: 503, Code: "ServiceUnavailable"}, nil, []string{"503", "ServiceUnavailable", "it was not made"}},
		{"no answer", fakecloud.Fate{HangUp: true}, nil, []string{"no answer", "it was not made"}},
	} {
		t.Run("X7 "+tt.name, func(t *testing.T) {
			t.Parallel()
			s, p := claimed(t, nil)
			s.SetFaults(fakecloud.Faults{Fate: always("ChangeResourceRecordSets", tt.fate)})
			err := p.Apply(t.Context(), nil, create(1))[0]
			says(t, err, append(tt.words, "route53: ChangeResourceRecordSets", `"service-0.ns.fed.svc.example.com."`)...)
			if tt.kind != nil && !errors.Is(err, tt.kind) {
				t.Errorf("error %v does not wrap %q", err, tt.kind)
			}
			if tt.kind == nil {
				isOpen(t, err)
			}
			has(t, p, name("service-0"))
		})
	}
	t.Run("X7 reading is not allowed", func(t *testing.T) {
		s, p := claimed(t, nil)
		s.SetFaults(fakecloud.Faults{Fate: always("ListResourceRecordSets", fakecloud.Fate{Status: 403, Code: "AccessDenied"})})
		_, err := p.Get(t.Context(), name("nginx"))
		_, soaErr := p.NegativeTTL(t.Context())
		for _, err := range []error{err, soaErr, p.List(t.Context(), zone, func(federation.RRset) error { return nil })} {
			says(t, err, "AccessDenied", "route53:ListResourceRecordSets")
			if !errors.Is(err, provider.ErrRefused) {
				t.Errorf("error is %v", err)
			}
		}
	})
	t.Run("X7 nobody listens", func(t *testing.T) {
		s, _ := claimed(t, nil)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listener.Close()
		p := connect(t, s, func(c *route53.Config) { c.Endpoint = "http://" + listener.Addr().String() })
		err = p.Apply(t.Context(), &claim, create(1))[0]
		isOpen(t, err)
		says(t, err, "not sent", "connection refused")
	})
	t.Run("X5a the names that the policy does not have cost only themselves", func(t *testing.T) {
		s, p := claimed(t, nil)
		changes := create(40)
		denied := func(names []string) bool {
			return slices.ContainsFunc(names, func(n string) bool {
				return slices.ContainsFunc(changes[10:20], func(c plan.Change) bool { return string(c.Name) == n })
			})
		}
		s.SetFaults(fakecloud.Faults{Fate: func(r fakecloud.Request) fakecloud.Fate {
			if denied(r.Names) {
				return fakecloud.Fate{Status: 403, Code: "AccessDenied"}
			}
			return fakecloud.Fate{}
		}})
		for i, err := range p.Apply(t.Context(), &claim, changes) {
			if want := i >= 10 && i < 20; errors.Is(err, provider.ErrRefused) != want || !want && err != nil {
				t.Errorf("change %d: %v", i, err)
			}
		}
	})
}

func TestCredentials(t *testing.T) {
	t.Run("X7 there are none", func(t *testing.T) {
		s := start(t)
		t.Setenv("AWS_ACCESS_KEY_ID", "")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "")
		err := connect(t, s, nil).Apply(t.Context(), nil, create(1))[0]
		isOpen(t, err)
		says(t, err, "check the credentials")
		if len(s.Requests()) > 0 {
			t.Errorf("requests %v", actions(s))
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
		p := connect(t, s, nil)
		for _, key := range []string{standin.ExpiredKey, standin.UnknownKey} {
			write(key)
			err := p.Apply(t.Context(), nil, create(1))[0]
			says(t, err, "check the credentials")
			if !errors.Is(err, provider.ErrRefused) {
				t.Errorf("error is %v", err)
			}
		}
		write("AKIAFRESH00000000000")
		must(t, p, nil, create(1)...)
	})
	t.Run("certificates of the environment's", func(t *testing.T) {
		s := start(t)
		secure := httptest.NewTLSServer(s)
		defer secure.Close()
		p := connect(t, s, func(c *route53.Config) { c.Endpoint = secure.URL })
		err := p.Apply(t.Context(), nil, create(1))[0]
		says(t, err, "not sent", "certificate", "AWS_CA_BUNDLE")
		bundle := filepath.Join(t.TempDir(), "ca.pem")
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
		if err := os.WriteFile(bundle, text, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("AWS_CA_BUNDLE", bundle)
		p = connect(t, s, func(c *route53.Config) { c.Endpoint = secure.URL })
		must(t, p, nil, create(1)...)
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
		p := connect(t, s, func(c *route53.Config) { c.RoleARN, c.ExternalID = role, "an id" })
		must(t, p, nil, create(1)...)
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
		err := connect(t, s, func(c *route53.Config) { c.RoleARN = role }).Apply(t.Context(), nil, create(1))[0]
		isOpen(t, err)
		says(t, err, "check the credentials", "AccessDenied", role)
	})
}
