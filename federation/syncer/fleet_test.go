package syncer

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/kubeconfig/kubeconfigtest"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/test/needs"
)

// clusterFiles are a kubeconfig, and a credential plugin that hangs until the test ends.
type clusterFiles struct {
	*testing.T
	dir, server string
	asked       atomic.Int32 // requests that the server was sent
}

func newClusterFiles(t *testing.T) *clusterFiles {
	f := &clusterFiles{T: t, dir: t.TempDir()}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		f.asked.Add(1)
		rw.WriteHeader(http.StatusTooManyRequests) // shows that it lives
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS() // client-go gives no credentials to a server without TLS
	f.server = server.URL
	script := fmt.Sprintf("#!/bin/sh\necho $$ >>%q\nexec sleep 600\n", filepath.Join(f.dir, "hanging"))
	if err := os.WriteFile(filepath.Join(f.dir, "plugin"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Requests that wait for the plugin run it again when it is killed: then it must end by itself. One that had
		// just begun may tell its pid a moment later.
		next := filepath.Join(f.dir, "next")
		if err := os.WriteFile(next, []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
			t.Error(err)
		} else if err := os.Rename(next, filepath.Join(f.dir, "plugin")); err != nil {
			t.Error(err)
		}
		for range 20 {
			for _, line := range f.hanging() {
				if pid, err := strconv.Atoi(line); err == nil {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}
			time.Sleep(20 * time.Millisecond)
		}
		server.Close()
	})
	return f
}

func (f *clusterFiles) hanging() []string {
	data, _ := os.ReadFile(filepath.Join(f.dir, "hanging"))
	return strings.Fields(string(data))
}

// user writes the kubeconfig with that user.
func (f *clusterFiles) user(user string) {
	f.Helper()
	kubeconfigtest.Write(f, filepath.Join(f.dir, "kubeconfig"), f.server, user)
}

func (f *clusterFiles) cluster() config.Cluster {
	return config.Cluster{
		Member: member.Config{
			Name: "a", Federations: []federation.Label{"fed"}, UnreachableAfter: 2 * time.Second,
		},
		Kubeconfig: config.Kubeconfig{Path: filepath.Join(f.dir, "kubeconfig")},
	}
}

// probed waits for a probe that is answered, or not.
func (f *clusterFiles) probed(events <-chan member.Event, answered bool) {
	f.Helper()
	late := time.After(time.Minute)
	for {
		select {
		case e := <-events:
			if p, ok := e.(member.ProbeEvent); ok && (p.Err == nil) == answered {
				return
			}
		case <-late:
			f.Fatalf("no probe that is answered: %t", answered)
		}
	}
}

func TestMemberSet(t *testing.T) {
	begin := func(t *testing.T) (*clusterFiles, *fleet, chan member.Event) {
		f, events := newClusterFiles(t), make(chan member.Event, 1<<16)
		f.user(kubeconfigtest.PluginUser)
		s := newFleet(slog.New(slog.DiscardHandler), events, nil, noMirrors())
		s.start(t.Context(), []config.Cluster{f.cluster()}, false)
		f.probed(events, false)
		return f, s, events
	}
	t.Run("X2a a member whose plugin hangs is not waited for", func(t *testing.T) {
		f, s, _ := begin(t)
		began := time.Now()
		s.retain(nil)
		if took := time.Since(began); took > 2*stopWait {
			t.Errorf("it took %s", took)
		}
		if len(f.hanging()) == 0 {
			t.Error("nothing hangs")
		}
	})
	t.Run("X2a a member that does not end is left behind", func(t *testing.T) {
		s := newFleet(slog.New(slog.DiscardHandler), make(chan member.Event), nil, noMirrors())
		_, cancel := context.WithCancel(t.Context())
		s.running["a"] = &runningMember{cancel: func(error) { cancel() }, done: make(chan struct{})}
		began := time.Now()
		s.stop()
		if took := time.Since(began); took < stopWait || took > 5*stopWait {
			t.Errorf("it took %s", took)
		}
	})
	t.Run("X2a a new kubeconfig is used though the old plugin hangs", func(t *testing.T) {
		needs.Long(t, "the old one is given its time to end")
		f, s, events := begin(t)
		defer s.stop()
		if n := f.asked.Load(); n != 0 {
			t.Fatalf("%d requests without credentials", n)
		}
		f.user(`{token: sesame}`)
		f.probed(events, true)
	})
	t.Run("H6 what the Nodes had is known to the next watcher, and forgotten with the member", func(t *testing.T) {
		f, s, events := begin(t)
		defer s.stop()
		before := s.topologies["a"]
		changed := f.cluster()
		changed.Member.MaxServices = 5
		s.retain([]config.Cluster{changed})
		s.start(t.Context(), []config.Cluster{changed}, false)
		f.probed(events, false)
		if r := s.running["a"]; r == nil || r.topology != before {
			t.Error("the new watcher begins without them")
		}
		s.retain(nil)
		if len(s.topologies) != 0 {
			t.Errorf("places: %v", s.topologies)
		}
	})
}

func TestStarts(t *testing.T) {
	needs.Long(t, "members that do not answer are waited for")
	const members = 3 * startsAtOnce
	var mu sync.Mutex
	var seen []time.Time // the first request to each member
	known := map[string]bool{}
	silent := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		mu.Lock()
		if !known[name] {
			known[name] = true
			seen = append(seen, time.Now())
		}
		mu.Unlock()
		<-r.Context().Done()
	}))
	defer silent.Close()
	dir := t.TempDir()
	var clusters []config.Cluster
	for i := range members {
		name := fmt.Sprintf("m-%d", i)
		path := filepath.Join(dir, name)
		kubeconfigtest.Write(t, path, silent.URL+"/"+name, "{token: x}")
		clusters = append(clusters, config.Cluster{
			Member: member.Config{
				Name: name, Federations: []federation.Label{"fed"}, UnreachableAfter: time.Minute,
			},
			Kubeconfig: config.Kubeconfig{Path: path},
		})
	}
	set := newFleet(slog.New(slog.DiscardHandler), make(chan member.Event, 1<<16), nil, noMirrors())
	set.start(t.Context(), clusters, false)
	t.Run("X2a few members begin at once, and those that do not answer hold up no other for long", func(t *testing.T) {
		times := func() []time.Time {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(seen)
		}
		for deadline := time.Now().Add(time.Minute); len(times()) < members; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d of %d members have begun", len(times()), members)
			}
		}
		all := times()
		for n := startsAtOnce; n < members; n += startsAtOnce {
			// Those before had no answer, so that these had to wait.
			if after := all[n].Sub(all[n-startsAtOnce]); after < startWait/2 {
				t.Errorf("member %d has begun %s after %d others", n, after, startsAtOnce)
			}
		}
	})
	set.stop()
}
