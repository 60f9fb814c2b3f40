package syncer

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/metrics"
)

// askTimeout bounds how long a request waits for a loop, and how long one turn of a loop may take before it counts as
// stuck.
const askTimeout = 5 * time.Second

// listener serves metrics and health over HTTP, and the status on a Unix socket that only its owner may open (C1).
type listener struct {
	version string
	loops   *loopSet
	metrics *metrics.Metrics
	leader  *atomic.Value // see syncer
	file    *atomic.Pointer[admin.ConfigStatus]
	// gathering is held while the gauges are set and read.
	gathering sync.Mutex
}

// otherLeader returns the replica that holds the Lease, if that is not this one.
func (s *listener) otherLeader() string {
	leader, _ := s.leader.Load().(string)
	return leader
}

// listen opens both listeners; the returned function closes them and waits.
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
	mux.Handle("GET /metrics", promhttp.HandlerFor(prometheus.GathererFunc(s.gather), promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		for _, l := range s.loops.list() {
			if l.Stuck(askTimeout) {
				http.Error(w, fmt.Sprintf("the loop of federation %s does not answer", l.key),
					http.StatusServiceUnavailable)
				return
			}
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if leader := s.otherLeader(); leader != "" {
			fmt.Fprintln(w, "ok: standing by for", leader)
			return
		}
		loops := s.loops.list()
		if len(loops) == 0 || slices.ContainsFunc(loops, func(l *runningLoop) bool { return !l.Snapshot().Ready() }) {
			http.Error(w, "members are still being listed, the provider has not answered yet, "+
				"or another syncer has taken over", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return mux
}

// gather sets the gauges and gathers the metrics. Scrapes take turns, as they share the gauges.
func (s *listener) gather() ([]*dto.MetricFamily, error) {
	s.gathering.Lock()
	defer s.gathering.Unlock()
	for _, l := range s.loops.list() {
		l.SetGauges()
	}
	return s.metrics.Gather()
}

// Status implements admin.Syncer.
func (s *listener) Status(_ context.Context, services bool) (admin.Status, error) {
	status := admin.Status{Version: s.version, Leader: s.otherLeader(), Config: s.file.Load()}
	for _, l := range s.loops.list() {
		v := l.Snapshot()
		st := v.Status()
		if services {
			st.Stream = v.Services()
		}
		status.Federations = append(status.Federations, st)
	}
	return status, nil
}

// Waiting implements admin.Syncer.
func (s *listener) Waiting(context.Context) (list []admin.Waiting, err error) {
	for _, l := range s.loops.list() {
		list = append(list, l.Snapshot().Waiting()...)
	}
	return list, nil
}

// Confirm implements admin.Syncer.
func (s *listener) Confirm(ctx context.Context, list []admin.Waiting) (n int, err error) {
	return s.loops.confirm(ctx, list)
}
