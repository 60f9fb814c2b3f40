package pods

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/world"
)

// commandLine asks the syncer in its pod by kubectl federation: by the real API server and kubelet, as an administrator
// with the rights that we ship, and as somebody who lacks them.
func (s *system) commandLine() {
	s.t.Helper()
	began := time.Now()
	s.kubectl("", "apply", "-f", "../../deploy/users-rbac.yaml")
	s.kubectl(text("people.yaml"), "apply", "-f", "-")
	administrator, onlooker := s.person("administrator"), s.person("onlooker")
	s.may("administrator", "create", "pods", "--subresource=exec")
	s.may("onlooker", "get", "leases/federation-syncer")
	pod := s.kubectl("", "get", "pods", "--namespace", syncerNamespace, "--selector", "app=federation-syncer",
		"--output", "jsonpath={.items[*].metadata.name}")
	for _, tt := range []struct {
		name, args string
		says       []string
	}{
		{"V2 clusters", "clusters", []string{"myfederation in example.com: writing", here.Name, elsewhere.Name}},
		{"V4 a service", "services nginx -n mynamespace",
			[]string{"published, 2 of 2 shards healthy", elsewhere.Published[0].String()}},
		{"V6 explain", "explain " + world.Name + " --from " + here.Name,
			[]string{"answer: the Service's own addresses in " + here.Name}},
		{"V7 what a drain would move", "drain " + here.Name + " -o json", []string{`"mynamespace/nginx"`}},
		{"V8 confirm", "confirm", []string{"nothing waits"}},
		{"CK1 the syncer runs", "check --only syncer-running -o wide", []string{"1 of 1 replicas, " + pod + " writes"}},
	} {
		s.t.Run(tt.name, func(t *testing.T) {
			out, err := federation(t.Context(), administrator, strings.Fields(tt.args)...)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			words := strings.Join(strings.Fields(out), " ") // lines are wrapped
			for _, says := range tt.says {
				if !strings.Contains(words, says) {
					t.Errorf("it does not say %q:\n%s", says, out)
				}
			}
		})
	}
	s.t.Run("B2 without pods/exec the error names the right, and who writes", func(t *testing.T) {
		refused(t, onlooker, "clusters", `ask for the right to create pods/exec in namespace "`+syncerNamespace+`"`,
			fmt.Sprintf("replica %q writes", pod))
	})
	s.t.Run("B2 without pods/portforward the error names the right", func(t *testing.T) {
		refused(t, administrator, "dashboard", `ask for the right to create pods/portforward in namespace "`+
			syncerNamespace+`"`)
	})
	s.t.Run("W1 the page", func(t *testing.T) { s.in(t).page(administrator) })
	s.t.Run("V8 confirm lets a member go, in the pod that has taken over", func(t *testing.T) {
		s.in(t).letGo(administrator, pod)
	})
	s.t.Logf("the command line: %.1f s", time.Since(began).Seconds())
}

const syncerNamespace = "federation-system"

// person writes a kubeconfig for an account, and returns its path.
func (s *system) person(name string) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), name)
	s.must(s.here.AccountKubeconfig(s.t.Context(), syncerNamespace, name, s.here.Server(), path))
	return path
}

// may waits until the API server knows of a right, by the arguments of kubectl auth can-i: its authorizer follows new
// bindings within moments.
func (s *system) may(account string, right ...string) {
	s.t.Helper()
	s.eventually(account+" to have the right", func() error {
		_, err := s.here.Kubectl(s.t.Context(), "", append([]string{"auth", "can-i", "--namespace", syncerNamespace,
			"--as", "system:serviceaccount:" + syncerNamespace + ":" + account}, right...)...)
		return err
	})
}

// federation runs kubectl federation, and returns what it prints. An error has what it says on standard error.
func federation(ctx context.Context, kubeconfig string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return proc.Command(ctx, plugin(), append([]string{"--kubeconfig", kubeconfig}, args...)...)
}

// refused runs a verb that ends with exit status 2, as it could not find out, and wants its error to say all of this.
func refused(t *testing.T, kubeconfig, verb string, says ...string) {
	t.Helper()
	out, err := federation(t.Context(), kubeconfig, verb)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Fatalf("%v, want exit status 2\n%s", err, out)
	}
	for _, what := range says {
		if !strings.Contains(err.Error(), what) {
			t.Errorf("it does not say %q: %v", what, err)
		}
	}
}

// page opens the page by pods/portforward, and reads it as a browser does.
func (s *system) page(kubeconfig string) {
	s.t.Helper()
	s.kubectl(text("page-rbac.yaml"), "apply", "-f", "-")
	s.may("administrator", "create", "pods", "--subresource=portforward")
	log := filepath.Join(s.t.TempDir(), "dashboard")
	p, err := proc.Start("kubectl federation dashboard", log, nil, plugin(), "--kubeconfig", kubeconfig, "dashboard",
		"--no-browser")
	s.must(err)
	s.t.Cleanup(func() { s.stopped(p.Stop(10 * time.Second)) })
	var address string
	s.eventually("the address of the page", func() error {
		if err := p.Ended(); err != nil {
			return fmt.Errorf("%w\n%s", err, proc.Tail(log, 20))
		}
		for line := range strings.Lines(proc.Tail(log, 20)) {
			if strings.HasPrefix(line, "http://127.0.0.1:") {
				address = strings.TrimSpace(line)
				return nil
			}
		}
		return errors.New("there is none yet")
	})
	for path, says := range map[string][]string{
		"/": {">writing<", here.Name, elsewhere.Name},
		"/service/myfederation/example.com/mynamespace/nginx": {"Who gets what", elsewhere.Published[0].String()},
	} {
		html := s.get(address + path)
		for _, what := range says {
			if !strings.Contains(html, what) {
				s.t.Errorf("%s does not say %q:\n%s", path, what, html)
			}
		}
	}
}

// letGo takes a member out of the configuration, confirms its end (X4d), and puts it back.
func (s *system) letGo(kubeconfig, before string) {
	s.t.Helper()
	all := text("syncer-config.yaml")
	member := "- name: " + elsewhere.Name + "\n  kubeconfig: {path: /etc/federation-syncer/" + elsewhere.Name + "}\n"
	s.reconfigure(strings.Replace(all, member, "", 1))
	s.eventually("another pod to write, and the member to wait for its end", func() error {
		out, err := federation(s.t.Context(), kubeconfig, "check", "--only", "syncer-running", "-o", "wide")
		if err == nil && strings.Contains(out, before) {
			err = fmt.Errorf("%s still writes: %s", before, out)
		}
		if err != nil {
			return err
		}
		out, err = federation(s.t.Context(), kubeconfig, "confirm", "-o", "json")
		if err == nil && !strings.Contains(out, elsewhere.Name) {
			err = fmt.Errorf("%s does not wait: %s", elsewhere.Name, out)
		}
		return err
	})
	level := world.Name + ".svc." + elsewhere.Region + "." + world.Domain + "."
	s.answers(level, dns.RcodeSuccess)
	out, err := federation(s.t.Context(), kubeconfig, "confirm", "--yes")
	if err != nil || !strings.Contains(out, "confirmed: 1 of 1 still waited") {
		s.t.Fatalf("%v\n%s", err, out)
	}
	s.answers(level, dns.RcodeNameError)
	s.reconfigure(all)
	s.answers(level, dns.RcodeSuccess)
	s.published(2)
}

// answers waits until the DNS server answers for a name so.
func (s *system) answers(name string, rcode int) {
	s.t.Helper()
	s.eventually(name+" to be "+dns.RcodeToString[rcode], func() error {
		r, err := world.Ask(s.t.Context(), world.Authority, name, dns.TypeA)
		if err == nil && r.Rcode != rcode {
			err = fmt.Errorf("it is %s", dns.RcodeToString[r.Rcode])
		}
		return err
	})
}

// reconfigure gives the syncer another configuration, in a new pod: a kubelet may take a minute to change a file.
func (s *system) reconfigure(config string) {
	s.t.Helper()
	patch, err := json.Marshal(map[string]any{"stringData": map[string]string{"config.yaml": config}})
	s.must(err)
	s.kubectl("", "patch", "secret", "federation-syncer", "--namespace", syncerNamespace, "--patch", string(patch))
	s.kubectl("", "rollout", "restart", "--namespace", syncerNamespace, "deployment/federation-syncer")
	s.rollout(syncerNamespace, "federation-syncer")
}

// get reads a page.
func (s *system) get(url string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	s.must(err)
	response, err := http.DefaultClient.Do(request)
	s.must(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	s.must(err)
	if response.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s\n%s", url, response.Status, body)
	}
	return string(body)
}
