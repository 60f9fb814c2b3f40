package rfc2136

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

func apply(t *testing.T, p *Provider, changes ...plan.Change) []error {
	t.Helper()
	return p.Apply(t.Context(), nil, changes)
}

// open reports whether the error leaves the outcome open.
func open(err error) bool {
	return err != nil && !errors.Is(err, provider.ErrConflict) && !errors.Is(err, provider.ErrRefused)
}

func TestRcodes(t *testing.T) {
	tests := []struct {
		rcode int
		kind  error
		want  string
	}{
		{dns.RcodeNXRrset, provider.ErrConflict, "NXRRSET"},
		{dns.RcodeYXRrset, provider.ErrConflict, "YXRRSET"},
		{dns.RcodeNameError, provider.ErrConflict, "NXDOMAIN"},
		{dns.RcodeYXDomain, provider.ErrConflict, "YXDOMAIN"},
		{dns.RcodeRefused, provider.ErrRefused, "allow-update"},
		{dns.RcodeNotAuth, provider.ErrRefused, "primary"},
		{dns.RcodeNotZone, provider.ErrRefused, "zone's name"},
		{dns.RcodeFormatError, provider.ErrRefused, "RFC 2136"},
		{dns.RcodeNotImplemented, provider.ErrRefused, "takes no updates"},
		{dns.RcodeServerFailure, provider.ErrUnavailable, "SERVFAIL"},
		{dns.RcodeServerFailure, provider.ErrUnavailable, "max-records-per-type"},
		{12, provider.ErrUnavailable, "rcode 12"},
		{dns.RcodeRefused, provider.ErrRefused, "secret and algorithm"},
		{dns.RcodeNotAuth, provider.ErrRefused, "both clocks"},
	}
	for _, tt := range tests {
		t.Run("O3c "+dns.RcodeToString[tt.rcode], func(t *testing.T) {
			f := startFake(t, func(r *fakeReply) { r.send(tt.rcode) })
			err := apply(t, f.provider(t, nil), creation("nginx", "A", "192.0.2.1"))[0]
			if !errors.Is(provider.KindOf(err), tt.kind) {
				t.Errorf("error is %v, want kind %v", err, tt.kind)
			}
			for _, want := range []string{tt.want, f.addr, string(fqdn("nginx")), "example.com."} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), testKey.Secret) {
				t.Errorf("error %q has the secret", err)
			}
		})
	}
	for rcode, words := range map[int][]string{
		dns.RcodeNotAuth: {"name, secret and algorithm", "both clocks", "primary", testKey.Algorithm},
		dns.RcodeRefused: {"name, secret and algorithm", "both clocks", "TSIG-ALLOW-DNSUPDATE", "update-policy",
			testKey.Algorithm},
	} {
		t.Run("X7 a server that does not say what is wrong: "+dns.RcodeToString[rcode], func(t *testing.T) {
			f := startFake(t, func(r *fakeReply) { _ = r.WriteMsg(r.message(rcode)) })
			err := apply(t, f.provider(t, nil), creation("nginx", "A", "192.0.2.1"))[0]
			for _, want := range append(words, testKey.Name, string(testZone)) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
	for tsigError, want := range map[uint16]string{
		dns.RcodeBadKey: "key's name", dns.RcodeBadSig: "check the secret", dns.RcodeBadTime: "clocks",
	} {
		t.Run("X7 "+dns.RcodeToString[int(tsigError)], func(t *testing.T) {
			f := startFake(t, func(r *fakeReply) {
				m := r.message(dns.RcodeNotAuth)
				m.SetTsig(testKey.Name, testKey.Algorithm, tsigFudge, time.Now().Unix())
				m.IsTsig().Error = tsigError
				_ = r.WriteMsg(m)
			})
			err := apply(t, f.provider(t, nil), creation("nginx", "A", "192.0.2.1"))[0]
			if !errors.Is(err, provider.ErrRefused) || !strings.Contains(err.Error(), want) ||
				!strings.Contains(err.Error(), testKey.Name) {
				t.Errorf("error is %v, want ErrRefused with %q and the key's name", err, want)
			}
		})
	}
}

func TestRequests(t *testing.T) {
	count := func(t *testing.T, want int, changes ...plan.Change) {
		f := startFake(t, func(r *fakeReply) {
			if r.isUpdate() {
				r.send(dns.RcodeSuccess)
				return
			}
			r.send(dns.RcodeSuccess, rr(t, r.request.Question[0].Name+" 180 IN CNAME nginx.example.org."))
		})
		for _, err := range apply(t, f.provider(t, nil), changes...) {
			if err != nil {
				t.Error(err)
			}
		}
		if got := len(f.requests()); got != want {
			t.Errorf("%d requests, want %d", got, want)
		}
	}
	t.Run("X6 a change is one request", func(t *testing.T) { count(t, 1, creation("nginx", "A", "192.0.2.1")) })
	t.Run("P6r a switch is read back", func(t *testing.T) { count(t, 2, toCNAME("nginx")) })
	t.Run("X5b a batch is one request", func(t *testing.T) {
		var changes []plan.Change
		for i := range 200 {
			changes = append(changes, creation(fmt.Sprintf("s%d", i), "A", "192.0.2.1"))
		}
		count(t, 1, changes...)
	})
	t.Run("O3a a name twice is two requests", func(t *testing.T) {
		first := creation("nginx", "A", "192.0.2.1")
		count(t, 2, first, plan.Change{Name: first.Name, From: first.To})
	})
	t.Run("X5a a server that does not answer is tried once, and asked once", func(t *testing.T) {
		f := startFake(t, func(r *fakeReply) { r.hangUp() })
		p := f.provider(t, func(c *Config) { c.MaxBatch = 1 })
		for i, err := range apply(t, p, creation("a", "A", "192.0.2.1"), creation("b", "A", "192.0.2.1"),
			creation("c", "A", "192.0.2.1")) {
			if !open(err) {
				t.Errorf("change %d: %v", i, err)
			}
		}
		if got := len(f.requests()); got != 2 {
			t.Errorf("%d requests, want 2", got)
		}
	})
	t.Run("X5a a broken server is not asked for every change", func(t *testing.T) {
		f := startFake(t, func(r *fakeReply) {
			if r.updates() {
				r.send(dns.RcodeServerFailure)
				return
			}
			r.send(dns.RcodeSuccess)
		})
		var changes []plan.Change
		for i := range 200 {
			changes = append(changes, creation(fmt.Sprintf("s%d", i), "A", "192.0.2.1"))
		}
		for i, err := range apply(t, f.provider(t, nil), changes...) {
			if !open(err) {
				t.Errorf("change %d: %v", i, err)
			}
		}
		if got := len(f.requests()); got > 40 {
			t.Errorf("%d requests for 200 changes", got)
		}
	})
	t.Run("O3c another claim is not halved", func(t *testing.T) {
		f := startFake(t, func(r *fakeReply) { r.send(dns.RcodeNXRrset) })
		claim := rrset("_claim", "TXT", `"owner=test"`)
		var changes []plan.Change
		for i := range 100 {
			changes = append(changes, creation(fmt.Sprintf("s%d", i), "A", "192.0.2.1"))
		}
		for i, err := range f.provider(t, nil).Apply(t.Context(), &claim, changes) {
			if !errors.Is(err, provider.ErrConflict) || !strings.Contains(err.Error(), "_claim") {
				t.Errorf("change %d: %v", i, err)
			}
		}
		if got := len(f.requests()); got != 2 {
			t.Errorf("%d requests, want 2: the batch and the question for the claim", got)
		}
	})
}

func TestReplies(t *testing.T) {
	tests := map[string]func(*fakeReply){
		"lost":          func(r *fakeReply) { r.hangUp() },
		"unsigned":      func(r *fakeReply) { _ = r.WriteMsg(r.message(dns.RcodeSuccess)) },
		"garbage":       func(r *fakeReply) { _, _ = r.Write([]byte("not a DNS message")) },
		"another's id":  func(r *fakeReply) { m := r.message(0); m.Id++; _ = r.WriteMsg(m) },
		"unsigned code": func(r *fakeReply) { _ = r.WriteMsg(r.message(dns.RcodeNXRrset)) },
		"forged": func(r *fakeReply) {
			m := r.message(dns.RcodeSuccess)
			m.SetTsig(testKey.Name, testKey.Algorithm, tsigFudge, time.Now().Unix())
			wire, _, err := dns.TsigGenerate(m, "Zm9yZ2Vk", r.request.IsTsig().MAC, false)
			if err == nil {
				_, _ = r.Write(wire)
			}
		},
	}
	for name, handle := range tests {
		t.Run("O3 reply "+name+" leaves the outcome open", func(t *testing.T) {
			f := startFake(t, handle)
			if err := apply(t, f.provider(t, nil), creation("nginx", "A", "192.0.2.1"))[0]; !open(err) {
				t.Errorf("error is %v", err)
			}
			if got := len(f.requests()); got != 1 {
				t.Errorf("the update was sent %d times", got)
			}
		})
	}
	t.Run("X5 no reply within the time-out", func(t *testing.T) {
		f := startFake(t, func(*fakeReply) {})
		p := f.provider(t, func(c *Config) { c.Timeout = 50 * time.Millisecond })
		if err := apply(t, p, creation("nginx", "A", "192.0.2.1"))[0]; !open(err) ||
			!strings.Contains(err.Error(), "timeout") {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("X5 no server", func(t *testing.T) {
		f := &fake{addr: "127.0.0.1:1"}
		if err := apply(t, f.provider(t, nil), creation("nginx", "A", "192.0.2.1"))[0]; !open(err) ||
			!errors.Is(err, provider.ErrNotSent) {
			t.Errorf("error is %v", err)
		}
	})
}

func TestCancel(t *testing.T) {
	t.Run("X5b while the server is silent", func(t *testing.T) {
		arrived := make(chan struct{}, 8)
		f := startFake(t, func(*fakeReply) { arrived <- struct{}{} })
		p := f.provider(t, func(c *Config) { c.Timeout = time.Minute })
		calls := map[string]func(context.Context) error{
			"Apply": func(ctx context.Context) error {
				return p.Apply(ctx, nil, []plan.Change{creation("nginx", "A", "192.0.2.1")})[0]
			},
			"Get":  func(ctx context.Context) error { _, err := p.Get(ctx, fqdn("nginx")); return err },
			"List": func(ctx context.Context) error { return p.List(ctx, testZone, nil) },
		}
		for name, call := range calls {
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- call(ctx) }()
			<-arrived
			cancel()
			select {
			case err := <-ended:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v", name, err)
				}
			case <-time.After(2 * time.Second):
				t.Fatalf("%s has not returned after 2 s", name)
			}
		}
		if got := len(f.requests()); got != len(calls) {
			t.Errorf("%d requests, want %d", got, len(calls))
		}
	})
	t.Run("X5b while waiting for another's turn", func(t *testing.T) {
		arrived := make(chan struct{}, 1)
		release := make(chan struct{})
		f := startFake(t, func(r *fakeReply) { arrived <- struct{}{}; <-release; r.send(dns.RcodeSuccess) })
		p := f.provider(t, nil)
		first := make(chan error, 1)
		go func() { first <- apply(t, p, creation("a", "A", "192.0.2.1"))[0] }()
		<-arrived
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.Apply(ctx, nil, []plan.Change{creation("b", "A", "192.0.2.1")})[0]; !errors.Is(err,
			context.Canceled) {
			t.Errorf("error is %v", err)
		}
		close(release)
		if err := <-first; err != nil {
			t.Errorf("the other's: %v", err)
		}
	})
}

func TestConnection(t *testing.T) {
	t.Run("X5 one connection serves many requests", func(t *testing.T) {
		f := startFake(t, func(r *fakeReply) { r.send(dns.RcodeSuccess) })
		p := f.provider(t, nil)
		for range 20 {
			if err := apply(t, p, creation("nginx", "A", "192.0.2.1"))[0]; err != nil {
				t.Fatal(err)
			}
		}
		if got := len(f.conns); got != 1 {
			t.Errorf("%d connections, want 1", got)
		}
	})
	t.Run("X5 a query outlives the end of a kept connection", func(t *testing.T) {
		var requests atomic.Int32
		f := startFake(t, func(r *fakeReply) {
			r.send(dns.RcodeNameError)
			if requests.Add(1)%3 == 0 {
				r.hangUp()
			}
		})
		p := f.provider(t, nil)
		for range 20 {
			if _, err := p.Get(t.Context(), fqdn("nginx")); err != nil {
				t.Fatal(err)
			}
		}
	})
}
