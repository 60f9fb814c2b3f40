package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// kubeAPI is an API server whose objects change: LIST and WATCH of the kinds
// that the kubernetes plugin reads, and GET of a node. All of its Services
// are in namespace ns.
type kubeAPI struct {
	url string

	mu      sync.Mutex
	version int
	kinds   map[string]*kubeKind // by path
	changed chan struct{}        // closed and made anew with every change
	held    bool                 // no list is answered

	node      corev1.Node
	nodeDelay time.Duration

	asked   map[string]int // lists and watches, by path
	refused bool           // ConfigMaps may not be read
}

// kubeKind is the objects of one kind, and what happened to them.
type kubeKind struct {
	apiVersion, kind string
	objects          map[string]any
	events           []kubeEvent
}

type kubeEvent struct {
	version int
	Type    string `json:"type"`
	Object  any    `json:"object"`
}

const (
	pathNamespaces = "/api/v1/namespaces"
	pathServices   = "/api/v1/services"
	pathPods       = "/api/v1/pods"
	pathSlices     = "/apis/discovery.k8s.io/v1/endpointslices"
	pathNode       = "/api/v1/nodes/node1"
	pathMirrors    = "/api/v1/namespaces/federation-mirror/configmaps"
)

func newKubeAPI(t *testing.T) *kubeAPI {
	t.Helper()
	a := &kubeAPI{version: 1, changed: make(chan struct{}), asked: map[string]int{}, kinds: map[string]*kubeKind{
		pathNamespaces: {apiVersion: "v1", kind: "Namespace", objects: map[string]any{}},
		pathServices:   {apiVersion: "v1", kind: "Service", objects: map[string]any{}},
		pathPods:       {apiVersion: "v1", kind: "Pod", objects: map[string]any{}},
		pathSlices:     {apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", objects: map[string]any{}},
		pathMirrors:    {apiVersion: "v1", kind: "ConfigMap", objects: map[string]any{}},
	}}
	a.node = corev1.Node{TypeMeta: metav1.TypeMeta{Kind: "Node", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Name: "node1",
			Labels: map[string]string{corev1.LabelTopologyRegion: "region1", corev1.LabelTopologyZone: "zone1"}}}
	a.namespace("ns")
	srv := httptest.NewServer(a)
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	a.url = srv.URL
	return a
}

// ServeHTTP implements http.Handler.
func (a *kubeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == pathNode {
		a.mu.Lock()
		delay := a.nodeDelay
		a.mu.Unlock()
		time.Sleep(delay) // a busy server
		_ = json.NewEncoder(w).Encode(a.node)
		return
	}
	kind := a.kinds[r.URL.Path]
	a.mu.Lock()
	a.asked[r.URL.Path]++
	refused := a.refused && r.URL.Path == pathMirrors
	a.mu.Unlock()
	switch {
	case kind == nil:
		http.NotFound(w, r)
	case refused:
		status := apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "",
			errors.New("no right")).Status()
		w.WriteHeader(int(status.Code))
		_ = json.NewEncoder(w).Encode(status)
	case r.FormValue("sendInitialEvents") != "": // as servers that only know lists
		status := apierrors.NewInvalid(schema.GroupKind{}, "", nil).Status()
		w.WriteHeader(int(status.Code))
		_ = json.NewEncoder(w).Encode(status)
	case r.FormValue("watch") != "":
		a.watch(w, r, kind)
	default:
		a.list(w, r, kind)
	}
}

func (a *kubeAPI) list(w http.ResponseWriter, r *http.Request, kind *kubeKind) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.held {
		changed := a.changed
		a.mu.Unlock()
		select {
		case <-changed:
		case <-r.Context().Done():
		}
		a.mu.Lock()
		if r.Context().Err() != nil {
			return
		}
	}
	items := []any{}
	for _, o := range kind.objects {
		items = append(items, o)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": kind.apiVersion, "kind": kind.kind + "List",
		"metadata": metav1.ListMeta{ResourceVersion: strconv.Itoa(a.version)}, "items": items})
}

func (a *kubeAPI) watch(w http.ResponseWriter, r *http.Request, kind *kubeKind) {
	from, _ := strconv.Atoi(r.FormValue("resourceVersion"))
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	for {
		a.mu.Lock()
		var events []kubeEvent
		for _, e := range kind.events {
			if e.version > from {
				events, from = append(events, e), e.version
			}
		}
		changed := a.changed
		a.mu.Unlock()
		for _, e := range events {
			_ = json.NewEncoder(w).Encode(e)
		}
		w.(http.Flusher).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// put makes or changes an object; with a nil object it deletes it.
func (a *kubeAPI) put(path, name string, make func(metav1.ObjectMeta, metav1.TypeMeta) any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	kind := a.kinds[path]
	a.version++
	meta := metav1.ObjectMeta{Name: name, Namespace: "ns", UID: "1", ResourceVersion: strconv.Itoa(a.version)}
	what, old := "ADDED", kind.objects[name]
	if old != nil {
		what = "MODIFIED"
	}
	if make == nil {
		kind.events = append(kind.events, kubeEvent{a.version, "DELETED", old})
		delete(kind.objects, name)
	} else {
		o := make(meta, metav1.TypeMeta{Kind: kind.kind, APIVersion: kind.apiVersion})
		kind.objects[name] = o
		kind.events = append(kind.events, kubeEvent{a.version, what, o})
	}
	close(a.changed)
	a.changed = newChannel()
}

func newChannel() chan struct{} { return make(chan struct{}) }

// hold keeps lists from being answered, until they are let go.
func (a *kubeAPI) hold(held bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = held
	close(a.changed)
	a.changed = newChannel()
}

func (a *kubeAPI) setNodeDelay(delay time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.nodeDelay = delay
}

func (a *kubeAPI) namespace(name string) {
	a.put(pathNamespaces, name, func(m metav1.ObjectMeta, t metav1.TypeMeta) any {
		m.Namespace = ""
		return corev1.Namespace{TypeMeta: t, ObjectMeta: m}
	})
}

// service makes a Service with a port http, of these ClusterIPs ("None" for a
// headless one) or, if it is a host name, of type ExternalName.
func (a *kubeAPI) service(name string, ips ...string) {
	a.put(pathServices, name, func(m metav1.ObjectMeta, t metav1.TypeMeta) any {
		s := corev1.Service{TypeMeta: t, ObjectMeta: m,
			Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, ClusterIP: ips[0], ClusterIPs: ips,
				Ports: []corev1.ServicePort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}}}}
		if strings.HasSuffix(ips[0], ".com") {
			s.Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: ips[0]}
		}
		return s
	})
}

// ready makes these, "HOST=ADDRESS" or "ADDRESS", the ready endpoints of a Service.
func (a *kubeAPI) ready(name string, addrs ...string) {
	a.put(pathSlices, name+"-1", func(m metav1.ObjectMeta, t metav1.TypeMeta) any {
		m.Labels = map[string]string{discoveryv1.LabelServiceName: name}
		port, number, proto, ready := "http", int32(8080), corev1.ProtocolTCP, true
		s := discoveryv1.EndpointSlice{TypeMeta: t, ObjectMeta: m, AddressType: discoveryv1.AddressTypeIPv4,
			Ports:     []discoveryv1.EndpointPort{{Name: &port, Port: &number, Protocol: &proto}},
			Endpoints: []discoveryv1.Endpoint{}}
		for _, addr := range addrs {
			e := discoveryv1.Endpoint{Addresses: []string{addr},
				Conditions: discoveryv1.EndpointConditions{Ready: &ready}}
			if host, ip, ok := strings.Cut(addr, "="); ok {
				e.Hostname, e.Addresses = &host, []string{ip}
			}
			s.Endpoints = append(s.Endpoints, e)
		}
		return s
	})
}

// pod makes a running pod.
func (a *kubeAPI) pod(name, ip string) {
	a.put(pathPods, name, func(m metav1.ObjectMeta, t metav1.TypeMeta) any {
		return corev1.Pod{TypeMeta: t, ObjectMeta: m,
			Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}}}}
	})
}

// usual has a healthy Service, one that is dead, a headless one and one of
// type ExternalName.
func (a *kubeAPI) usual() *kubeAPI {
	a.service("healthy", "10.0.0.1")
	a.ready("healthy", "172.16.0.1")
	a.service("dead", "10.0.0.2")
	a.ready("dead")
	a.service("headless", "None")
	a.ready("headless", "one=172.16.0.3", "two=172.16.0.4")
	a.service("external", "www.example.com")
	return a
}
