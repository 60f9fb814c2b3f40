package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/scenario"
	"github.com/federation-dns/federation/test/world"
)

const wrongSecret = "d3JvbmcgYnV0IHdlbGwtZm9ybWVkIHNlY3JldCEhISE="

// refusedService has a shard in asia-east1 whose load balancer, which is not
// ours to run, has given it an address that is never published, and a good one
// in europe-west1.
const refusedService = `apiVersion: v1
kind: Service
metadata:
  name: refused
  namespace: mynamespace
  labels:
    federation-dns.io/federation: myfederation
spec:
  type: LoadBalancer
  %s
  selector:
    app: nginx
  ports:
  - name: http
    port: 80
    targetPort: http
`

// testBadInput gives the syncer members that cannot be reached or do not let
// it in, a key that the DNS server refuses, and a Service with an unusable
// address, and looks how each is reported, and that the others go on.
func testBadInput(t *testing.T, w *scenario.Play) {
	files := writeBadInput(t, w)
	if err := w.Syncer.Reconfigure(func(c *world.SyncerConfig) {
		for _, name := range []string{"unreachable", "wrong-kubeconfig", "no-kubeconfig", "refused-token"} {
			c.Clusters = append(c.Clusters, world.SyncerCluster{Name: name, Kubeconfig: files[name]})
		}
		c.Federations = append(c.Federations, world.SyncerFederation{Name: "refused-key", SecretFile: files["secret"]})
	}); err != nil {
		t.Fatal(err)
	}

	for member, says := range map[string]string{
		"unreachable": "refused", "wrong-kubeconfig": "kubeconfig", "no-kubeconfig": "does not exist",
		"refused-token": "nauthorized",
	} {
		t.Run("member "+member, func(t *testing.T) {
			eventually(t, w, func(s *seen) error {
				m := s.status.federation("myfederation").member(member)
				return all(
					contains("status: error of the member", m.Error, says),
					contains("metrics", s.metrics,
						fmt.Sprintf(`federation_syncer_member_standing{domain="example.com.",`+
							`federation="myfederation",member=%q,standing="unreachable"} 1`, member)),
					contains("log", s.log, "member="+member),
				)
			})
		})
	}
	t.Run("refused TSIG key", func(t *testing.T) {
		eventually(t, w, func(s *seen) error {
			f := s.status.federation("refused-key")
			return all(
				contains("status: state", f.State, "provider-down"),
				contains("status: error", f.Error, world.Authority),
				contains("metrics", s.metrics,
					`federation_syncer_state{domain="example.com.",federation="refused-key",state="provider_down"} 1`),
				contains("log", s.log, "federation=refused-key"),
			)
		})
	})
	t.Run("the others go on", func(t *testing.T) {
		run(t, w, scenario.KillCentral(), scenario.BringBack())
		watched(t, w)
	})
	t.Run("no secret is told", func(t *testing.T) {
		eventually(t, w, func(s *seen) error {
			for _, text := range []string{s.log, s.metrics, s.raw} {
				if strings.Contains(text, wrongSecret) || strings.Contains(text, "not-a-token") {
					return fmt.Errorf("a secret stands in the log, the metrics or the status")
				}
			}
			return nil
		})
	})
	if err := w.Syncer.Reconfigure(func(*world.SyncerConfig) {}); err != nil {
		t.Fatal(err)
	}
	t.Run("unusable address", func(t *testing.T) { testUnusableAddress(t, w) })
}

// testUnusableAddress has a Service with one address that is never published:
// it costs that shard only, and everything goes when the Service does.
func testUnusableAddress(t *testing.T, w *scenario.Play) {
	serveRefusedAddress(t, w)
	eventually(t, w, func(s *seen) error {
		f := s.status.federation("myfederation")
		global, _ := s.records.Find("refused.mynamespace.myfederation.svc.example.com.", "A")
		return all(
			contains("status: problems", fmt.Sprint(f.Problems), "gce-asia-east1 mynamespace/refused AddressRefused"),
			contains("status: problems", fmt.Sprint(f.Problems), "127.0.0.7"),
			contains("metrics", s.metrics, `reason="AddressRefused"} 1`),
			contains("log", s.log, "127.0.0.7"),
			contains("records", strings.Join(global.Data, " "), "203.0.113.34"),
		)
	})
	for _, name := range []string{"gce-asia-east1", "gce-europe-west1"} {
		kubectl(t, w.Member(name), "", "delete", "service", "refused", "--namespace", world.Namespace)
	}
	eventually(t, w, func(s *seen) error {
		if want := scenario.ExpectedTable("all"); s.records.String() != want.String() {
			return fmt.Errorf("there are other records than those of the walk-through:\n%s", s.records)
		}
		return nil
	})
	watched(t, w)
}

// writeBadInput writes the files, by name.
func writeBadInput(t *testing.T, w *scenario.Play) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, name := range []string{"unreachable", "wrong-kubeconfig", "no-kubeconfig", "refused-token", "secret"} {
		files[name] = filepath.Join(w.Dir(), "syncer", "bad-"+name)
	}
	admin := w.Members()[0].Cluster
	if err := kube.KubeconfigVia(admin.Kubeconfig(), "https://127.0.0.1:1", files["unreachable"]); err != nil {
		t.Fatal(err)
	}
	refused := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\n"+
		"contexts: [{name: c, context: {cluster: c, user: u}}]\n"+
		"clusters: [{name: c, cluster: {server: %q, insecure-skip-tls-verify: true}}]\n"+
		"users: [{name: u, user: {token: not-a-token}}]\n", admin.Server())
	for name, text := range map[string]string{
		"wrong-kubeconfig": "this is no kubeconfig\n", "refused-token": refused, "secret": wrongSecret + "\n",
	} {
		if err := os.WriteFile(files[name], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func serveRefusedAddress(t *testing.T, w *scenario.Play) {
	t.Helper()
	foreign, own := w.Member("gce-asia-east1"), w.Member("gce-europe-west1")
	kubectl(t, foreign, fmt.Sprintf(refusedService, "loadBalancerClass: example.com/foreign"), "apply", "-f", "-")
	kubectl(t, own, fmt.Sprintf(refusedService, "externalTrafficPolicy: Cluster"), "apply", "-f", "-")
	kubectl(t, foreign, "", "patch", "service", "refused", "--namespace", world.Namespace, "--subresource", "status",
		"--type", "merge", "--patch", `{"status":{"loadBalancer":{"ingress":[{"ip":"127.0.0.7"}]}}}`)
}

func kubectl(t *testing.T, m *world.Member, stdin string, args ...string) {
	t.Helper()
	if _, err := m.Kubectl(t.Context(), stdin, args...); err != nil {
		t.Fatal(err)
	}
}

// seen is everything that the syncer reports, at one moment.
type seen struct {
	status  status
	raw     string // the status as text
	metrics string
	log     string
	records world.Table
}

// The parts of the status that are checked.
type status struct {
	Federations []fedStatus `json:"federations"`
}

type fedStatus struct {
	Name     string         `json:"name"`
	State    string         `json:"state"`
	Error    string         `json:"error"`
	Members  []memberStatus `json:"members"`
	Problems []problem      `json:"problems"`
}

type memberStatus struct {
	Name   string `json:"name"`
	Status string `json:"status"`
	Error  string `json:"error"`
}

type problem struct {
	Member, Service, Reason, Detail string
}

func (p problem) String() string {
	return fmt.Sprintf("%s %s %s: %s", p.Member, p.Service, p.Reason, p.Detail)
}

func (s status) federation(name string) fedStatus {
	for _, f := range s.Federations {
		if f.Name == name {
			return f
		}
	}
	return fedStatus{}
}

func (f fedStatus) member(name string) memberStatus {
	for _, m := range f.Members {
		if m.Name == name {
			return m
		}
	}
	return memberStatus{}
}

func look(ctx context.Context, w *scenario.Play) (*seen, error) {
	var s seen
	var err error
	if s.raw, err = w.Syncer.Status(ctx, "-o", "json", "--services"); err != nil {
		return nil, err
	}
	if err := json.NewDecoder(bytes.NewReader([]byte(s.raw))).Decode(&s.status); err != nil {
		return nil, fmt.Errorf("status: %w", err)
	}
	res, err := http.Get(world.SyncerMetrics)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	s.metrics = string(text)
	if s.log, err = w.Syncer.Log(); err != nil {
		return nil, err
	}
	s.records, err = w.Records(ctx)
	return &s, err
}

// eventually looks until f gives no error, for at most 30 s.
func eventually(t *testing.T, w *scenario.Play, f func(*seen) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		s, err := look(ctx, w)
		if err == nil {
			if err = f(s); err == nil {
				return
			}
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%v\nlogs:\n%s", err, w.Tails(15))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func contains(what, text, part string) error {
	if strings.Contains(text, part) {
		return nil
	}
	if len(text) > 3000 {
		text = "..." + text[len(text)-3000:]
	}
	return fmt.Errorf("%s: there is no %q in:\n%s", what, part, text)
}

func all(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
