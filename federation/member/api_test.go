package member

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// api is a small API server: it lists and watches the kinds that a Watcher asks for, with label selectors of the form
// "exists", bookmarks and watch time-outs. Its faults can be set while it runs.
type api struct {
	mu      sync.Mutex
	version int
	objects map[string]map[types.NamespacedName]metav1.Object // by resource
	log     map[string][]change
	wake    chan struct{} // closed and renewed by each change
	lists   map[string]int
	asked   map[string]bool // the resource versions of lists

	mute        bool           // watches say nothing, not even bookmarks
	hang        bool           // no request is answered
	spareProbes bool           // but those of the probes
	uniform     string         // the message of each refusal
	down        bool           // no request arrives, and watches have ended
	refuse      map[string]int // resource (or "probe", "watch") -> status of every request
	uid         types.UID
}

type change struct {
	version     int
	before, now metav1.Object // nil: not there
}

func newAPI() *api {
	return &api{
		objects: map[string]map[types.NamespacedName]metav1.Object{"services": {}, "endpointslices": {}, "nodes": {}},
		log:     map[string][]change{}, wake: make(chan struct{}), lists: map[string]int{}, asked: map[string]bool{},
		refuse: map[string]int{},
		uid:    "3f0a7d0e-0000-4000-8000-000000000001", version: 100,
	}
}

func resourceOf(obj metav1.Object) string {
	switch obj.(type) {
	case *corev1.Service:
		return "services"
	case *discoveryv1.EndpointSlice:
		return "endpointslices"
	case *corev1.Node:
		return "nodes"
	}
	panic(fmt.Sprintf("no such resource: %T", obj))
}

func (a *api) set(objs ...metav1.Object) {
	for _, o := range objs {
		a.change(resourceOf(o), types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}, o)
	}
}

func (a *api) remove(objs ...metav1.Object) {
	for _, o := range objs {
		a.change(resourceOf(o), types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}, nil)
	}
}

func (a *api) change(resource string, key types.NamespacedName, now metav1.Object) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.version++
	c := change{version: a.version, before: a.objects[resource][key]}
	if now != nil {
		now.SetResourceVersion(strconv.Itoa(a.version))
		c.now = now
		a.objects[resource][key] = now
	} else {
		delete(a.objects[resource], key)
	}
	a.log[resource] = append(a.log[resource], c)
	close(a.wake)
	a.wake = make(chan struct{})
}

// fault changes the faults.
func (a *api) fault(f func(*api)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(a)
	close(a.wake)
	a.wake = make(chan struct{})
}

func (a *api) listsOf(resource string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lists[resource]
}

func (a *api) isDown() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.down
}

// backup returns the database as it is now; restore puts it back, with its resource versions.
func (a *api) backup() (restore func(*api)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	version, objects := a.version, map[string]map[types.NamespacedName]metav1.Object{}
	for resource := range a.objects {
		objects[resource] = maps.Clone(a.objects[resource])
	}
	return func(a *api) { a.version, a.objects, a.log = version, objects, map[string][]change{} }
}

func (a *api) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	parts := strings.Split(req.URL.Path, "/")
	resource := parts[len(parts)-1]
	q := req.URL.Query()
	a.mu.Lock()
	probe := q.Get("limit") == "1"
	hang, status := a.hang && (!probe || !a.spareProbes), a.refuse[resource]
	if s := a.refuse["probe"]; s != 0 && probe {
		if status = s; s == http.StatusOK {
			status = 0
		}
	}
	message := cmp.Or(a.uniform, fmt.Sprintf("%s: %s", resource, http.StatusText(status)))
	if s := a.refuse["watch"]; s != 0 && q.Get("watch") != "" {
		status = s
	}
	a.mu.Unlock()
	switch {
	case hang:
		<-req.Context().Done()
	case status != 0:
		refuse(rw, status, message)
	case req.URL.Path == "/version":
		reply(rw, map[string]string{"major": "1", "minor": "37", "gitVersion": "v1.37.2"})
	case resource == "kube-system":
		reply(rw, &corev1.Namespace{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
			ObjectMeta: metav1.ObjectMeta{Name: resource, UID: a.uid},
		})
	case a.objects[resource] == nil:
		refuse(rw, http.StatusNotFound, message)
	case q.Get("watch") != "":
		a.watch(rw, req, resource)
	default:
		a.list(rw, req, resource)
	}
}

func reply(rw http.ResponseWriter, v any) {
	rw.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(rw).Encode(v); err != nil {
		panic(err)
	}
}

func refuse(rw http.ResponseWriter, status int, message string) {
	reason := map[int]metav1.StatusReason{
		http.StatusForbidden: metav1.StatusReasonForbidden, http.StatusNotFound: metav1.StatusReasonNotFound,
		http.StatusGone: metav1.StatusReasonExpired,
	}[status]
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure,
		Code: int32(status), Reason: reason, Message: message,
	})
}

// shown returns the object as the request wants it; nil if it does not match.
func shown(req *http.Request, obj metav1.Object) any {
	if label := req.URL.Query().Get("labelSelector"); obj == nil || label != "" && !has(obj.GetLabels(), label) {
		return nil
	}
	if strings.Contains(req.Header.Get("Accept"), "as=PartialObjectMetadata") {
		return &metav1.PartialObjectMetadata{
			TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadata"},
			ObjectMeta: metav1.ObjectMeta{Name: obj.GetName(), Labels: obj.GetLabels(),
				ResourceVersion: obj.GetResourceVersion()},
		}
	}
	out := obj.(runtime.Object).DeepCopyObject()
	switch o := out.(type) {
	case *corev1.Service:
		o.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}
	case *discoveryv1.EndpointSlice:
		o.TypeMeta = metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"}
	case *corev1.Node:
		o.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}
	}
	return out
}

func has(labels map[string]string, label string) bool {
	_, ok := labels[label]
	return ok
}

func (a *api) list(rw http.ResponseWriter, req *http.Request, resource string) {
	a.mu.Lock()
	a.asked[req.URL.Query().Get("resourceVersion")] = true
	if req.URL.Query().Get("limit") != "1" {
		a.lists[resource]++
	}
	items := []any{}
	for _, o := range a.objects[resource] {
		if s := shown(req, o); s != nil {
			items = append(items, s)
		}
	}
	version := a.version
	a.mu.Unlock()
	kind := map[string]string{"services": "ServiceList", "endpointslices": "EndpointSliceList",
		"nodes": "NodeList"}[resource]
	group := "v1"
	switch {
	case strings.Contains(req.Header.Get("Accept"), "as=PartialObjectMetadataList"):
		kind, group = "PartialObjectMetadataList", "meta.k8s.io/v1"
	case resource == "endpointslices":
		group = "discovery.k8s.io/v1"
	}
	reply(rw, map[string]any{
		"kind": kind, "apiVersion": group, "items": items,
		"metadata": map[string]string{"resourceVersion": strconv.Itoa(version)},
	})
}

func (a *api) watch(rw http.ResponseWriter, req *http.Request, resource string) {
	q := req.URL.Query()
	from, _ := strconv.Atoi(q.Get("resourceVersion"))
	timeout, _ := strconv.Atoi(q.Get("timeoutSeconds"))
	ctx, cancel := context.WithTimeout(req.Context(), time.Duration(timeout)*time.Second)
	defer cancel()
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(http.StatusOK)
	send := func(typ string, obj any) {
		_ = json.NewEncoder(rw).Encode(map[string]any{"type": typ, "object": obj})
		rw.(http.Flusher).Flush()
	}
	rw.(http.Flusher).Flush()
	bookmarks := time.NewTicker(time.Minute)
	defer bookmarks.Stop()
	for {
		a.mu.Lock()
		wake, mute, down := a.wake, a.mute || a.hang, a.down
		var changes []change
		for _, c := range a.log[resource] {
			if !mute && c.version > from {
				changes = append(changes, c)
				from = c.version
			}
		}
		a.mu.Unlock()
		if down {
			return
		}
		for _, c := range changes {
			before, now := shown(req, c.before), shown(req, c.now)
			switch {
			case before == nil && now != nil:
				send("ADDED", now)
			case before != nil && now != nil:
				send("MODIFIED", now)
			case before != nil:
				send("DELETED", before)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-bookmarks.C:
			if !mute {
				send("BOOKMARK", bookmark(req, resource, from))
			}
		}
	}
}

func bookmark(req *http.Request, resource string, version int) any {
	kind := map[string]string{"services": "Service", "endpointslices": "EndpointSlice", "nodes": "Node"}[resource]
	group := "v1"
	switch {
	case strings.Contains(req.Header.Get("Accept"), "as=PartialObjectMetadata"):
		kind, group = "PartialObjectMetadata", "meta.k8s.io/v1"
	case resource == "endpointslices":
		group = "discovery.k8s.io/v1"
	}
	return map[string]any{
		"kind": kind, "apiVersion": group,
		"metadata": map[string]any{"resourceVersion": strconv.Itoa(version)},
	}
}

// transport is the way to a handler without a network, so that a test may run in the time of a synctest bubble.
type transport struct{ http.Handler }

func (tr transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if a, ok := tr.Handler.(*api); ok && a.isDown() {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	ctx, cancel := context.WithCancel(req.Context())
	r, w := io.Pipe()
	rw := &pipeResponse{header: http.Header{}, body: w, ready: make(chan struct{})}
	context.AfterFunc(ctx, func() { w.CloseWithError(context.Canceled) })
	go func() {
		defer cancel()
		tr.ServeHTTP(rw, req.WithContext(ctx))
		rw.WriteHeader(http.StatusOK)
		_ = w.Close()
	}()
	select {
	case <-rw.ready:
		return &http.Response{
			StatusCode: rw.status, Header: rw.header, Body: body{r, cancel}, Request: req,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1,
		}, nil
	case <-req.Context().Done():
		cancel()
		return nil, req.Context().Err()
	}
}

type body struct {
	io.Reader
	cancel context.CancelFunc
}

func (b body) Close() error { b.cancel(); return nil }

type pipeResponse struct {
	header http.Header
	body   *io.PipeWriter
	ready  chan struct{}
	status int
}

func (p *pipeResponse) Header() http.Header { return p.header }
func (p *pipeResponse) Flush()              {}
func (p *pipeResponse) WriteHeader(status int) {
	if p.status == 0 {
		p.status = status
		close(p.ready)
	}
}

func (p *pipeResponse) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	return p.body.Write(b)
}
