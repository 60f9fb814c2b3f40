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
	"github.com/federation-dns/federation/federation/admin/web"
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
	leader  func() string // the replica that holds the Lease, if that is another one
	file    *atomic.Pointer[admin.ConfigStatus]
	page    *web.Server
	// pageAddress is where the page is served; "" if it is not.
	pageAddress string
	// gathering is held while the gauges are set and read.
	gathering sync.Mutex
}

// Addresses are where a syncer listens.
type Addresses struct {
	// Metrics is the TCP address of metrics and health.
	Metrics string
	// Page is the loopback address of the page; "" if it is not served.
	Page string
	// Socket is the path of the admin socket.
	Socket string
}

// listen opens all listeners; the returned function closes them and waits.
func (s *listener) listen(a Addresses) (closed func(), err error) {
	var servers []*http.Server
	var serving sync.WaitGroup
	closed = func() {
		s.page.Close()
		for _, server := range servers {
			_ = server.Close()
		}
		serving.Wait()
	}
	for _, at := range []struct {
		what, address string
		listen        func(address string) (net.Listener, error)
		handler       http.Handler
	}{
		{"metrics", a.Metrics, listenTCP, s.publicHandler()},
		{"page", a.Page, listenTCP, s.page},
		{"admin socket", a.Socket, admin.Listen, admin.Handler(s)},
	} {
		if at.address == "" {
			continue
		}
		l, err := at.listen(at.address)
		if err != nil {
			closed()
			return nil, fmt.Errorf("%s: %w", at.what, err)
		}
		if at.what == "page" {
			s.pageAddress = l.Addr().String()
		}
		server := admin.NewServer(at.handler)
		servers = append(servers, server)
		serving.Go(func() { _ = server.Serve(l) }) // ends with Close
	}
	return closed, nil
}

func listenTCP(address string) (net.Listener, error) { return net.Listen("tcp", address) }

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
		if leader := s.leader(); leader != "" {
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
	status := admin.Status{
		Version: s.version, Leader: s.leader(), Config: s.file.Load(), Page: s.pageAddress,
	}
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

// StatusIf implements admin.Syncer.
func (s *listener) StatusIf(_ context.Context, a admin.Assumption) (admin.Status, error) {
	status := admin.Status{Version: s.version, Leader: s.leader(), Config: s.file.Load(), If: &a}
	for _, l := range s.loops.list() {
		v := l.Snapshot().Assume(time.Now(), a)
		status.If.Braked = append(status.If.Braked, v.CountBraked(time.Now()))
		st := v.Status()
		st.Stream = v.Services()
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
