package writer

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"strconv"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/mirror"
)

// memberAPI is a stand-in for the API server of a member: the ConfigMaps of one namespace, with resource versions and
// watches, and faults.
type memberAPI struct {
	*httptest.Server
	mu      sync.Mutex
	objects map[string]*corev1.ConfigMap
	version int
	events  []metav1.WatchEvent
	more    chan struct{} // closed by the next event
	// fault, if it is not nil, may answer a request instead; it is called with the lock held.
	fault func(method, name string) *apierrors.StatusError
	// lost, if it is not nil, reports that the answer to a request is lost; it is called with the lock held.
	lost func(method, name string) bool
	// blind has watches deliver nothing.
	blind bool
	// hang, if it is not nil, is what writes wait for.
	hang chan struct{}
	// waiting is how many writes wait for it.
	waiting int
	writes  []string // "PUT name", and so on
}

var resource = schema.GroupResource{Resource: "configmaps"}

func newMemberAPI(t *testing.T) *memberAPI {
	m := &memberAPI{objects: map[string]*corev1.ConfigMap{}, more: make(chan struct{})}
	m.Server = httptest.NewServer(http.HandlerFunc(m.serve))
	t.Cleanup(func() {
		m.CloseClientConnections()
		m.Close()
	})
	return m
}

func (m *memberAPI) config() *rest.Config {
	return &rest.Config{Host: m.URL, ContentConfig: rest.ContentConfig{
		ContentType: runtime.ContentTypeJSON, AcceptContentTypes: runtime.ContentTypeJSON}}
}

func (m *memberAPI) serve(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	if name == "configmaps" {
		name = ""
	}
	m.mu.Lock()
	hang := m.hang
	if r.Method == http.MethodGet {
		hang = nil
	}
	if hang != nil {
		m.waiting++
	}
	m.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
		m.mu.Lock()
		m.waiting--
		m.mu.Unlock()
		if r.Context().Err() != nil {
			return
		}
	}
	if r.Method == http.MethodGet && r.FormValue("watch") != "" {
		m.watch(w, r)
		return
	}
	obj, err := m.do(r, name)
	m.mu.Lock()
	lost := m.lost != nil && m.lost(r.Method, name)
	m.mu.Unlock()
	if lost {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		err.ErrStatus.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
		w.WriteHeader(int(err.ErrStatus.Code))
		_ = json.NewEncoder(w).Encode(err.ErrStatus)
		return
	}
	_ = json.NewEncoder(w).Encode(obj)
}

func (m *memberAPI) do(r *http.Request, name string) (any, *apierrors.StatusError) {
	cm := &corev1.ConfigMap{}
	if r.Method == http.MethodPost || r.Method == http.MethodPut {
		if err := json.NewDecoder(r.Body).Decode(cm); err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		name = cm.Name
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fault != nil {
		if err := m.fault(r.Method, name); err != nil {
			return nil, err
		}
	}
	is := m.objects[name]
	if r.Method != http.MethodGet {
		m.writes = append(m.writes, r.Method+" "+name)
	}
	switch {
	case r.Method == http.MethodGet && name == "":
		list := corev1.ConfigMapList{TypeMeta: metav1.TypeMeta{Kind: "ConfigMapList", APIVersion: "v1"},
			ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(m.version)}}
		for _, one := range m.objects {
			if one.Labels[mirror.Label] != "" {
				list.Items = append(list.Items, *one)
			}
		}
		return list, nil
	case r.Method == http.MethodPost && is != nil:
		return nil, apierrors.NewAlreadyExists(resource, name)
	case r.Method == http.MethodPost:
		return m.set(cm, "ADDED"), nil
	case is == nil:
		return nil, apierrors.NewNotFound(resource, name)
	case r.Method == http.MethodGet:
		return is, nil
	case r.Method == http.MethodPut && cm.ResourceVersion != is.ResourceVersion:
		return nil, apierrors.NewConflict(resource, name, nil)
	case r.Method == http.MethodPut:
		return m.set(cm, "MODIFIED"), nil
	}
	m.remove(name)
	return metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess}, nil
}

// set stores an object; m.mu is held.
func (m *memberAPI) set(cm *corev1.ConfigMap, event string) *corev1.ConfigMap {
	m.version++
	cm.TypeMeta = metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"}
	cm.ResourceVersion = strconv.Itoa(m.version)
	m.objects[cm.Name] = cm
	m.emit(event, cm)
	return cm
}

// hold has writes wait until release is called.
func (m *memberAPI) hold() (release func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	hang := make(chan struct{})
	m.hang = hang
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.hang = nil
		close(hang)
	}
}

// stands puts an object with our label there, as another syncer does.
func (m *memberAPI) stands(name string, data map[string]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set(&corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{mirror.Label: string(fed.Name)}},
		Data:       data,
	}, "ADDED")
}

// remove deletes an object; m.mu is held.
func (m *memberAPI) remove(name string) {
	cm := m.objects[name].DeepCopy()
	m.version++
	cm.ResourceVersion = strconv.Itoa(m.version)
	delete(m.objects, name)
	m.emit("DELETED", cm)
}

func (m *memberAPI) emit(event string, cm *corev1.ConfigMap) {
	e := metav1.WatchEvent{Type: event}
	e.Object.Raw, _ = json.Marshal(cm)
	m.events = append(m.events, e)
	close(m.more)
	m.more = make(chan struct{})
}

func (m *memberAPI) watch(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	next, _ := strconv.Atoi(r.FormValue("resourceVersion")) // each event has raised it by one
	for {
		m.mu.Lock()
		events, more := m.events[next:], m.more
		if m.blind {
			events = nil
		}
		next = len(m.events)
		m.mu.Unlock()
		for _, e := range events {
			_ = json.NewEncoder(w).Encode(e)
		}
		w.(http.Flusher).Flush()
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
	}
}

// edit changes an object as somebody with kubectl does; nil deletes it.
func (m *memberAPI) edit(name string, f func(data map[string]string)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f == nil {
		m.remove(name)
		return
	}
	cm := m.objects[name].DeepCopy()
	f(cm.Data)
	m.set(cm, "MODIFIED")
}

// fail sets the fault; nil ends it.
func (m *memberAPI) fail(f func(method, name string) *apierrors.StatusError) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = f
}

// lose sets which answers are lost.
func (m *memberAPI) lose(f func(method, name string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lost = f
}

// data returns that of an object; nil if there is none.
func (m *memberAPI) data(name string) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.objects[name] == nil {
		return nil
	}
	return maps.Clone(m.objects[name].Data)
}

// names returns the names of all objects.
func (m *memberAPI) names() map[string]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := map[string]bool{}
	for name := range m.objects {
		names[name] = true
	}
	return names
}

// take returns the writes since the last call.
func (m *memberAPI) take() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	writes := m.writes
	m.writes = nil
	return writes
}
