package dynupdate_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/providertest"
	"github.com/federation-dns/federation/federation/provider/rfc2136"
)

func TestProvider(t *testing.T) {
	for _, name := range []string{"memory", "database"} {
		t.Run(name, func(t *testing.T) {
			providertest.Run(t, func(t *testing.T) providertest.Target {
				var o options
				if name == "database" {
					o.database = filepath.Join(t.TempDir(), "zone.db")
				}
				s := start(t, o)
				return providertest.Target{Provider: s.provider(nil), Zone: zone, DNS: s.udp, Put: s.put}
			})
		})
	}
}

// addresses is one change: a new name with an A RRset.
func addresses(label string, data ...string) plan.Change {
	name := federation.FQDN(label + ".ns.fed.svc." + string(zone))
	return plan.Change{Name: name, To: []federation.RRset{{Name: name, Type: "A", TTL: 180, Data: data}}}
}

func one(ctx context.Context, p provider.Provider, c plan.Change) error {
	return p.Apply(ctx, nil, []plan.Change{c})[0]
}

// TestWrongConfiguration holds that a wrong key, zone or server is an error
// that says what to check.
func TestWrongConfiguration(t *testing.T) {
	s := start(t, options{})
	tests := []struct {
		name   string
		change func(*rfc2136.Config)
		want   []string
	}{
		{"key", func(c *rfc2136.Config) { c.TSIG.Name = "unknown." }, []string{"BADKEY", `"unknown."`, "key's name"}},
		{"secret", func(c *rfc2136.Config) { c.TSIG.Secret = "d3Jvbmcgc2VjcmV0" }, []string{"BADSIG", `"syncer."`, "check the secret"}},
		{"zone", func(c *rfc2136.Config) { c.Zone = "fed.svc.example.com." }, []string{"NOTAUTH", `"fed.svc.example.com."`, "primary"}},
	}
	for _, tt := range tests {
		t.Run("X7 wrong "+tt.name, func(t *testing.T) {
			p := s.provider(tt.change)
			name := addresses("nginx", "192.0.2.1").Name
			_, getErr := p.Get(t.Context(), name)
			checks := map[string]error{
				"Apply": one(t.Context(), p, addresses("nginx", "192.0.2.1")),
				"Get":   getErr,
				"List":  p.List(t.Context(), p.Zone(), func(federation.RRset) error { return nil }),
			}
			if tt.name == "zone" {
				delete(checks, "Get") // a name of the parent, which answers for it
				delete(checks, "List")
			}
			for op, err := range checks {
				if !errors.Is(err, provider.ErrRefused) {
					t.Errorf("%s: error %v does not wrap ErrRefused", op, err)
					continue
				}
				for _, want := range append(tt.want, s.tcp) {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%s: error %q does not say %q", op, err, want)
					}
				}
			}
		})
	}
}

func TestAllow(t *testing.T) {
	t.Run("X5a what the server refuses costs only itself", func(t *testing.T) {
		p := start(t, options{allow: "* A CNAME TXT"}).provider(nil)
		var changes []plan.Change
		for i := range 50 {
			changes = append(changes, addresses(fmt.Sprintf("s%d", i), "192.0.2.1"))
		}
		const bad = 17
		changes[bad].To = append(changes[bad].To, federation.RRset{Name: changes[bad].Name, Type: "AAAA", TTL: 180, Data: []string{"2001:db8::1"}})
		for i, err := range p.Apply(t.Context(), nil, changes) {
			if i == bad && !errors.Is(err, provider.ErrRefused) || i != bad && err != nil {
				t.Errorf("change %d: %v", i, err)
			}
		}
	})
}

func TestLimits(t *testing.T) {
	t.Run("X5a a message larger than the server takes is halved", func(t *testing.T) {
		p := start(t, options{limits: "max_update_records 60"}).provider(nil)
		var changes []plan.Change
		for i := range 100 {
			changes = append(changes, addresses(fmt.Sprintf("s%d", i), "192.0.2.1"))
		}
		for i, err := range p.Apply(t.Context(), nil, changes) {
			if err != nil {
				t.Errorf("change %d: %v", i, err)
			}
		}
	})
	t.Run("X5b the largest message fits the server's default limit", func(t *testing.T) {
		s := start(t, options{})
		p := s.provider(nil)
		before := serial(t, s)
		var changes []plan.Change
		for i := range 240 { // 960 records: three prerequisites and an A each
			changes = append(changes, addresses(fmt.Sprintf("s%d", i), "192.0.2.1"))
		}
		for i, err := range p.Apply(t.Context(), nil, changes) {
			if err != nil {
				t.Errorf("change %d: %v", i, err)
			}
		}
		if got := serial(t, s) - before; got != 1 {
			t.Errorf("it took %d updates, want 1", got)
		}
	})
}

func TestRead(t *testing.T) {
	s := start(t, options{})
	p := s.provider(nil)
	t.Run("O3c a wildcard's records are not those of the name", func(t *testing.T) {
		got, err := p.Get(t.Context(), "_claim.wild.example.com.")
		if err != nil || len(got) > 0 {
			t.Errorf("Get returns %v, %v", got, err)
		}
	})
	t.Run("O3c a delegated name is an error", func(t *testing.T) {
		got, err := p.Get(t.Context(), "nginx.sub.example.com.")
		if err == nil || !strings.Contains(err.Error(), "delegated") {
			t.Errorf("Get returns %v, %v", got, err)
		}
	})
	t.Run("P3d negative TTL", func(t *testing.T) {
		if got, err := p.SOA(t.Context()); got != 30 || err != nil {
			t.Errorf("SOA returns %d, %v, want 30", got, err)
		}
	})
}

func TestRestart(t *testing.T) {
	t.Run("X5 the database survives, the provider connects again", func(t *testing.T) {
		database := filepath.Join(t.TempDir(), "zone.db")
		s := start(t, options{database: database})
		p := s.provider(nil)
		a, b := addresses("a", "192.0.2.1"), addresses("b", "192.0.2.2")
		if err := one(t.Context(), p, a); err != nil {
			t.Fatal(err)
		}
		_, port, err := net.SplitHostPort(s.tcp)
		if err != nil {
			t.Fatal(err)
		}
		s.stop()
		err = one(t.Context(), p, b)
		if err == nil || errors.Is(err, provider.ErrConflict) || errors.Is(err, provider.ErrRefused) {
			t.Errorf("while the server is down: %v", err)
		}
		start(t, options{database: database, port: port})
		if err := one(t.Context(), p, b); err != nil {
			t.Errorf("after the restart: %v", err)
		}
		for _, c := range []plan.Change{a, b} {
			got, err := p.Get(t.Context(), c.Name)
			if diff := cmp.Diff(c.To, got); err != nil || diff != "" {
				t.Errorf("at %q: %v (-want +got):\n%s", c.Name, err, diff)
			}
		}
	})
}

// TestIgnoredUnderLoad holds more than the contract asks for: the message puts
// the old RRsets back itself.
func TestIgnoredUnderLoad(t *testing.T) {
	t.Run("P6r no query sees the name empty when the CNAME is ignored", func(t *testing.T) {
		s := start(t, options{})
		p := s.provider(nil)
		old := addresses("nginx", "192.0.2.1")
		if err := one(t.Context(), p, old); err != nil {
			t.Fatal(err)
		}
		s.put(federation.RRset{Name: old.Name, Type: "TXT", TTL: 60, Data: []string{`"foreign"`}})
		stop, ended := make(chan struct{}), make(chan error, 1)
		go func() { ended <- watch(s.udp, old.Name, stop) }()
		alias := []federation.RRset{{Name: old.Name, Type: "CNAME", TTL: 180, Data: []string{"nginx.example.org."}}}
		for range 100 {
			if err := one(t.Context(), p, plan.Change{Name: old.Name, From: old.To, To: alias}); !errors.Is(err, provider.ErrRefused) {
				t.Fatalf("error is %v", err)
			}
		}
		close(stop)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
