package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/streaming"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/mirror"
)

// standIn is an API server that has the ConfigMaps of one namespace alone: it compares resource versions, and sends
// changes to those who watch.
type standIn struct {
	*httptest.Server
	facts *facts

	mu       sync.Mutex
	version  int
	objects  map[string]*corev1.ConfigMap
	watchers map[chan metav1.WatchEvent]bool
}

func startStandIn(f *facts) *standIn {
	s := &standIn{facts: f, objects: map[string]*corev1.ConfigMap{}, watchers: map[chan metav1.WatchEvent]bool{}}
	mux := http.NewServeMux()
	const maps = "/api/v1/namespaces/" + mirror.Namespace + "/configmaps"
	mux.HandleFunc("GET "+maps, s.list)
	mux.HandleFunc("GET "+maps+"/{name}", s.get)
	mux.HandleFunc("POST "+maps, s.write)
	mux.HandleFunc("PUT "+maps+"/{name}", s.write)
	mux.HandleFunc("DELETE "+maps+"/{name}", s.remove)
	s.Server = httptest.NewServer(mux)
	return s
}

func (s *standIn) config() *rest.Config {
	return &rest.Config{Host: s.URL, ContentConfig: asTheSyncer}
}

// asTheSyncer is how the syncer and CoreDNS talk to API servers.
var asTheSyncer = rest.ContentConfig{ContentType: runtime.ContentTypeProtobuf,
	AcceptContentTypes: runtime.ContentTypeProtobuf}

// wire has the same on the side of the server.
var (
	wire, _ = runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), runtime.ContentTypeProtobuf)
	encoder = scheme.Codecs.EncoderForVersion(wire.Serializer, corev1.SchemeGroupVersion)
)

// cut ends all connections, and lets none begin.
func (s *standIn) cut() {
	s.CloseClientConnections()
	s.Listener.Close()
}

func (s *standIn) list(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("watch") != "" {
		s.watch(w, r)
		return
	}
	s.mu.Lock()
	list := &corev1.ConfigMapList{ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(s.version)}}
	for _, cm := range s.objects {
		list.Items = append(list.Items, *cm)
	}
	s.mu.Unlock()
	answer(w, http.StatusOK, list)
}

// watch sends what changes from now on: whoever watches has listed just before, and begins anew if that was too long
// ago.
func (s *standIn) watch(w http.ResponseWriter, r *http.Request) {
	events := make(chan metav1.WatchEvent, 4096)
	s.mu.Lock()
	if r.FormValue("resourceVersion") != strconv.Itoa(s.version) {
		s.mu.Unlock()
		refuse(w, apierrors.NewResourceExpired("list again"))
		return
	}
	s.watchers[events] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, events)
	}()
	w.Header().Set("Content-Type", runtime.ContentTypeProtobuf+";stream=watch")
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	frames := wire.StreamSerializer.NewFrameWriter(w)
	to := streaming.NewEncoder(frames, scheme.Codecs.EncoderForVersion(wire.StreamSerializer.Serializer,
		corev1.SchemeGroupVersion))
	for {
		select {
		case <-r.Context().Done():
			return
		case e := <-events:
			if to.Encode(&e) != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
	}
}

func (s *standIn) get(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	cm := s.objects[r.PathValue("name")]
	s.mu.Unlock()
	if cm == nil {
		refuse(w, apierrors.NewNotFound(resource, r.PathValue("name")))
		return
	}
	answer(w, http.StatusOK, cm)
}

var resource = schema.GroupResource{Resource: "configmaps"}

// write creates or replaces an object, if that is of the version that the client knows.
func (s *standIn) write(w http.ResponseWriter, r *http.Request) {
	cm := &corev1.ConfigMap{}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		_, _, err = wire.Serializer.Decode(body, nil, cm)
	}
	if err != nil {
		refuse(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	s.mu.Lock()
	before := s.objects[cm.Name]
	switch {
	case r.Method == http.MethodPost && before != nil:
		s.mu.Unlock()
		refuse(w, apierrors.NewAlreadyExists(resource, cm.Name))
		return
	case r.Method == http.MethodPut && (before == nil || before.ResourceVersion != cm.ResourceVersion):
		s.mu.Unlock()
		refuse(w, apierrors.NewConflict(resource, cm.Name, nil))
		return
	}
	kind := "ADDED"
	if before != nil {
		kind = "MODIFIED"
	}
	s.set(kind, cm)
	s.mu.Unlock()
	s.facts.wrote(cm)
	answer(w, http.StatusOK, cm)
}

// set takes the object over, and tells those who watch; s is locked.
func (s *standIn) set(kind string, cm *corev1.ConfigMap) {
	s.version++
	cm.ResourceVersion = strconv.Itoa(s.version)
	s.objects[cm.Name] = cm
	e := metav1.WatchEvent{Type: kind, Object: runtime.RawExtension{Raw: encode(cm)}}
	for events := range s.watchers {
		events <- e
	}
}

func (s *standIn) remove(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	s.mu.Lock()
	cm := s.objects[name]
	if cm != nil {
		gone := *cm
		s.set("DELETED", &gone)
		delete(s.objects, name)
	}
	s.mu.Unlock()
	if cm == nil {
		refuse(w, apierrors.NewNotFound(resource, name))
		return
	}
	s.facts.removed(name)
	answer(w, http.StatusOK, &metav1.Status{Status: metav1.StatusSuccess})
}

func answer(w http.ResponseWriter, status int, body runtime.Object) {
	w.Header().Set("Content-Type", runtime.ContentTypeProtobuf)
	w.WriteHeader(status)
	_, _ = w.Write(encode(body)) // a client that is gone does not want it
}

// encode encodes what is of a type that the API has.
func encode(o runtime.Object) []byte {
	b, err := runtime.Encode(encoder, o)
	if err != nil {
		panic(err)
	}
	return b
}

func refuse(w http.ResponseWriter, err *apierrors.StatusError) {
	status := err.Status()
	answer(w, int(status.Code), &status)
}
