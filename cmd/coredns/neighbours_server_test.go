package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	golog "log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/plugin/metrics"
)

// envNeighbour makes the test binary a coredns that reports its addresses,
// restarts on request, and ends with its standard input.
const envNeighbour = "COREDNS_TEST_NEIGHBOUR"

// told is what such a coredns reports, a line of JSON each time.
type told struct {
	Servers []string `json:"servers"` // "UDP-ADDRESS TCP-ADDRESS" of each
	Metrics string   `json:"metrics"`
	Error   string   `json:"error"`
}

// neighbour is that coredns.
func neighbour(conf string) {
	golog.SetOutput(os.Stderr)
	input := func() caddy.Input {
		corefile, err := os.ReadFile(conf)
		if err != nil {
			panic(err)
		}
		return caddy.CaddyfileInput{Contents: corefile, Filepath: conf, ServerTypeName: "dns"}
	}
	instance, err := caddy.Start(input())
	for commands := bufio.NewScanner(os.Stdin); ; {
		out := told{Metrics: metrics.ListenAddr}
		if err != nil {
			out.Error = err.Error()
		}
		if instance != nil {
			for _, s := range instance.Servers() {
				if s.LocalAddr() != nil && s.Addr() != nil {
					out.Servers = append(out.Servers, s.LocalAddr().String()+" "+s.Addr().String())
				}
			}
		}
		_ = json.NewEncoder(os.Stdout).Encode(out)
		if !commands.Scan() {
			break
		}
		var next *caddy.Instance
		if next, err = instance.Restart(input()); err == nil {
			instance = next
		}
	}
	if instance != nil {
		_ = instance.Stop()
	}
}

// process is a coredns of its own, for the time of the test.
type process struct {
	t     *testing.T
	conf  string
	stdin io.WriteCloser
	tells *bufio.Scanner
	says  logged
	told
}

// logged is what a process logs.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// run starts a coredns with the Corefile.
func run(t *testing.T, corefile string, env ...string) *process {
	t.Helper()
	p := &process{t: t, conf: filepath.Join(t.TempDir(), "Corefile")}
	p.write(corefile)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), envConf+"="+p.conf, envNeighbour+"=1", "GORACE=exitcode=0"), env...)
	cmd.Stderr = &p.says
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		p.stdin, err = cmd.StdinPipe()
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	p.tells = bufio.NewScanner(stdout)
	t.Cleanup(func() {
		p.stdin.Close()
		kill := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		for p.tells.Scan() {
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("coredns: %v", err)
		}
		for _, race := range races(p.says.String()) {
			t.Error(race)
		}
		if t.Failed() {
			t.Logf("it logged:\n%s", p.says.String())
		}
	})
	if p.hear(); p.Error != "" || len(p.Servers) == 0 {
		t.Fatalf("it does not start: %s\n%s", p.Error, corefile)
	}
	return p
}

// races are the reports of the race detector, but for those that are CoreDNS's
// own: when it starts anew, the kubernetes plugin makes and sets the logger that
// the watches of the old instance use.
func races(log string) []string {
	var out []string
	for _, report := range strings.Split(log, "==================") {
		if strings.Contains(report, "WARNING: DATA RACE") && !strings.Contains(report, "klog/v2.SetLogger") &&
			!strings.Contains(report, "kubernetes.(*loggerAdapter)") {
			out = append(out, report)
		}
	}
	return out
}

func (p *process) write(corefile string) {
	p.t.Helper()
	if err := os.WriteFile(p.conf, []byte(corefile), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// hear waits for its next report.
func (p *process) hear() {
	p.t.Helper()
	for p.tells.Scan() {
		if strings.HasPrefix(p.tells.Text(), "{") {
			p.told = told{}
			if err := json.Unmarshal(p.tells.Bytes(), &p.told); err != nil {
				p.t.Fatal(err)
			}
			return
		}
	}
	p.t.Fatalf("coredns ended: %s", p.says.String())
}

// reload restarts it with the Corefile, and returns its error.
func (p *process) reload(corefile string) string {
	p.t.Helper()
	p.write(corefile)
	fmt.Fprintln(p.stdin, "reload")
	p.hear()
	return p.Error
}

// udp is the address of its first server.
func (p *process) udp() string {
	udp, _, _ := strings.Cut(p.Servers[0], " ")
	return udp
}

// client asks this coredns.
func (p *process) client(t testing.TB) *client {
	udp, tcp, _ := strings.Cut(p.Servers[0], " ")
	return newClient(t, udp, tcp)
}

// corefile is the usual one with plugins of the test's, or options of the
// federation's, added: one server block.
func corefile(api *kubeAPI, auth *authority, plugins string) string {
	return fmt.Sprintf(`.:0 {
    bind 127.0.0.1
    errors
    %s
    federation cluster.local {
        fed example.com
        topology region1 zone1
    }
    kubernetes cluster.local {
        endpoint %s
        ttl 5
    }
    forward . %s
}
`, plugins, api.url, auth.addr)
}

// world is the usual cluster, the usual records, and a coredns with the
// plugins added to the usual ones.
func world(t *testing.T, plugins string, env ...string) (*process, *kubeAPI, *authority) {
	t.Helper()
	api, auth := newKubeAPI(t).usual(), newAuthority(t)
	return run(t, corefile(api, auth, plugins), env...), api, auth
}
