package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write what is seen into the test cases")

// TestConfigErrors runs testdata/errors/*.txtar: a config.yaml, the files it
// names, and the errors that it must give.
func TestConfigErrors(t *testing.T) {
	cases, err := filepath.Glob("testdata/errors/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			var want *txtar.File
			for i, f := range archive.Files {
				if f.Name == "errors" {
					want = &archive.Files[i]
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got := ""
			if _, err := Load(filepath.Join(dir, "config.yaml")); err != nil {
				got = strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "") + "\n"
			}
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(string(want.Data), got); d != "" {
				t.Errorf("errors (-want +got):\n%s", d)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("secret", " c2VjcmV0LW9mLXRoZS1rZXk=\n")
	path := write("config.yaml", `apiVersion: federation-dns.io/v1alpha1
kind: SyncerConfiguration
owner: syncer-eu
federations:
- name: myfederation
  domain: example.com
  naming: nested
  ttl: 60
  levels: shards
  regionFallback: {us-central1: [us-east1]}
  provider: {rfc2136: {server: "192.0.2.53", zone: example.com, tsig: {name: syncer., secretFile: secret}}}
- name: myfederation
  domain: example.org
  provider:
    rfc2136: {server: "192.0.2.53:53", zone: org, tsig: {name: syncer., algorithm: hmac-sha512, secretFile: secret}}
clusters:
- name: gce-us-central1
  kubeconfig: {path: central.kubeconfig, context: admin}
  topology: {region: us-central1, zones: [us-central1-b, us-central1-a]}
  addressCIDRs: [10.0.0.0/8]
  unreachableAfter: 10s
- name: host.example.org
  kubeconfig: {path: /etc/federation/host.kubeconfig}
host: {kubeconfig: {path: ""}}
resolver: {servers: [192.0.2.53, "[2001:db8::53]:5353"]}
timers: {emptyGrace: 5s}
`)
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("C1 the values", func(t *testing.T) {
		f, central := c.Federations[0], c.Clusters[0]
		got := []any{
			c.Owner, f.Options.TTL, f.Options.ShardLevelsOnly, string(f.Options.RegionFallback["us-central1"][0]),
			f.Provider.RFC2136.TSIG.Secret,
			central.Kubeconfig, len(central.Member.Topology.Zones), string(central.Member.Topology.Zones[0]),
			central.UnreachableAfter,
			c.Clusters[1].Member.Name, c.Clusters[1].Kubeconfig.Path, len(central.Member.Federations),
			len(central.Member.AddressPolicy.ForbiddenHosts),
			fmt.Sprint(c.Clusters[1].DNS),
		}
		want := []any{
			"syncer-eu", uint32(60), true, "us-east1", "c2VjcmV0LW9mLXRoZS1rZXk=",
			Kubeconfig{Path: filepath.Join(dir, "central.kubeconfig"), Context: "admin"}, 2, "us-central1-a",
			10 * time.Second,
			"host.example.org", "/etc/federation/host.kubeconfig", 1, 3, "[192.0.2.53:53 [2001:db8::53]:5353]",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
	t.Run("C1 the defaults", func(t *testing.T) {
		got := []any{c.Policy.UnreachableAfter, c.Policy.EmptyGrace, c.Policy.HeldMax, c.Policy.PanicThreshold,
			c.MetricsAddress, c.AdminSocket, c.LogLevel}
		want := []any{45 * time.Second, 5 * time.Second, 24 * time.Hour, 50, ":9153",
			"/run/federation-syncer/admin.sock", "info"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
	t.Run("X7 a kubeconfig that cannot be used is named, and is no error of the file", func(t *testing.T) {
		errs := c.Warnings()
		if len(errs) != 2 || !strings.Contains(errs[0].Error(), `clusters[0] "gce-us-central1"`) {
			t.Errorf("errors: %v", errs)
		}
	})
	t.Run("X7 the secret is in no text of the configuration", func(t *testing.T) {
		if s := c.Federations[0].Provider.RFC2136.TSIG.String(); strings.Contains(s, "c2Vj") {
			t.Errorf("%s", s)
		}
	})
}

func TestNameProblem(t *testing.T) {
	for name, want := range map[string]string{"myfederation": "", "internal": "special-use", "lan": "private"} {
		t.Run("N4 "+name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.yaml")
			text := "apiVersion: federation-dns.io/v1alpha1\nkind: SyncerConfiguration\nowner: us\n" +
				"clusters: [{name: a, kubeconfig: {path: a}}]\n" +
				"federations: [{name: " + name + ", domain: example.com, provider: {route53: {}}}]\n"
			c, err := Parse(path, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			problem := c.Federations[0].NameProblem
			if (problem == "") != (want == "") || !strings.Contains(problem, want) {
				t.Errorf("problem %q, want %q", problem, want)
			}
		})
	}
}
