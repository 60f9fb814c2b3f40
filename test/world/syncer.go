package world

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"text/template"
	"time"

	"github.com/federation-dns/federation/test/proc"
)

// SyncerConfig is what the configuration file of the syncer is made of.
type SyncerConfig struct {
	Federations []SyncerFederation
	Clusters    []SyncerCluster
	// HostKubeconfig is that of the host cluster, if there is one.
	HostKubeconfig string
	// Metrics and Admin are the address of the metrics and the socket; "" is those
	// of the World's own syncer.
	Metrics, Admin string
}

// SyncerFederation is one federation of the file.
type SyncerFederation struct {
	Name string
	// Domain and Server are the DNS zone and its server; "" is the World's own.
	Domain, Server string
	// SecretFile holds the secret of the TSIG key.
	SecretFile string
	// Provider has the lines of another provider instead.
	Provider string
	// RegionFallback says whose records an empty region has.
	RegionFallback map[string][]string
}

// SyncerCluster is one member of the file. Topology is that of the file, as YAML; "" is that of the Nodes' labels.
type SyncerCluster struct{ Name, Kubeconfig, Topology string }

// The timers are short here, so that nobody has to wait for them.
var configTemplate = template.Must(template.New("").Funcs(template.FuncMap{
	"join": strings.Join, "emptyGrace": EmptyGrace.String,
}).Parse(`apiVersion: federation-dns.io/v1alpha1
kind: SyncerConfiguration
owner: walk-through
{{- with .HostKubeconfig}}
host: {kubeconfig: {path: {{.}}}}
{{- end}}
federations:
{{- range .Federations}}
- name: {{.Name}}
  domain: {{or .Domain "` + Domain + `"}}
  {{- with .RegionFallback}}
  regionFallback:
    {{- range $region, $others := .}}
    {{$region}}: [{{join $others ", "}}]
    {{- end}}
  {{- end}}
  provider:
{{- with .Provider}}
{{.}}
{{- else}}
    rfc2136:
      server: {{or .Server "` + Authority + `"}}:53
      zone: {{or .Domain "` + Domain + `"}}
      tsig: {name: ` + TSIGName + `, algorithm: hmac-sha256, secretFile: {{.SecretFile}}}
{{- end}}
{{- end}}
clusters:
{{- range .Clusters}}
- name: {{.Name}}
  kubeconfig: {path: {{.Kubeconfig}}}
  {{- with .Topology}}
  topology: {{.}}
  {{- end}}
{{- end}}
timers: {unreachableAfter: 5s, emptyGrace: {{emptyGrace}}, startupTimeout: 10s}
metrics: {address: "{{or .Metrics "127.0.0.1:9153"}}"}
page: {address: "127.0.0.1:0"}
admin: {socket: {{or .Admin "admin.sock"}}}
log: {level: debug}
`))

// EmptyGrace is how long a Service without a healthy shard keeps its records.
const EmptyGrace = 5 * time.Second

const syncerHTTP = "http://127.0.0.1:9153"

// SyncerMetrics is where the metrics of the syncer are.
const SyncerMetrics = syncerHTTP + "/metrics"

// Syncer is the syncer of a World.
type Syncer struct {
	world  *World
	config SyncerConfig

	mu      sync.Mutex
	process *proc.Process // nil while none runs
}

func (s *Syncer) defaultConfig() SyncerConfig {
	f := SyncerFederation{Name: FederationName, SecretFile: s.world.Path("syncer", "tsig")}
	if s.world.cloud != nil {
		f.Provider = s.world.cloud.provider()
	}
	if s.world.opt.Provider == None {
		f.Provider = noProvider
	}
	c := SyncerConfig{Federations: []SyncerFederation{f}}
	if s.world.opt.Host != "" {
		c.HostKubeconfig = s.world.hostKubeconfig()
		return c
	}
	for _, m := range s.world.members {
		c.Clusters = append(c.Clusters, SyncerCluster{Name: m.Name, Kubeconfig: m.syncerKubeconfig()})
	}
	return c
}

func (s *Syncer) writeConfig() error { return s.config.write(s.world.Path("syncer", "config.yaml")) }

func (c SyncerConfig) write(path string) error {
	var b bytes.Buffer
	if err := configTemplate.Execute(&b, c); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", b.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path) // a running syncer never sees half of it
}

// Start starts the syncer and waits until it is ready: it has taken the
// claim and has seen every member, or given it up.
func (s *Syncer) Start(ctx context.Context) error {
	if err := s.Launch(); err != nil {
		return err
	}
	return s.Await(ctx)
}

// Await waits until the syncer, which was started, is ready.
func (s *Syncer) Await(ctx context.Context) error {
	return proc.Poll(ctx, "the syncer to be ready", func() error {
		if err := s.world.Alive(); err != nil {
			return err
		}
		_, err := Get(ctx, syncerHTTP+"/readyz")
		return err
	})
}

// Launch starts the syncer and waits for nothing.
func (s *Syncer) Launch() error {
	if err := os.WriteFile(s.world.Path("syncer", "tsig"), []byte(TSIGSecret+"\n"), 0o600); err != nil {
		return err
	}
	if err := s.writeConfig(); err != nil {
		return err
	}
	env := s.world.Env()
	if s.world.cloud != nil {
		env = append(env, s.world.cloud.syncerEnv()...)
	}
	p, err := proc.Start("the syncer", s.world.LogFile("syncer"), env, s.world.opt.Syncer, "--config",
		s.world.Path("syncer", "config.yaml"))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process = p
	return nil
}

// Stop ends the syncer with SIGTERM, which it must obey.
func (s *Syncer) Stop() error {
	return s.take().Stop(10 * time.Second)
}

// Kill ends the syncer with SIGKILL.
func (s *Syncer) Kill() {
	if p := s.take(); p != nil {
		p.Kill()
	}
}

func (s *Syncer) running() *proc.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process
}

func (s *Syncer) take() *proc.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.process
	s.process = nil
	return p
}

// Reconfigure restarts the syncer with the configuration of the walk-through,
// changed. It does not wait until the syncer is ready.
func (s *Syncer) Reconfigure(change func(*SyncerConfig)) error {
	if err := s.Stop(); err != nil {
		return err
	}
	s.config = s.defaultConfig()
	change(&s.config)
	return s.Launch()
}

// Status is what federation-syncer status prints.
func (s *Syncer) Status(ctx context.Context, flags ...string) (string, error) {
	args := append([]string{"status", "--socket", AdminSocket(s.world.Dir())}, flags...)
	return proc.CommandWith(ctx, nil, "", s.world.opt.Syncer, args...)
}

// ConfirmAll confirms all that waits, again and again, until ctx ends: somebody
// who agrees with everything (X4c). It returns how often there was something.
func (s *Syncer) ConfirmAll(ctx context.Context) (times int) {
	for ctx.Err() == nil {
		out, err := proc.CommandWith(ctx, nil, "", s.world.opt.Syncer, "confirm", "--socket",
			AdminSocket(s.world.Dir()), "--yes")
		if err == nil && strings.Contains(out, "confirmed:") {
			times++
		}
		proc.Pause(ctx, 200*time.Millisecond) // a syncer that is being restarted does not answer
	}
	return times
}

// Cleanup removes the federation of the walk-through from its zone, and returns
// what the command says. The syncer must not run.
func (s *Syncer) Cleanup(ctx context.Context, flags ...string) (string, error) {
	args := []string{"cleanup", "--config", s.world.Path("syncer", "config.yaml"), "--federation",
		FederationName, "--yes"}
	return proc.CommandWith(ctx, nil, "", s.world.opt.Syncer, append(args, flags...)...)
}

// Log is what the syncer has logged so far.
func (s *Syncer) Log() (string, error) {
	data, err := os.ReadFile(s.world.LogFile("syncer"))
	return string(data), err
}

// MemberStatus is the table of members of the status: MEMBER STATUS VERSION
// REGION ZONES SHARDS HEALTHY, without the times.
func (s *Syncer) MemberStatus(ctx context.Context) (string, error) {
	out, err := s.Status(ctx)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) >= 7 && (f[0] == "MEMBER" || s.isMember(f[0])) {
			fmt.Fprintf(&b, "%-17s %-12s %-8s %-13s %-15s %-7s %s\n", f[0], f[1], f[2], f[3], f[4], f[5], f[6])
		}
	}
	return b.String(), nil
}

func (s *Syncer) isMember(name string) bool {
	for _, m := range s.world.members {
		if m.Name == name {
			return true
		}
	}
	return false
}

// RewriteConfig changes the configuration file, as it is now, in place. A
// running syncer takes it over, one that does not run finds it at its start.
func (s *Syncer) RewriteConfig(change func(*SyncerConfig)) error {
	change(&s.config)
	return s.writeConfig()
}
