package federatedservice

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/snapshot"
)

// statuses are a session whose host answers each write of a status with the object, and notes it.
type statuses struct {
	*session
	mu     sync.Mutex
	writes []time.Time
	last   v1alpha1.FederatedServiceStatus
}

// RoundTrip implements http.RoundTripper.
func (s *statuses) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var sent v1alpha1.FederatedService
	if err := json.Unmarshal(body, &sent); err != nil {
		return nil, err
	}
	o := object()
	o.Status = sent.Status
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes, s.last = append(s.writes, time.Now()), o.Status
	o.ResourceVersion = fmt.Sprintf("written-%d", len(s.writes))
	body, err = json.Marshal(o)
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(bytes.NewReader(body)),
	}, err
}

// newStatuses returns a session that leads, and that knows these members and nginx.
func newStatuses(t *testing.T, members ...*v1alpha1.MemberCluster) *statuses {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	s := &statuses{}
	objects, err := rest.RESTClientForConfigAndClient(&rest.Config{
		Host: "http://host.invalid", APIPath: "/apis", QPS: -1, ContentConfig: rest.ContentConfig{
			GroupVersion:         &v1alpha1.GroupVersion,
			NegotiatedSerializer: serializer.NewCodecFactory(scheme).WithoutConversion(),
		},
	}, &http.Client{Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	c := New(&config.Config{Owner: "us"}, Options{
		Holds: func() bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
	s.session = newSession(t.Context(), c, &hostClient{objects: objects, scheme: scheme})
	s.leading = true
	for _, m := range members {
		s.set(t, m)
	}
	if err := s.watch.services.GetStore().Add(object()); err != nil {
		t.Fatal(err)
	}
	s.report.current.Store(&[]*snapshot.Federation{newWorld(t, nil)})
	return s
}

// set has the watch show a MemberCluster.
func (s *statuses) set(t *testing.T, m *v1alpha1.MemberCluster) {
	t.Helper()
	if err := s.watch.members.GetStore().Add(m); err != nil {
		t.Fatal(err)
	}
}

// run writes statuses while f runs.
func (s *statuses) run(f func()) {
	var running sync.WaitGroup
	for range statusWorkers {
		running.Go(func() { work(s.report.queue, s.report.write) })
	}
	f()
	s.report.stop()
	s.queue.ShutDown()
	s.owed.stop()
	running.Wait()
}

// fenced is a member that may have nothing in the namespace of nginx, or in any but another one.
func fenced(name, namespace string) *v1alpha1.MemberCluster {
	return &v1alpha1.MemberCluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.MemberClusterSpec{
		Propagation:    v1alpha1.PropagationEnabled,
		MemberSettings: v1alpha1.MemberSettings{Namespaces: []string{namespace}},
	}}
}

func TestReport(t *testing.T) {
	k := key{Namespace: nginx.Namespace, Name: nginx.Name}
	t.Run("G11 one that changes all the time is written once a second, and at last as it is", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStatuses(t)
			const changes, every = 47, 100 * time.Millisecond
			s.run(func() {
				for i := range changes {
					s.set(t, fenced(fmt.Sprintf("m-%02d", i), "other"))
					s.report.add(k)
					time.Sleep(every) // the clock of the test
				}
				time.Sleep(2 * statusEvery)
			})
			for i, at := range s.writes[1:] {
				if gap := at.Sub(s.writes[i]); gap < statusEvery || gap > statusEvery+every {
					t.Errorf("a write %s after another one", gap)
				}
			}
			if n := len(s.writes); n < 5 || n > 6 {
				t.Errorf("%d writes", n)
			}
			if n := len(s.last.Clusters); n != changes {
				t.Errorf("the last one has %d members", n)
			}
		})
	})
	t.Run("G11 the first one waits until it says more than that something is about to come", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			open := fenced("m", nginx.Namespace) // the session has no such member yet
			s := newStatuses(t, open)
			began := time.Now()
			s.run(func() {
				s.report.add(k)
				time.Sleep(statusEvery / 2)
				s.set(t, fenced("m", "other"))
				s.report.add(k)
				time.Sleep(2 * statusEvery)
			})
			if len(s.writes) != 1 || s.writes[0].Sub(began) != statusEvery {
				t.Errorf("writes %v, after %v", s.writes, began)
			}
			if c := s.last.Clusters; len(c) != 1 || c[0].Reason != "NamespaceRefused" {
				t.Errorf("written is %+v", c)
			}
		})
	})
	t.Run("G11 what comes within a moment of a difference is written with it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStatuses(t, fenced("m", "other"))
			began := time.Now()
			s.run(func() {
				s.report.add(k)
				time.Sleep(gather / 2)
				s.set(t, fenced("n", "other"))
				s.report.add(k)
				time.Sleep(2 * statusEvery)
				s.set(t, fenced("o", "other"))
				s.report.add(k)
				time.Sleep(2 * statusEvery)
			})
			want := []time.Duration{gather, gather/2 + 2*statusEvery + gather}
			var have []time.Duration
			for _, at := range s.writes {
				have = append(have, at.Sub(began))
			}
			if !slices.Equal(have, want) || len(s.last.Clusters) != 3 {
				t.Errorf("written after %v, want %v; at last %d members", have, want, len(s.last.Clusters))
			}
		})
	})
	t.Run("G11 one that is as it should be is not written again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStatuses(t, fenced("m", "other"))
			began := time.Now()
			s.run(func() {
				for range 30 {
					s.report.add(k)
					time.Sleep(statusEvery / 3)
				}
			})
			if len(s.writes) != 1 || s.writes[0].Sub(began) != gather {
				t.Errorf("writes %v, after %v", s.writes, began)
			}
		})
	})
}
