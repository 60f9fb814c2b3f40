package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/federation-dns/federation/test/proc"
)

// Syncers is how many can run at once.
const Syncers = 2

// Syncer is one of the syncers, which have the same owner id and differ in the
// ways to the DNS servers only.
type Syncer struct {
	Number  int
	stage   *Stage
	process *proc.Process
	pid     atomic.Int64 // of the process that was started last
}

func (s *Syncer) path(name string) string {
	return s.stage.lab.Path("syncer", fmt.Sprintf("%d.%s", s.Number, name))
}

func (s *Syncer) http() string { return fmt.Sprintf("127.0.0.1:%d", 9150+s.Number) }

// writeConfig writes the configuration file.
func (s *Syncer) writeConfig() error {
	var b strings.Builder
	t := Timers
	fmt.Fprintf(&b, "apiVersion: federation-dns.io/v1alpha1\nkind: SyncerConfiguration\nowner: chaos\nfederations:\n")
	for i, z := range Zones {
		fmt.Fprintf(&b, "- name: %s\n  domain: %s\n  ttl: 60\n  provider: %s\n",
			z.Name, z.Domain, s.stage.Hosts[i].Provider(s.Number))
	}
	switch {
	case s.stage.records != nil:
		fmt.Fprintf(&b, "host: {kubeconfig: {path: %s}, namespace: %s, lease: federation-syncer}\n",
			s.stage.hostKubeconfig(s.Number), recordsNamespace)
	case s.stage.opt.Lease:
		host := s.stage.Members[0].Cluster
		fmt.Fprintf(&b, "host: {kubeconfig: {path: %s}, namespace: kube-system, lease: federation-syncer}\n",
			host.Kubeconfig())
	}
	fmt.Fprintf(&b, "clusters:\n")
	for _, m := range s.stage.Members {
		fmt.Fprintf(&b, "- name: %s\n  kubeconfig: {path: %s}\n  addressCIDRs: [198.18.0.0/15]\n",
			m.Name, m.Entry().Kubeconfig)
	}
	fmt.Fprintf(&b, "timers: {unreachableAfter: %s, startupTimeout: %s, emptyGrace: %s, panicHold: %s, holdFor: %s, "+
		"heldMax: %s, auditInterval: %s}\n",
		t.UnreachableAfter, t.StartupTimeout, t.EmptyGrace, t.PanicHold, t.HoldFor, t.HeldMax, t.AuditInterval)
	fmt.Fprintf(&b, "metrics: {address: %q}\nadmin: {socket: %s}\nlog: {level: debug}\n", s.http(), s.path("sock"))
	return os.WriteFile(s.path("yaml"), []byte(b.String()), 0o644)
}

// Start starts the syncer and waits for nothing.
func (s *Syncer) Start() (err error) {
	if err := s.writeConfig(); err != nil {
		return err
	}
	var args []string
	for _, h := range s.stage.Hosts {
		args = append(args, h.Env(s.Number)...)
	}
	args = append(args, s.stage.opt.Syncer, "--config", s.path("yaml"))
	s.process, err = s.stage.lab.Run(fmt.Sprintf("syncer %d", s.Number), fmt.Sprintf("syncer-%d", s.Number), "env",
		args...)
	if err == nil {
		s.pid.Store(int64(s.process.PID()))
	}
	return err
}

// Memory is how many octets of memory the syncer has; 0 if it does not run.
func (s *Syncer) Memory() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.pid.Load()))
	if err != nil {
		return 0
	}
	var size, resident int64
	_, _ = fmt.Sscan(string(text), &size, &resident) // 0 then
	return resident * int64(os.Getpagesize())
}

// Writes is nil if the syncer has taken the claims and seen every member, or given
// it up; the error says what it does instead.
func (s *Syncer) Writes(ctx context.Context) error {
	if err := s.process.Ended(); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.http()+"/readyz", nil)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: time.Second}
	r, err := client.Do(req)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if text := strings.TrimSpace(string(body)); text != "ok" {
		return fmt.Errorf("/readyz answers %q", text)
	}
	return nil
}

// Kill ends the syncer with SIGKILL.
func (s *Syncer) Kill() { s.process.Kill() }

// Stop ends the syncer with SIGTERM, which it must obey.
func (s *Syncer) Stop() error { return s.process.Stop(15 * time.Second) }

// Pause and Resume are SIGSTOP and SIGCONT.
func (s *Syncer) Pause() error { return s.process.Pause() }

// Resume ends a Pause.
func (s *Syncer) Resume() error { return s.process.Resume() }

// Ended says how the syncer ended, or nil while it runs.
func (s *Syncer) Ended() error { return s.process.Ended() }

// Confirm confirms all that waits, as an administrator does who agrees with it,
// and reports whether there was anything.
func (s *Syncer) Confirm(ctx context.Context) (bool, error) {
	out, err := proc.Command(ctx, s.stage.opt.Syncer, "confirm", "--socket", s.path("sock"), "--yes")
	return strings.Contains(out, "confirmed:"), err
}

// States are those of the federations, as federation-syncer status has them; leader
// is the replica that this one stands by for, if it does.
func (s *Syncer) States(ctx context.Context) (leader string, states []string, err error) {
	out, err := proc.Command(ctx, s.stage.opt.Syncer, "status", "--socket", s.path("sock"), "-o", "json")
	if err != nil {
		return "", nil, err
	}
	var status struct {
		Leader      string
		Federations []struct{ State string }
	}
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		return "", nil, err
	}
	for _, f := range status.Federations {
		states = append(states, f.State)
	}
	return status.Leader, states, nil
}

// Status is the whole output of federation-syncer status, for a report.
func (s *Syncer) Status(ctx context.Context) string {
	out, err := proc.Command(ctx, s.stage.opt.Syncer, "status", "--socket", s.path("sock"), "--services")
	if err != nil {
		out += err.Error()
	}
	return out
}
