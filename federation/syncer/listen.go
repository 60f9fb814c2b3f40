package syncer

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// askTimeout bounds how long a request waits for a loop.
const askTimeout = 5 * time.Second

// listener serves metrics and health over HTTP, and the status on a Unix
// socket that only its owner may open (C1).
type listener struct {
	loops   *loopSet
	metrics *metrics
	leader  *atomic.Value // see syncer
}

// standsBehind returns who has the Lease, if that is another replica.
func (s *listener) standsBehind() string {
	leader, _ := s.leader.Load().(string)
	return leader
}

// listen opens both; the returned function closes them and waits.
func (s *listener) listen(address, socket string) (func(), error) {
	public, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	admin, err := listenUnix(socket)
	if err != nil {
		public.Close()
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	servers := []*http.Server{
		{Handler: s.publicHandler(), ReadHeaderTimeout: askTimeout},
		{Handler: s.adminHandler(), ReadHeaderTimeout: askTimeout},
	}
	done := make(chan struct{}, len(servers))
	for i, l := range []net.Listener{public, admin} {
		go func() {
			_ = servers[i].Serve(l) // ends with Close
			done <- struct{}{}
		}()
	}
	return func() {
		for _, srv := range servers {
			_ = srv.Close()
		}
		for range servers {
			<-done
		}
	}, nil
}

// listenUnix opens the socket with mode 0600. A socket that a dead process
// left behind is replaced; one that answers, or anything else, is not.
func listenUnix(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("%q exists and is not a socket", path)
		}
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
			return nil, fmt.Errorf("%q is in use: another syncer runs", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (s *listener) publicHandler() http.Handler {
	mux := http.NewServeMux()
	metricsHandler := promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		_ = s.loops.each(r.Context(), func(l *loop) { l.metrics.observe(l) }) // what was last seen is served then
		metricsHandler.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		if err := s.loops.each(r.Context(), func(*loop) {}); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if leader := s.standsBehind(); leader != "" {
			fmt.Fprintln(w, "ok: standing by for", leader)
			return
		}
		loops, ready := 0, true
		err := s.loops.each(r.Context(), func(l *loop) { loops++; ready = ready && l.ready() })
		if err != nil || loops == 0 || !ready {
			http.Error(w, "members are still being listed, the provider has not answered yet, or another syncer has taken over", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return mux
}

func (s *listener) adminHandler() http.Handler {
	mux := http.NewServeMux()
	s.handleConfirm(mux)
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		status := Status{Leader: s.standsBehind()}
		err := s.loops.each(r.Context(), func(l *loop) {
			status.Federations = append(status.Federations, l.status(r.FormValue("services") != ""))
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		_ = enc.Encode(status) // a client that went away
	})
	return mux
}

// FetchStatus asks a running syncer for its status over its admin socket;
// services asks for the services too.
func FetchStatus(ctx context.Context, socket string, services bool) (*Status, error) {
	path := "/status"
	if services {
		path += "?services=1"
	}
	var status Status
	if err := callAdmin(ctx, socket, http.MethodGet, path, nil, &status); err != nil {
		return nil, err
	}
	return &status, nil
}
