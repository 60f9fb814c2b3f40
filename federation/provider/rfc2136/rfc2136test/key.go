package rfc2136test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/rfc2136"
)

// wrong is a configuration that does not fit the server.
type wrong struct {
	name   string
	change func(*rfc2136.Config)
	want   []string
	reads  bool // queries and transfers fail too
}

// Clocks holds that an error says so where the server's clock differs too much from ours.
func Clocks(t *testing.T, late Server, words ...string) {
	p := late.Provider(t, nil)
	c := plan.Change{Name: "nginx.ns.fed.svc." + Zone}
	c.To = []federation.RRset{{Name: c.Name, Type: "A", TTL: 180, Data: []string{"192.0.2.1"}}}
	_, getErr := p.Get(t.Context(), c.Name)
	for op, err := range map[string]error{"Apply": p.Apply(t.Context(), nil, []plan.Change{c})[0], "Get": getErr} {
		t.Run("X7 clocks that differ, "+op, func(t *testing.T) {
			if !errors.Is(provider.KindOf(err), provider.ErrRefused) {
				t.Fatalf("error is %v", err)
			}
			for _, want := range append(words, late.TCP, Key.Name) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

// testWrongKey holds that a wrong key or zone is an error that names the key, the server, its answer and what to check,
// and no secret.
func testWrongKey(t *testing.T, s *suite) {
	tests := []wrong{
		{"name", func(c *rfc2136.Config) { c.TSIG.Name = "unknown." }, []string{"NOTAUTH", "BADKEY", `"unknown."`,
			"key's name"}, true},
		{"secret", func(c *rfc2136.Config) { c.TSIG.Secret = "d3Jvbmcgc2VjcmV0" },
			[]string{"NOTAUTH", "BADSIG", `"syncer."`, "check the secret"}, true},
		{"algorithm", func(c *rfc2136.Config) { c.TSIG.Algorithm = "hmac-sha512" },
			[]string{"NOTAUTH", "BAD", `"syncer."`, "hmac-sha512", "algorithm"}, true},
		// Knot does not tell a key without rights from one that it does not know.
		{"rights", func(c *rfc2136.Config) { c.TSIG = Powerless }, []string{`"powerless."`, "acl"}, false},
		{"zone", func(c *rfc2136.Config) { c.Zone = "fed.svc." + Zone }, []string{"NOTAUTH", `"syncer."`,
			`"fed.svc.example.com."`, "primary"}, false},
	}
	if s.server.AnyAlgorithm {
		tests = slices.DeleteFunc(tests, func(tt wrong) bool { return tt.name == "algorithm" })
	}
	if s.server.Silent {
		for i := range tests[:3] {
			tests[i].want = []string{fmt.Sprintf("%q", []string{"unknown.", "syncer.", "syncer."}[i]),
				"key's name, secret and algorithm"}
		}
		tests[3].want = []string{`"powerless."`, "TSIG-ALLOW-DNSUPDATE"}
	}
	for _, tt := range tests {
		t.Run("X7 "+tt.name, func(t *testing.T) {
			var config rfc2136.Config
			p := s.server.Provider(t, func(c *rfc2136.Config) { tt.change(c); config = *c })
			c := plan.Change{Name: "nginx.ns.fed.svc." + Zone}
			c.To = []federation.RRset{{Name: c.Name, Type: "A", TTL: 180, Data: []string{"192.0.2.1"}}}
			checks := map[string]error{"Apply": p.Apply(t.Context(), nil, []plan.Change{c})[0]}
			if tt.reads {
				_, checks["Get"] = p.Get(t.Context(), c.Name)
				checks["List"] = p.List(t.Context(), config.Zone, func(federation.RRset) error { return nil })
			}
			for op, err := range checks {
				if !errors.Is(err, provider.ErrRefused) {
					t.Errorf("%s: error %v does not wrap ErrRefused", op, err)
					continue
				}
				for _, want := range append(tt.want, s.server.TCP) {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%s: error %q does not say %q", op, err, want)
					}
				}
				if strings.Contains(err.Error(), config.TSIG.Secret) || strings.Contains(err.Error(), Key.Secret) {
					t.Errorf("%s: error %q has a secret", op, err)
				}
			}
			s.has(c, nil)
		})
	}
}
