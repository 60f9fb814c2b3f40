package syncer

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
)

// askTimeout bounds how long a request waits for a loop, and statusPart how long a part of the status of all services may
// keep a loop from its work.
const askTimeout, statusPart = 5 * time.Second, 10 * time.Millisecond

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
	private, err := admin.Listen(socket)
	if err != nil {
		public.Close()
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	servers := []*http.Server{admin.NewServer(s.publicHandler()), admin.NewServer(admin.Handler(s))}
	done := make(chan struct{}, len(servers))
	for i, l := range []net.Listener{public, private} {
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

// Status implements admin.Syncer.
func (s *listener) Status(ctx context.Context, services bool) (admin.Status, error) {
	status := admin.Status{Leader: s.standsBehind()}
	for _, l := range s.loops.all() {
		one, ok := s.status(ctx, l, services)
		if !ok {
			return status, fmt.Errorf("the loop of federation %s does not answer", l.config.Key())
		}
		status.Federations = append(status.Federations, one)
	}
	return status, nil
}

// Waiting implements admin.Syncer.
func (s *listener) Waiting(ctx context.Context) (list []admin.Waiting, err error) {
	err = s.loops.each(ctx, func(l *loop) { list = append(list, l.waiting()...) })
	return list, err
}

// Confirm implements admin.Syncer.
func (s *listener) Confirm(ctx context.Context, list []admin.Waiting) (n int, err error) {
	err = s.loops.each(ctx, func(l *loop) { n += l.confirmAll(list) })
	return n, err
}

// status asks a loop for its status; false if it does not answer in time.
func (s *listener) status(ctx context.Context, l *loop, services bool) (status admin.FederationStatus, ok bool) {
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
func statusInParts(ask func(func()) bool, l *loop, part time.Duration) (status admin.FederationStatus, ok bool) {
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
