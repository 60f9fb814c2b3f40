package member

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/kubeconfig"
	"github.com/federation-dns/federation/federation/kubeconfig/kubeconfigtest"
	"github.com/federation-dns/federation/test/needs"
)

// plugin is a credential plugin of a test: a shell script that may be changed while it is used.
type plugin struct {
	*testing.T
	dir string
}

func newPlugin(t *testing.T, script string) *plugin {
	p := &plugin{t, t.TempDir()}
	p.set(script)
	t.Cleanup(func() { p.set("exit 1\n"); p.kill() }) // who waits for it runs it again
	return p
}

// credential begins the answer of a plugin.
const credential = `{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",`

// token is a line of a script that answers with a token, valid for that long.
func token(valid string) string {
	return fmt.Sprintf(`until=$(date -u -d '+%s' +%%Y-%%m-%%dT%%H:%%M:%%SZ)
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",'
printf '"status":{"token":"sesame","expirationTimestamp":"%%s"}}' "$until"
`, valid)
}

// hang is a line of a script that hangs until the end of the test.
const hang = "echo $$ >>\"$DIR/hanging\"; exec sleep 600\n"

// set changes the script. It comes under its name as a whole: it may be run at any time.
func (p *plugin) set(script string) {
	p.Helper()
	text := fmt.Sprintf("#!/bin/sh\nDIR=%q\necho run >>\"$DIR/runs\"\n%s", p.dir, script)
	next := filepath.Join(p.dir, "next")
	if err := os.WriteFile(next, []byte(text), 0o700); err != nil {
		p.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(p.dir, "plugin")); err != nil {
		p.Fatal(err)
	}
}

func (p *plugin) lines(file string) []string {
	data, _ := os.ReadFile(filepath.Join(p.dir, file))
	return strings.Fields(string(data))
}

// kill ends what hangs.
func (p *plugin) kill() {
	for _, line := range p.lines("hanging") {
		if pid, err := strconv.Atoi(line); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	_ = os.Remove(filepath.Join(p.dir, "hanging"))
}

// config is that of a kubeconfig with the plugin, for a server.
func (p *plugin) config(server string) *rest.Config {
	p.Helper()
	path := filepath.Join(p.dir, "kubeconfig")
	kubeconfigtest.Write(p, path, server, kubeconfigtest.PluginUser)
	c, err := kubeconfig.Load(path, "")
	if err != nil {
		p.Fatal(err)
	}
	return c
}

// pluginBench is a Watcher of a member whose credentials come from the plugin.
type pluginBench struct {
	*plugin
	events chan Event
	stop   func() time.Duration // ends it, and returns how long that took
	seen   bool                 // a ListEvent has come
}

func (p *plugin) watch(name string) *pluginBench {
	p.Helper()
	server := httptest.NewTLSServer(healthyAPI())
	p.Cleanup(server.CloseClientConnections)
	c := testConfig()
	c.Name, c.UnreachableAfter = name, 2*time.Second // a probe each 400 ms
	events := make(chan Event, 1<<16)
	w, err := New(c, p.config(server.URL), fixed{}, NewTopologyHistory(name), slog.New(slog.DiscardHandler), events)
	if err != nil {
		p.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Run(ctx) }()
	stop := func() time.Duration {
		began := time.Now()
		cancel()
		<-done
		return time.Since(began)
	}
	p.Cleanup(func() { p.set("exit 1\n"); p.kill(); stop(); server.Close() })
	return &pluginBench{plugin: p, events: events, stop: stop}
}

// until waits for so many probes in a row that end like that: answered, or with an error that has the text.
func (b *pluginBench) until(n int, want string) {
	b.Helper()
	late := time.After(time.Minute)
	row, last := 0, "none"
	for row < n {
		select {
		case e := <-b.events:
			b.note(e)
			p, ok := e.(ProbeEvent)
			if !ok {
				continue
			}
			if row++; want == "" && p.Err != nil || want != "" &&
				(p.Err == nil || !strings.Contains(p.Err.Error(), want)) {
				row = 0
			}
			if last = "answered"; p.Err != nil {
				last = p.Err.Error()
			}
			if strings.Contains(last, "sesame") {
				b.Errorf("a probe's error has a secret: %s", last)
			}
		case <-late:
			b.Fatalf("%d of %d probes in a row %q; the last: %s", row, n, want, last)
		}
	}
}

func (b *pluginBench) note(e Event) {
	if _, ok := e.(ListEvent); ok {
		b.seen = true
	}
}

// listed waits for a ListEvent, unless one has come.
func (b *pluginBench) listed() {
	b.Helper()
	late := time.After(time.Minute)
	for !b.seen {
		select {
		case e := <-b.events:
			b.note(e)
		case <-late:
			b.Fatal("not listed")
		}
	}
}

func TestPlugins(t *testing.T) {
	t.Run("X2a one that hangs when its credentials expire", func(t *testing.T) {
		needs.Long(t, "they expire after two seconds")
		b := newPlugin(t, token("2 seconds")).watch("gce")
		b.until(1, "")
		b.set(hang)
		b.until(5, "no answer to a probe within 400ms")
		if took := b.stop(); took > 2*time.Second {
			t.Errorf("the end took %s", took)
		}
	})
	t.Run("X2a one that hangs from the start, until it is ended", func(t *testing.T) {
		needs.Long(t, "it hangs for five probes")
		b := newPlugin(t, hang).watch("gce")
		b.until(5, "an earlier request still hangs")
		if runs := len(b.lines("runs")); runs != 1 {
			t.Errorf("it was run %d times", runs)
		}
		b.set(token("1 hour"))
		b.kill()
		b.until(2, "")
	})
	t.Run("X2a one that is slow: its credentials count when they come", func(t *testing.T) {
		needs.Long(t, "it takes two seconds")
		b := newPlugin(t, "sleep 2\n"+token("1 hour")).watch("gce")
		b.until(2, "no answer to a probe within 400ms")
		b.until(3, "")
		b.listed()
	})
	t.Run("X2a one that fails, until it does not", func(t *testing.T) {
		b := newPlugin(t, "echo 'no network, sesame' >&2; exit 3\n").watch("gce")
		b.until(3, "failed with exit code 3")
		b.set(token("1 hour"))
		b.until(1, "")
		b.listed()
	})
	t.Run("X2a one that expires all the time is run again", func(t *testing.T) {
		needs.Long(t, "each of its credentials lasts a second")
		b := newPlugin(t, token("1 second")).watch("gce")
		b.until(10, "")
		if runs := len(b.lines("runs")); runs < 2 {
			t.Errorf("it was run %d times", runs)
		}
	})
	for name, script := range map[string]string{
		"words":                "echo sesame\n",
		"half an answer":       "printf '" + credential + `"status":{"token":"sesame'` + "\n",
		"nothing":              "true\n",
		"another kind":         `printf '{"apiVersion":"v1","kind":"Secret","data":{"a":"sesame"}}'` + "\n",
		"an answer without it": "printf '" + credential + `"status":{}}'` + "\n",
	} {
		t.Run("X2a X7 one that prints "+name, func(t *testing.T) {
			newPlugin(t, script).watch("gce").until(2, `member "gce": `)
		})
	}
	t.Run("X2a one that is not there, until it is", func(t *testing.T) {
		p := newPlugin(t, "")
		if err := os.Remove(filepath.Join(p.dir, "plugin")); err != nil {
			t.Fatal(err)
		}
		w := kubeconfig.PluginWarning(p.config("https://127.0.0.1:1"))
		if !strings.Contains(w, filepath.Join(p.dir, "plugin")) {
			t.Errorf("warning %q", w)
		}
		b := p.watch("gce")
		b.until(2, "no such file or directory")
		b.set(token("1 hour"))
		b.until(1, "")
		if w := kubeconfig.PluginWarning(p.config("https://127.0.0.1:1")); w != "" {
			t.Errorf("warning %q", w)
		}
	})
	t.Run("X2a one that hangs for one member does not stop another with the same", func(t *testing.T) {
		hangFirst := `case "$FEDERATION_SYNCER_MEMBER" in first/*) ` + strings.TrimSpace(hang) + ";; esac\n"
		p := newPlugin(t, hangFirst+token("1 hour"))
		first, second := p.watch("first"), p.watch("second")
		first.until(3, "no answer to a probe within 400ms")
		second.until(3, "")
		second.listed()
	})
	t.Run("X2a one that hangs is no standstill of the syncer", func(t *testing.T) {
		b := newPlugin(t, hang).watch("gce")
		b.until(3, "no answer to a probe")
		var idle []time.Duration
		for len(b.events) > 0 {
			if p, ok := (<-b.events).(ProbeEvent); ok && p.Idle > 0 {
				idle = append(idle, p.Idle)
			}
		}
		if slices.ContainsFunc(idle, func(d time.Duration) bool { return d > 10*time.Second }) {
			t.Errorf("idle: %v", idle)
		}
	})
}
