// Package host tests the checks of the host cluster and of the members on a real API server, with the real syncer: each
// in a state in which it fails, and in one in which it passes (CK2). The host cluster is the member too.
package host

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/federation/check/hostcheck"
	"github.com/federation-dns/federation/federation/check/membercheck"
	"github.com/federation-dns/federation/federation/live"
	"github.com/federation-dns/federation/test/check/texts"
	"github.com/federation-dns/federation/test/fakecloud"
	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/programs"
	"github.com/federation-dns/federation/test/route53"
)

func TestMain(m *testing.M) {
	programs.Main(m, "an API server, which is built in minutes, and a private network namespace")
}

const (
	root      = "../../.."
	namespace = "federation-system"
	name      = "federation-syncer"
	zoneID    = "Z0123456789ABCDEFGHIJ"
)

// world is a host cluster, which is a member too, with a syncer.
type world struct {
	*testing.T
	dir   string
	host  *kube.Cluster
	cloud *route53.Server
	texts texts.Seen // for docs/checks.md
}

func newWorld(t *testing.T) *world {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute) // binaries may have to be built
	defer cancel()
	dir, err := os.MkdirTemp("", "ck")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &world{T: t, dir: dir, texts: texts.Seen{}}
	w.host, err = kube.Start(ctx, kube.Options{
		Name: "host", Dir: filepath.Join(dir, "host"), Region: "eu", Zones: []string{"eu-a"},
		PodCIDRs:     []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
		ServiceCIDRs: []netip.Prefix{netip.MustParsePrefix("10.101.0.0/16")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.host.Kill)
	for _, file := range []string{"host-rbac.yaml", "member-rbac.yaml", "member-mirror-rbac.yaml"} {
		w.kubectl("", "apply", "-f", filepath.Join(root, "deploy", file))
	}
	if w.cloud, err = route53.Start(fakecloud.Zone{ID: zoneID, Name: "example.com."}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.cloud.Close)
	w.startSyncer()
	return w
}

// in returns the world for a subtest.
func (w *world) in(t *testing.T) *world {
	sub := *w
	sub.T = t
	return &sub
}

// kubectl runs kubectl as the administrator, and fails the test with it.
func (w *world) kubectl(stdin string, args ...string) string {
	w.Helper()
	out, err := w.host.Kubectl(w.Context(), stdin, args...)
	if err != nil {
		w.Fatal(err)
	}
	return out
}

func (w *world) write(file, text string) {
	w.Helper()
	path := filepath.Join(w.dir, file)
	if err := os.WriteFile(path+".next", []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
	if err := os.Rename(path+".next", path); err != nil {
		w.Fatal(err)
	}
}

// config is the configuration of the syncer.
func (w *world) config() string {
	return fmt.Sprintf(`apiVersion: federation-dns.io/v1alpha1
kind: SyncerConfiguration
owner: us
federations:
- name: fed
  domain: example.com
  provider: {route53: {hostedZoneID: %s, endpoint: %q}}
host: {kubeconfig: {path: host.kubeconfig}, namespace: %s}
metrics: {address: "127.0.0.1:0"}
admin: {socket: admin.sock}
`, zoneID, w.cloud.URL, namespace)
}

// startSyncer starts the syncer with the rights of deploy/host-rbac.yaml, and ends it with the test.
func (w *world) startSyncer() {
	w.Helper()
	w.write("host.kubeconfig", w.kubeconfig(w.host.Server(), w.ca(), w.token(name, "2h")))
	w.write("c.yaml", w.config())
	log := filepath.Join(w.dir, "log")
	p, err := proc.Start("federation-syncer", log, route53.Env(),
		programs.Syncer(), "--config", filepath.Join(w.dir, "c.yaml"))
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if w.Failed() {
			w.Log(proc.Tail(log, 50))
		}
		if err := p.Stop(20 * time.Second); err != nil {
			w.Error(err)
		}
	})
}

// token returns a new token of an account in the namespace.
func (w *world) token(account, duration string) string {
	w.Helper()
	return strings.TrimSpace(w.kubectl("", "create", "token", account, "-n", namespace, "--duration="+duration))
}

// lastingToken returns the token of deploy/member-rbac.yaml.
func (w *world) lastingToken() (token string) {
	w.Helper()
	w.eventually(func() error {
		text := w.kubectl("", "-n", namespace, "get", "secret", "federation-syncer-token", "-o",
			"jsonpath={.data.token}")
		data, err := base64.StdEncoding.DecodeString(text)
		token = string(data)
		if err == nil && token == "" {
			err = fmt.Errorf("no token yet")
		}
		return err
	})
	return token
}

func (w *world) ca() string {
	config := w.host.Config()
	if len(config.CAData) > 0 {
		return string(config.CAData)
	}
	data, err := os.ReadFile(config.CAFile)
	if err != nil {
		w.Fatal(err)
	}
	return string(data)
}

// kubeconfig returns a kubeconfig with a token.
func (w *world) kubeconfig(server, ca, token string) string {
	return fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c,
contexts: [{name: c, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}],
users: [{name: u, user: {token: %q}}]}`, server, base64.StdEncoding.EncodeToString([]byte(ca)), token)
}

// member makes a MemberCluster with its Secret, which goes with the test. More is a part of its spec.
func (w *world) member(name, kubeconfig, more string) {
	w.Helper()
	w.kubectl(fmt.Sprintf(`apiVersion: v1
kind: Secret
metadata: {name: member-%s, namespace: %s}
data: {kubeconfig: %s}
---
apiVersion: federation-dns.io/v1alpha1
kind: MemberCluster
metadata: {name: %s}
spec: {kubeconfigSecret: {name: member-%s}%s}
`, name, namespace, base64.StdEncoding.EncodeToString([]byte(kubeconfig)), name, name, more), "apply", "-f", "-")
	w.Cleanup(func() {
		_, err := w.host.Kubectl(context.Background(), "", "delete", "membercluster/"+name, "--ignore-not-found")
		if err != nil {
			w.Error(err)
		}
	})
}

// options are those of an administrator.
func (w *world) options() check.Options {
	return check.Options{
		Host: w.host.Config(), Syncer: live.Socket(filepath.Join(w.dir, "admin.sock")),
		Namespace: namespace, Lease: name, Version: "v0.1.0", Now: time.Now,
		Context: func(string) (*rest.Config, error) { return nil, nil },
	}
}

// all are the checks that are tested here.
func all() []check.Check { return append(hostcheck.Checks(), membercheck.Checks()...) }

// run makes one check, and returns what it has found of the subject.
func (w *world) run(id, subject string, o check.Options) check.Finding {
	w.Helper()
	chosen, err := check.Select(everything(), []string{id}, nil)
	if err != nil {
		w.Fatal(err)
	}
	for _, result := range check.Run(w.Context(), check.NewEnv(o), chosen).Results {
		for _, f := range result.Findings {
			if f.Subject == subject {
				return f
			}
		}
	}
	return check.Finding{Outcome: "nothing found"}
}

// finds waits until a check finds this of the subject, with a text like that, where "..." stands for anything. If it is
// bad, it has to say what to do; docs/checks.md gets the text.
func (w *world) finds(id, subject string, outcome check.Outcome, text string, o check.Options) check.Finding {
	w.Helper()
	var f check.Finding
	w.eventually(func() error {
		f = w.run(id, subject, o)
		if f.Outcome != outcome || !texts.Like(f.Text, text) {
			return fmt.Errorf("%s finds of %q %s %q, want %s %q", id, subject, f.Outcome, f.Text, outcome, text)
		}
		return nil
	})
	if (outcome == check.Fail || outcome == check.Warn) && f.Remedy == "" {
		w.Errorf("%s: it does not say what to do", id)
	}
	w.texts.Add(id, outcome, text, "")
	return f
}

// eventually polls until f gives no error.
func (w *world) eventually(f func() error) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 40*time.Second)
	defer cancel()
	if err := proc.Poll(ctx, "it", f); err != nil {
		w.Fatal(err)
	}
}
