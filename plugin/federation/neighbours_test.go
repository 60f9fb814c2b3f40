package federation

import (
	"strings"
	"testing"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	external "github.com/coredns/coredns/plugin/k8s_external"
	_ "github.com/coredns/coredns/plugin/rewrite"
	"github.com/coredns/coredns/plugin/test"
)

// blocks has what CoreDNS's own context has: fields that are not exported.
type blocks struct {
	caddy.Context
	configs []*blockConfig
}

type blockConfig struct {
	Zone     string
	registry map[string]plugin.Handler //nolint:unused // read by reflection, as in CoreDNS
}

func TestNeighbours(t *testing.T) {
	handlers := func(names ...string) map[string]plugin.Handler {
		out := map[string]plugin.Handler{}
		for _, n := range names {
			out[n] = test.ErrorHandler()
		}
		return out
	}
	for _, tc := range []struct {
		rule    string
		context caddy.Context
		want    string
	}{
		{"Q8c kubeadm's plugins answer everybody alike", &blocks{configs: []*blockConfig{
			{"cluster.local.", handlers("errors", "health", "ready", "prometheus", "kubernetes", "federation",
				"forward", "cache", "loop", "reload", "loadbalance")},
			{"example.com.", handlers("cache", "file", "dns64", "autopath")}, {".", nil},
		}}, ""},
		{"Q8c a view may not", &blocks{configs: []*blockConfig{{"cluster.local.", handlers("federation")},
			{"example.com.", handlers("forward", "view")}}}, `plugin view in server block "example.com."`},
		{"Q8c nor an access list", &blocks{configs: []*blockConfig{{".", handlers("federation", "acl")}}},
			`plugin acl in server block "."`},
		{"Q8c nor a template", &blocks{configs: []*blockConfig{{".", handlers("template")}}}, "plugin template"},
		{"Q8c nor a plugin that is not known", &blocks{configs: []*blockConfig{{".", handlers("firewall")}}},
			"plugin firewall"},
		{"Q8c nor another version of CoreDNS", &struct{ caddy.Context }{},
			"the server blocks of this version of CoreDNS cannot be read"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			f := newPlugin(t, newCluster(), newRecords(t), usualKubernetes, usualFederation)
			logged := captureLog(t)
			f.checkNeighbours(tc.context, func(string) plugin.Handler { return nil })
			if f.chaser.perClient != (tc.want != "") || tc.want == "" && logged.String() != "" ||
				!strings.Contains(logged.String(), tc.want) {
				t.Errorf("perClient: %t; logged %q, want %q", f.chaser.perClient, logged, tc.want)
			}
		})
	}
	for _, tc := range []struct {
		rule, rewrite string
		perClient     bool
	}{
		{"Q8c names that are rewritten are so for everybody", "rewrite name suffix .a.example. .b.example. answer auto",
			false},
		{"Q8c so are TTLs and types", "rewrite ttl example.com. 5", false},
		{"Q8c an EDNS option may hold the client's address", "rewrite edns0 local set 0xffee {client_ip}", true},
		{"Q8c so may a subnet", "rewrite edns0 subnet set 24 56", true},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			f := newPlugin(t, newCluster(), newRecords(t), usualKubernetes, usualFederation)
			f.checkNeighbours(&blocks{configs: []*blockConfig{{".",
				map[string]plugin.Handler{"rewrite": rewriting(t, tc.rewrite)}}}},
				func(string) plugin.Handler { return nil })
			if f.chaser.perClient != tc.perClient {
				t.Errorf("perClient: %t", f.chaser.perClient)
			}
		})
	}
	for _, tc := range []struct {
		rule, zone string
		warns      bool
	}{
		{"N4 k8s_external for the federation's domain hides its records", "example.com.", true},
		{"N4 so it does for a domain above", "com.", true},
		{"N4 not for another", "k8s.example.org.", false},
		{"N4 nor for one below", "clusters.example.com.", false},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			f := newPlugin(t, newCluster(), newRecords(t), usualKubernetes, usualFederation)
			logged := captureLog(t)
			f.checkNeighbours(&blocks{}, func(name string) plugin.Handler {
				if name == "k8s_external" {
					return &external.External{Zones: []string{tc.zone}}
				}
				return nil
			})
			const warning = `[WARNING] plugin/federation: federation "myfed": k8s_external in this server block answers`
			if warns := strings.Contains(logged.String(), warning); warns != tc.warns {
				t.Errorf("logged %q", logged)
			}
		})
	}
}

// rewriting is the rewrite plugin of a directive.
func rewriting(t *testing.T, directive string) plugin.Handler {
	t.Helper()
	setup, err := caddy.DirectiveAction("dns", "rewrite")
	if err != nil {
		t.Fatal(err)
	}
	c := caddy.NewTestController("dns", directive)
	if err := setup(c); err != nil {
		t.Fatal(err)
	}
	plugins := dnsserver.GetConfig(c).Plugin
	return plugins[len(plugins)-1](nil)
}
