package hostrecords

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/federation-dns/federation/federation/host"
	"github.com/federation-dns/federation/federation/kubeconfig/kubeconfigtest"
)

const namespace = "federation-system"

// fakeAPI is an API server with the ConfigMaps of one namespace. It compares resourceVersions as a real one does; the
// real one is in test/hostrecords.
type fakeAPI struct {
	URL string

	mu       sync.Mutex
	version  int
	objects  map[string]corev1.ConfigMap
	requests map[string]int // by verb
	bytes    int            // written
	// fault answers a request instead, if it returns true. It is called under the lock.
	fault func(w http.ResponseWriter, verb, name string) bool
	// before is called before a request is handled, without the lock.
	before func(verb, name string)
}

func startFake(t *testing.T) *fakeAPI {
	t.Helper()
	f := &fakeAPI{objects: map[string]corev1.ConfigMap{}, requests: map[string]int{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.URL = server.URL
	return f
}

// config returns the configuration of a provider that keeps its records here.
func (f *fakeAPI) config(t *testing.T) Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	kubeconfigtest.Write(t, path, f.URL, "{token: secret}")
	return Config{
		Host: host.Config{Kubeconfig: path, Namespace: namespace}, Federation: "fed", Domain: "example.com.",
	}
}

// set sets what goes wrong.
func (f *fakeAPI) set(fault func(w http.ResponseWriter, verb, name string) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// counts returns and resets the requests by verb, and the bytes written.
func (f *fakeAPI) counts() (map[string]int, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	requests, bytes := f.requests, f.bytes
	f.requests, f.bytes = map[string]int{}, 0
	return requests, bytes
}

// names returns the names of the ConfigMaps.
func (f *fakeAPI) names() (names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name := range f.objects {
		names = append(names, name)
	}
	return names
}

// edit changes a ConfigMap as somebody does by hand; nil data removes it.
func (f *fakeAPI) edit(name string, edit func(data map[string]string) map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.objects[name]
	if o.Data = edit(o.Data); o.Data == nil {
		delete(f.objects, name)
		return
	}
	f.store(name, o)
}

// store gives an object its next version. The lock is held.
func (f *fakeAPI) store(name string, o corev1.ConfigMap) corev1.ConfigMap {
	f.version++
	o.Name, o.Namespace, o.ResourceVersion = name, namespace, strconv.Itoa(f.version)
	o.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}
	f.objects[name] = o
	return o
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.Trim(strings.TrimPrefix(r.URL.Path, "/api/v1/namespaces/"+namespace+"/configmaps"), "/")
	verb := map[string]string{"GET": "get", "POST": "create", "PUT": "update", "DELETE": "delete"}[r.Method]
	var sent corev1.ConfigMap
	switch {
	case verb == "get" && name == "":
		verb = "list"
	case verb == "create" || verb == "update":
		body, err := io.ReadAll(r.Body)
		if err == nil {
			_, _, err = scheme.Codecs.UniversalDeserializer().Decode(body, nil, &sent)
		}
		if err != nil {
			answer(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
			return
		}
		name = sent.Name
	}
	if f.before != nil {
		f.before(verb, name)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests[verb]++
	if f.fault != nil && f.fault(w, verb, name) {
		return
	}
	is, there := f.objects[name]
	switch {
	case verb == "list":
		if !strings.Contains(r.Header.Get("Accept"), "PartialObjectMetadata") {
			all := corev1.ConfigMapList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMapList"}}
			for _, o := range f.objects {
				all.Items = append(all.Items, o)
			}
			reply(w, http.StatusOK, all)
			return
		}
		list := metav1.PartialObjectMetadataList{
			TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadataList"},
		}
		for _, o := range f.objects {
			list.Items = append(list.Items, metav1.PartialObjectMetadata{ObjectMeta: o.ObjectMeta})
		}
		reply(w, http.StatusOK, list)
	case verb == "create" && there:
		answer(w, http.StatusConflict, metav1.StatusReasonAlreadyExists, "it exists")
	case verb != "create" && !there:
		answer(w, http.StatusNotFound, metav1.StatusReasonNotFound, fmt.Sprintf("configmaps %q not found", name))
	case verb == "update" && sent.ResourceVersion != is.ResourceVersion:
		answer(w, http.StatusConflict, metav1.StatusReasonConflict, "it has changed")
	case verb == "create" || verb == "update":
		for _, v := range sent.Data {
			f.bytes += len(v)
		}
		reply(w, http.StatusOK, f.store(name, sent))
	case verb == "delete":
		delete(f.objects, name)
		answer(w, http.StatusOK, "", "deleted")
	default:
		reply(w, http.StatusOK, is)
	}
}

func answer(w http.ResponseWriter, code int, reason metav1.StatusReason, message string) {
	status := metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Code:     int32(code), Reason: reason, Message: message, Status: metav1.StatusFailure,
	}
	if code == http.StatusOK {
		status.Status = metav1.StatusSuccess
	}
	reply(w, code, status)
}

func reply(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}
