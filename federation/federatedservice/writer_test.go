package federatedservice

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/propagate"
)

// api is the API server of a member, as far as a writer needs it: it creates and gets Services.
type api struct {
	homeless bool // the namespace is missing
	services map[string]*corev1.Service
	revision int
	requests []string
	// answering is called before a Service that was created is answered.
	answering func(*corev1.Service)
}

// RoundTrip implements http.RoundTripper.
func (a *api) RoundTrip(r *http.Request) (*http.Response, error) {
	name := path.Base(r.URL.Path)
	a.requests = append(a.requests, r.Method+" "+r.URL.Path)
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body) // it is in memory
	}
	code, answer := http.StatusOK, any(a.services[name])
	resource := corev1.Resource("services")
	refuse := func(err *apierrors.StatusError) {
		status := err.ErrStatus
		status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
		code, answer = int(status.Code), status
	}
	switch {
	case a.homeless && r.Method != http.MethodGet:
		refuse(apierrors.NewNotFound(corev1.Resource("namespaces"), "shop"))
	case r.Method == http.MethodGet && a.services[name] == nil:
		refuse(apierrors.NewNotFound(resource, name))
	case r.Method == http.MethodPatch && a.services[name] == nil:
		code, answer = http.StatusCreated, a.create(body)
	case r.Method == http.MethodPatch && bytes.Contains(body, []byte(`"resourceVersion":"1"`)):
		refuse(apierrors.NewApplyConflict([]metav1.StatusCause{{
			Type: metav1.CauseTypeFieldManagerConflict, Message: `conflict with "them"`, Field: ".spec.selector",
		}}, "Apply failed with 1 conflict")) // where values are equal, it is one of the version
	case r.Method != http.MethodGet && r.Method != http.MethodPatch:
		refuse(apierrors.NewMethodNotSupported(resource, r.Method))
	}
	text, err := json.Marshal(answer)
	return &http.Response{
		StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(bytes.NewReader(text)),
	}, err
}

func (a *api) create(body []byte) *corev1.Service {
	have := &corev1.Service{}
	_ = json.Unmarshal(body, have) // it is ours
	a.revision++
	have.UID, have.ResourceVersion = types.UID(fmt.Sprintf("uid-%d", a.revision)), fmt.Sprintf("%d", 100+a.revision)
	have.ManagedFields = []metav1.ManagedFieldsEntry{{
		Manager: propagate.Manager, Operation: metav1.ManagedFieldsOperationApply, APIVersion: "v1",
		FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:selector":{}}}`),
	}}
	a.services[have.Name] = have
	if a.answering != nil {
		a.answering(have)
	}
	return have
}

// newMember returns a writer that may write into a member, which shows no Services, and knows the FederatedServices of
// these names in the namespace shop. Nothing runs.
func newMember(t *testing.T, names ...string) (*writer, *api) {
	t.Helper()
	a := &api{services: map[string]*corev1.Service{}}
	core, err := rest.RESTClientForConfigAndClient(&rest.Config{
		Host: "http://member.invalid", APIPath: "/api", QPS: -1, ContentConfig: rest.ContentConfig{
			GroupVersion: &corev1.SchemeGroupVersion, NegotiatedSerializer: scheme.Codecs.WithoutConversion(),
		},
	}, &http.Client{Transport: a})
	if err != nil {
		t.Fatal(err)
	}
	o := fenced("m", "shop")
	s := newStatuses(t, o).session
	for _, name := range names {
		f := object()
		f.Namespace, f.Name, f.Finalizers = "shop", name, []string{finalizer}
		if err := s.watch.services.GetStore().Add(f); err != nil {
			t.Fatal(err)
		}
	}
	m := newWriter(s, o)
	m.gate, m.client = gate{open: true}, &memberClient{core: core}
	m.services = &memberServices{cache.NewStore(cache.MetaNamespaceKeyFunc), func() bool { return true }}
	return m, a
}

// show has the watch show a Service of the member as it is now.
func show(t *testing.T, m *writer, have *corev1.Service) {
	t.Helper()
	o := &metav1.PartialObjectMetadata{ObjectMeta: have.ObjectMeta}
	if err := m.services.store.Add(o); err != nil {
		t.Fatal(err)
	}
	m.seen(key{Namespace: have.Namespace, Name: have.Name}, o)
}

// drain works on all that is in the queue, and returns the requests.
func (a *api) drain(t *testing.T, m *writer) (requests []string) {
	t.Helper()
	for n := 0; m.queue.Len() > 0; n++ {
		if n == 200 {
			t.Fatalf("there is no end of requests: %q", a.requests)
		}
		k, _ := m.queue.Get()
		m.work(t.Context(), k)
		m.queue.Done(k)
	}
	requests, a.requests = a.requests, nil
	return requests
}

func TestWriter(t *testing.T) {
	const path, strangers = "/api/v1/namespaces/shop/services/", 20
	k := key{Namespace: "shop", Name: "web"}
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, m *writer, a *api)
	}{
		{"G11 a Service is created by one request, and its status is no news", func(t *testing.T, m *writer, a *api) {
			m.queue.Add(k)
			if have := a.drain(t, m); !slices.Equal(have, []string{"PATCH " + path + "web"}) {
				t.Errorf("requests %q", have)
			}
			have := a.services["web"]
			show(t, m, have)
			have = have.DeepCopy()
			have.ResourceVersion = "200"
			have.ManagedFields = append(have.ManagedFields, metav1.ManagedFieldsEntry{
				Manager: "cloud", Operation: metav1.ManagedFieldsOperationUpdate, Subresource: "status",
			})
			show(t, m, have)
			if m.queue.Len() > 0 {
				t.Error("a status is news")
			}
			have = have.DeepCopy()
			have.ResourceVersion = "201"
			have.ManagedFields = have.ManagedFields[1:]
			show(t, m, have)
			if m.queue.Len() == 0 {
				t.Error("that somebody has taken a field is no news")
			}
		}},
		{"G11 our own work that is shown before it is answered is no news", func(t *testing.T, m *writer, a *api) {
			a.answering = func(have *corev1.Service) { show(t, m, have) }
			m.queue.Add(k)
			if have := a.drain(t, m); len(have) != 1 {
				t.Errorf("requests %q", have)
			}
		}},
		{"G2 what somebody else has made is looked at, and stays", func(t *testing.T, m *writer, a *api) {
			a.services["web"] = &corev1.Service{ObjectMeta: metav1.ObjectMeta{
				Namespace: "shop", Name: "web", UID: "theirs", ResourceVersion: "50",
			}}
			m.queue.Add(k)
			if have := a.drain(t, m); !slices.Equal(have, []string{"PATCH " + path + "web", "GET " + path + "web"}) {
				t.Errorf("requests %q", have)
			}
			if _, failure := m.propagated(k); failure.Reason != v1alpha1.ReasonNotOurs {
				t.Errorf("%+v", failure)
			}
			if len(a.services["web"].ManagedFields) > 0 {
				t.Error("it was applied to")
			}
		}},
		{"G10 for a namespace that is missing nothing is sent but that a Service be there",
			func(t *testing.T, m *writer, a *api) {
				a.homeless = true
				m.queue.Add(k)
				if have := a.drain(t, m); !slices.Equal(have, []string{"PATCH " + path + "web"}) {
					t.Errorf("requests %q", have)
				}
				if _, failure := m.propagated(k); failure.Reason != v1alpha1.ReasonNamespaceMissing {
					t.Errorf("%+v", failure)
				}
			}},
		{"G9 one Service is tried for a missing namespace, and all once it is there",
			func(t *testing.T, m *writer, a *api) {
				a.homeless = true
				for _, name := range []string{"a", "b", "c"} {
					m.queue.Add(key{Namespace: "shop", Name: name})
				}
				a.drain(t, m)
				time.Sleep(pollEvery + time.Second) // the clock of the test
				synctest.Wait()
				if have := a.drain(t, m); len(have) != 1 {
					t.Errorf("requests %q", have)
				}
				a.homeless = false
				time.Sleep(pollEvery + time.Second)
				synctest.Wait()
				if have := a.drain(t, m); len(have) != 3 || len(a.services) != 3 {
					t.Errorf("requests %q", have)
				}
			}},
		{"G9 of many Services that are not ours a few are looked at often", func(t *testing.T, m *writer, a *api) {
			for i := range strangers {
				name := fmt.Sprintf("n%d", i)
				a.services[name] = &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
				m.queue.Add(key{Namespace: "shop", Name: name})
			}
			a.drain(t, m)
			time.Sleep(pollEvery + time.Second)
			synctest.Wait()
			have := a.drain(t, m)
			if len(have) != strangers/2 || strings.Contains(strings.Join(have, " "), "PATCH") {
				t.Errorf("requests %q", have)
			}
			time.Sleep(onEvent)
			synctest.Wait()
			if have := a.drain(t, m); len(have) != strangers {
				t.Errorf("requests %q", have)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				names := []string{"web", "a", "b", "c"}
				for i := range strangers {
					names = append(names, fmt.Sprintf("n%d", i))
				}
				m, a := newMember(t, names...)
				defer func() {
					m.queue.ShutDown()
					m.session.queue.ShutDown()
					m.session.report.stop()
					m.session.owed.stop()
				}()
				tt.do(t, m, a)
			})
		})
	}
}
