package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/explain"
	"github.com/federation-dns/federation/test/docs"
)

// drainWorld is a syncer, its host cluster with one MemberCluster, and a DNS server.
type drainWorld struct {
	*testing.T
	socket, kubeconfig, dns string

	mu      sync.Mutex
	drain   bool   // spec.drain
	manager string // applies spec.drain, beside this program
	patches []string
	none    bool // there is no DNS provider
	stale   int  // how often the DNS server still gives old answers
	refuse  int  // the status of a PATCH, if not 0
}

func newDrainWorld(t *testing.T) *drainWorld {
	w := &drainWorld{T: t}
	w.socket = serve(t, &fakeSyncer{status: w.status})
	host := httptest.NewServer(http.HandlerFunc(w.host))
	t.Cleanup(host.Close)
	w.kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: host,
    contexts: [{name: host, context: {cluster: host, user: me}}],
    clusters: [{name: host, cluster: {server: %q}}], users: [{name: me, user: {token: secret}}]}`,
		host.URL)
	if err := os.WriteFile(w.kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started, done := make(chan struct{}), make(chan struct{}) // what has not started cannot be shut down
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(w.answer),
		NotifyStartedFunc: func() { close(started) }}
	go func() { defer close(done); _ = server.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { _ = server.Shutdown(); <-done })
	w.dns = conn.LocalAddr().String()
	return w
}

// set changes the world, which answers meanwhile.
func (w *drainWorld) set(do func(w *drainWorld)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	do(w)
}

// status is that of the syncer, which follows spec.drain at once.
func (w *drainWorld) status() *admin.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.statusOf(w.drain)
}

func (w *drainWorld) statusOf(drained bool) *admin.Status {
	status := testStatus()
	status.Federations[0].NoProvider = w.none
	if drained {
		f := &status.Federations[0]
		f.Members[2].Drained = true
		s := &f.Services[0]
		assume(f, s, admin.Assumption{Member: "gce-us-central1", Drained: true})
		d, err := explain.PredictDrain(&admin.Status{Federations: status.Federations,
			If: &admin.Assumption{Member: "gce-us-central1", Drained: true}})
		if err != nil {
			w.Error(err)
		}
		s.Records, s.Coming = d.Federations[0].Services[0].Records, nil
	}
	return status
}

// host is the API of the host cluster.
func (w *drainWorld) host(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.URL.Path != "/apis/federation-dns.io/v1alpha1/memberclusters/gce-us-central1" {
		http.NotFound(out, r)
		return
	}
	if r.Method == http.MethodPatch {
		body, _ := io.ReadAll(r.Body)
		w.patches = append(w.patches, r.URL.RawQuery+" "+string(body))
		if w.refuse != 0 {
			out.Header().Set("Content-Type", "application/json")
			out.WriteHeader(w.refuse)
			fmt.Fprint(out, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden",`+
				`"message":"no","code":403}`)
			return
		}
		var m struct{ Spec struct{ Drain bool } }
		_ = json.Unmarshal(body, &m)
		if !r.URL.Query().Has("dryRun") {
			w.drain = m.Spec.Drain
		}
	}
	object := map[string]any{
		"apiVersion": "federation-dns.io/v1alpha1", "kind": "MemberCluster",
		"metadata": map[string]any{"name": "gce-us-central1", "uid": "u-1", "managedFields": []any{map[string]any{
			"manager": w.manager, "operation": "Apply", "apiVersion": "federation-dns.io/v1alpha1",
			"fieldsType": "FieldsV1", "fieldsV1": map[string]any{"f:spec": map[string]any{"f:drain": map[string]any{}}},
		}}},
		"spec": map[string]any{"drain": w.drain},
	}
	out.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(out).Encode(object)
}

// answer answers as an authoritative server, for a while with what was before.
func (w *drainWorld) answer(out dns.ResponseWriter, q *dns.Msg) {
	w.mu.Lock()
	old := w.stale > 0
	if old {
		w.stale--
	}
	status := w.statusOf(w.drain != old)
	w.mu.Unlock()
	reply := new(dns.Msg).SetReply(q)
	reply.Authoritative = true
	for _, s := range status.Federations[0].Services {
		for _, r := range s.Records {
			if r.Name != q.Question[0].Name || r.Type != dns.TypeToString[q.Question[0].Qtype] {
				continue
			}
			for _, data := range r.Data {
				rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", r.Name, r.TTL, r.Type, data))
				if err != nil {
					w.Error(err)
				}
				reply.Answer = append(reply.Answer, rr)
			}
		}
	}
	_ = out.WriteMsg(reply)
}

// run runs the program against this world; its addresses are replaced in the output.
func (w *drainWorld) run(stdin string, args ...string) (string, error) {
	args = append(args, "--socket", w.socket, "--kubeconfig", w.kubeconfig, "--query", w.dns)
	var out bytes.Buffer
	now := start
	cmd := rootCommand("kubectl federation", func() time.Time { now = now.Add(200 * time.Millisecond); return now })
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	err := cmd.ExecuteContext(w.Context())
	return strings.ReplaceAll(out.String(), w.dns, "ns1.example.com"), err
}

// page compares the session in docs/cli.md with what a verb has printed, after a yes.
func (w *drainWorld) page(verb, out string) {
	w.Helper()
	session := "    $ kubectl federation " + verb + " gce-us-central1\n" +
		indented(strings.ReplaceAll(out, "] \n", "] y\n"))
	docs.CheckGenerated(w.T, "../../docs/cli.md", "cmd/kubectl-federation", *update, map[string]string{verb: session})
}

func TestDrain(t *testing.T) {
	w := newDrainWorld(t)
	w.set(func(w *drainWorld) { w.stale = 27 }) // all names, once
	t.Run("V7 drain predicts, asks, sets, and watches until DNS agrees", func(t *testing.T) {
		out, err := w.run("y\n", "drain", "gce-us-central1")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "drain", out)
		w.page("drain", out)
		if len(w.patches) != 2 || !strings.Contains(w.patches[0], "dryRun=All") ||
			strings.Contains(w.patches[1], "dryRun") || !strings.Contains(w.patches[1], `"uid":"u-1"`) {
			t.Errorf("requests %q", w.patches)
		}
	})
	t.Run("V7 again it changes nothing, and sees that DNS agrees", func(t *testing.T) {
		w.patches = nil
		out, err := w.run("", "drain", "gce-us-central1")
		if err != nil || !strings.Contains(out, "membercluster/gce-us-central1: spec.drain is true already") ||
			!strings.HasSuffix(out, "drained gce-us-central1\n") || len(w.patches) > 0 {
			t.Errorf("%v %q\n%s", err, w.patches, out)
		}
	})
	t.Run("V7 uncordon puts it back", func(t *testing.T) {
		w.patches, w.stale = nil, 27 // all names, once
		out, err := w.run("y\n", "uncordon", "gce-us-central1")
		if err != nil || w.drain || len(w.patches) != 2 {
			t.Fatalf("%v, drain %t, requests %q\n%s", err, w.drain, w.patches, out)
		}
		golden(t, "uncordon", out)
		w.page("uncordon", out)
	})
	t.Run("V7 a no, or a dry run, changes nothing", func(t *testing.T) {
		out, err := w.run("n\n", "drain", "gce-us-central1")
		if err == nil || exitCode(err) != exitBad || w.drain {
			t.Errorf("after a no: %v, drain %t\n%s", err, w.drain, out)
		}
		out, err = w.run("", "drain", "gce-us-central1", "--dry-run")
		if err != nil || w.drain || !strings.HasSuffix(out,
			"membercluster/gce-us-central1: spec.drain would be true (dry run)\n") {
			t.Errorf("dry run: %v, drain %t\n%s", err, w.drain, out)
		}
	})
	t.Run("V7 what a tool applies is changed there", func(t *testing.T) {
		w.manager = "argocd-controller"
		defer func() { w.manager = "" }()
		_, err := w.run("y\n", "drain", "gce-us-central1")
		if err == nil || err.Error() != `spec.drain of MemberCluster "gce-us-central1" belongs to `+
			`"argocd-controller", which would set it back: change it there` || w.drain {
			t.Errorf("%v, drain %t", err, w.drain)
		}
	})
	t.Run("V7 a missing right is said before anybody is asked", func(t *testing.T) {
		w.refuse = http.StatusForbidden
		defer func() { w.refuse = 0 }()
		out, err := w.run("y\n", "drain", "gce-us-central1")
		if err == nil || !strings.HasPrefix(err.Error(), `you may not change MemberCluster "gce-us-central1": ask `+
			`for the right to patch memberclusters.federation-dns.io`) || strings.Contains(out, "[y/N]") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("M7 without a DNS provider no DNS server is asked", func(t *testing.T) {
		w.set(func(w *drainWorld) { w.none, w.drain, w.stale = true, false, 1<<30 })
		defer w.set(func(w *drainWorld) { w.none, w.drain, w.stale = false, false, 0 })
		out, err := w.run("y\n", "drain", "gce-us-central1")
		if err != nil || !strings.Contains(out, "has no DNS provider") || strings.Contains(out, "resolvers may keep") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("V7 a DNS server that does not follow is named when the time is over", func(t *testing.T) {
		w.set(func(w *drainWorld) { w.stale = 1 << 30 })
		defer w.set(func(w *drainWorld) { w.stale = 0 })
		_, err := w.run("", "drain", "gce-us-central1", "--yes", "--timeout", "1500ms")
		if err == nil || exitCode(err) != exitBad || !strings.Contains(err.Error(), "not done within 1.5s: ") ||
			!strings.Contains(err.Error(), "still has") {
			t.Errorf("%v", err)
		}
	})
}
