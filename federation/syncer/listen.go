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
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/federation-dns/federation/federation"
)

const (
	// askTimeout bounds how long a request waits for a loop.
	askTimeout = 5 * time.Second
	// statusTimeout bounds how long the status of all services may take, and statusPart how long a part of it may keep
	// a loop from its work.
	statusTimeout, statusPart = time.Minute, 10 * time.Millisecond
	// idleTimeout is how long a connection is kept without a request.
	idleTimeout = 30 * time.Second
)

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
	servers := []*http.Server{newServer(s.publicHandler()), newServer(s.adminHandler())}
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

// newServer gives up on clients that ask, read or say nothing, and bounds their number.
func newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: askTimeout, ReadTimeout: 2 * askTimeout, WriteTimeout: statusTimeout + 2*askTimeout,
		IdleTimeout: idleTimeout, ConnState: newConnections().changed,
	}
}

// listenUnix opens the socket with mode 0600, from its first moment on. A socket that a dead process
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
	before := syscall.Umask(0o177) // of the process: for this moment, what others create is closed too
	defer syscall.Umask(before)
	return net.Listen("unix", path)
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
		ctx, cancel := context.WithTimeout(r.Context(), statusTimeout)
		defer cancel()
		for _, l := range s.loops.all() {
			one, ok := s.status(ctx, l, r.FormValue("services") != "")
			if !ok {
				http.Error(w, fmt.Sprintf("the loop of federation %s does not answer", l.config.Key()), http.StatusServiceUnavailable)
				return
			}
			status.Federations = append(status.Federations, one)
		}
		w.Header().Set("Content-Type", "application/json")
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		_ = enc.Encode(status) // a client that went away
	})
	return mux
}

// status asks a loop for its status; false if it does not answer in time.
func (s *listener) status(ctx context.Context, l *loop, services bool) (status FederationStatus, ok bool) {
	if services {
		return statusInParts(func(f func()) bool { return l.ask(ctx, f) }, l, statusPart)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	ok = l.ask(ctx, func() { status = l.status(false) })
	return status, ok
}

// statusInParts asks a loop for its status with all services, a part at a time: what a loop has to do meanwhile, as a
// failover, waits for one part only. Services that go meanwhile are left out.
func statusInParts(ask func(func()) bool, l *loop, part time.Duration) (status FederationStatus, ok bool) {
	var names []federation.ServiceName
	ok = ask(func() { status, names = l.status(false), l.serviceNames() })
	for ok && len(names) > 0 {
		ok = ask(func() {
			for begin := time.Now(); len(names) > 0; names = names[1:] {
				if l.services[names[0]] != nil {
					status.Services = append(status.Services, l.serviceStatus(names[0]))
				}
				if time.Since(begin) >= part {
					names = names[1:]
					return
				}
			}
		})
	}
	return status, ok
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
