package host

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/federation/check/corednscheck"
	"github.com/federation-dns/federation/federation/check/dnscheck"
	"github.com/federation-dns/federation/federation/check/servicecheck"
	"github.com/federation-dns/federation/federation/live"
	"github.com/federation-dns/federation/test/check/texts"
	"github.com/federation-dns/federation/test/programs"
)

func testRun(t *testing.T, w *world) {
	good := w.lastingToken()
	w.member("a", w.kubeconfig(w.host.Server(), w.ca(), good), "")
	w.finds("members-known", "a", check.OK, "...", w.options())
	t.Run("CK4 the program says the same", func(t *testing.T) {
		w := w.in(t)
		program := func(args ...string) (string, int) {
			cmd := exec.CommandContext(t.Context(), programs.Kubectl(), append([]string{"check", "--kubeconfig",
				w.host.Kubeconfig(), "--socket", filepath.Join(w.dir, "admin.sock")}, args...)...)
			out, err := cmd.Output()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			return string(out), cmd.ProcessState.ExitCode()
		}
		w.eventually(func() error {
			out, code := program("--only", "crds-installed,syncer-running,member-reachable,member-rbac", "-o", "short")
			if code != 0 || out != "4 passed\n" {
				return fmt.Errorf("exit status %d\n%s", code, out)
			}
			return nil
		})
		out, code := program("--only", "syncer-running", "--syncer-lease", "another")
		if want := "FAIL  syncer-running        there is no Lease"; code != 1 || !strings.Contains(out, want) ||
			!strings.HasSuffix(out, "\n1 failed, 0 passed\n") {
			t.Errorf("exit status %d\n%s", code, out)
		}
	})
	t.Run("CK6 it only reads", func(t *testing.T) {
		w, o := w.in(t), w.options()
		far := w.standIn()
		w.member("far", w.kubeconfig(far.URL, far.ca(), good), "")
		w.finds("members-known", "far", check.OK, "...", w.options())
		var seen recorder
		o.Host = rest.CopyConfig(o.Host)
		o.Host.Wrap(seen.wrap)
		check.Run(t.Context(), check.NewEnv(o), all())
		far.mu.Lock()
		requests := append(seen.requests, far.requests...)
		farther := slices.Clone(far.requests)
		far.mu.Unlock()
		reviews := 0
		for _, r := range requests {
			switch {
			case strings.HasPrefix(r, "GET "):
			case strings.HasPrefix(r, "POST /apis/auth") && strings.Contains(r, "/selfsubject"): // keeps nothing
				reviews++
			case slices.Contains(farther, r) && strings.Contains(r, "/namespaces/federation-mirror/configmaps"):
				// of the syncer, which keeps the mirror by the same way
			default:
				t.Errorf("it sends %s", r)
			}
		}
		if len(seen.requests) == 0 || reviews == 0 {
			t.Errorf("only these requests were seen: %q", requests)
		}
	})
	t.Run("B1 with exactly the rights of an administrator nothing is untested", func(t *testing.T) {
		w := w.in(t)
		o := w.checker(nil)
		w.eventually(func() error {
			for _, r := range check.Run(t.Context(), check.NewEnv(o), all()).Results {
				for _, f := range r.Findings {
					if f.Outcome == check.Unknown {
						return fmt.Errorf("%s: %s", r.ID, f.Text)
					}
				}
			}
			return nil
		})
	})
	// For each rule, the checks that cannot be made without it.
	without := map[string][]string{
		"memberclusters":    {"members-known", "member-rbac"},
		"federatedservices": {"propagation-blocked"},
		"leases":            {"syncer-running"},
		"deployments":       {"config-loaded", "syncer-running"},
		"configmaps":        {"config-loaded"},
		"secrets":           {"member-rbac", "member-secret", "member-token"},
	}
	for _, resource := range slices.Sorted(maps.Keys(without)) {
		t.Run("B2 without the right for "+resource+" a check says so", func(t *testing.T) {
			w := w.in(t)
			o := w.checker(func(r rbacv1.PolicyRule) bool { return r.Resources[0] == resource })
			want := "resources: [" + resource + "]"
			text := "could not be tested: ..." + resource + "... is forbidden: User ... cannot ..."
			w.eventually(func() error {
				for _, r := range check.Run(t.Context(), check.NewEnv(o),
					slices.Concat(all(), servicecheck.Checks())).Results {
					if !slices.Contains(without[resource], r.ID) {
						continue
					}
					if !slices.ContainsFunc(r.Findings, func(f check.Finding) bool {
						return f.Outcome == check.Unknown && texts.Like(f.Text, text) &&
							strings.Contains(f.Remedy, want)
					}) {
						return fmt.Errorf("%s does not say that %s is missing: %+v", r.ID, want, r.Findings)
					}
				}
				return nil
			})
			for _, id := range without[resource] {
				w.texts.Add(id, check.Unknown, text, ", and the rule that is missing")
			}
		})
	}
	t.Run("B2 without the right to run commands in pods a check says so", func(t *testing.T) {
		w := w.in(t)
		o := w.checker(func(r rbacv1.PolicyRule) bool { return r.Resources[0] == "pods/exec" })
		o.Syncer = &live.Pod{Config: o.Host, Namespace: namespace, Lease: name}
		w.finds("syncer-version", "", check.Unknown, `could not be tested: you may not ask the syncer: ask for the `+
			`right to create pods/exec in namespace "federation-system" (...`, o)
	})
	t.Run("CK5 ten members that do not answer are unknown after less than five seconds", func(t *testing.T) {
		w := w.in(t)
		for i := range 10 {
			w.member(fmt.Sprintf("mute-%d", i), w.kubeconfig("https://"+mute(t), w.ca(), good), "")
		}
		began := time.Now()
		r := check.Run(t.Context(), check.NewEnv(w.options()), everything())
		took := time.Since(began)
		t.Logf("%d checks with 11 members, 10 of which do not answer: %s; %s", len(r.Results),
			took.Round(time.Millisecond), r.Summary())
		if took >= 5*time.Second {
			t.Errorf("took %s", took)
		}
		for _, result := range r.Results {
			if result.ID != "member-rbac" {
				continue
			}
			for _, f := range result.Findings {
				mute, late := strings.HasPrefix(f.Subject, "mute-"), strings.Contains(f.Text, "no answer within 3s")
				if mute != late || mute != (f.Outcome == check.Unknown) {
					t.Errorf("%+v", f)
				}
				if mute {
					w.texts.Add("member-rbac", f.Outcome, f.Text, "")
				}
			}
			if len(result.Findings) != 11 {
				t.Errorf("findings of %d members", len(result.Findings))
			}
		}
	})
}

// everything is the whole table.
func everything() []check.Check {
	return slices.Concat(all(), dnscheck.Checks(), corednscheck.Checks(), servicecheck.Checks())
}

// recorder notes requests.
type recorder struct {
	mu       sync.Mutex
	requests []string
}

func (r *recorder) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		r.mu.Lock()
		r.requests = append(r.requests, req.Method+" "+req.URL.Path)
		r.mu.Unlock()
		return next.RoundTrip(req)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// mute returns the address of a server that takes connections and never says anything.
func mute(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open = append(open, c)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		for _, c := range open {
			c.Close()
		}
	})
	return l.Addr().String()
}

// accounts counts those that checker has made.
var accounts atomic.Int64

// checker returns the options of an account that has the rights of an administrator of the federation, those of
// deploy/users-rbac.yaml, without some of the rules.
func (w *world) checker(without func(rbacv1.PolicyRule) bool) check.Options {
	w.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy/users-rbac.yaml"))
	if err != nil {
		w.Fatal(err)
	}
	account := fmt.Sprintf("checker-%d", accounts.Add(1))
	w.kubectl("", "-n", namespace, "create", "serviceaccount", account)
	removed := 0
	for _, part := range strings.Split(string(text), "\n---\n") {
		var role rbacv1.ClusterRole // or a Role: the same fields
		if err := yaml.Unmarshal([]byte(part), &role); err != nil {
			w.Fatal(err)
		}
		if role.Name != "federation-admin" {
			continue
		}
		before := len(role.Rules)
		if without != nil {
			role.Rules = slices.DeleteFunc(role.Rules, without)
		}
		removed += before - len(role.Rules)
		role.Name = account
		out, err := yaml.Marshal(role)
		if err != nil {
			w.Fatal(err)
		}
		w.kubectl(string(out), "apply", "-f", "-")
		w.kubectl("", "create", strings.ToLower(role.Kind)+"binding", account, "-n", namespace,
			"--"+strings.ToLower(role.Kind)+"="+account, "--serviceaccount="+namespace+":"+account)
	}
	if without != nil && removed == 0 {
		w.Fatal("no rule was left out")
	}
	o := w.options()
	o.Host = rest.AnonymousClientConfig(o.Host)
	o.Host.BearerToken = w.token(account, "1h")
	return o
}
