package stage

import (
	"bytes"
	"context"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/federation-dns/federation/test/kube"
)

// Wire is a proxy in front of an API server that understands what passes through it: it counts the requests, and lets a
// test stand in the way of one.
type Wire struct {
	server *httptest.Server
	t      testing.TB

	mu       sync.Mutex
	counts   map[string]int
	callback Callback
}

// Request is a request that passes through a Wire.
type Request struct {
	*http.Request
	// Verb is the method, but LIST, WATCH and APPLY where it is that.
	Verb string
	// Resource has no version, and the subresource after a slash, such as services or memberclusters/status; for what
	// is no resource it is the path.
	Resource string
	// Name is that of the object; "" for none.
	Name string
	// Probe is whether it only asks whether requests are answered.
	Probe bool
}

// Callback is called for each request but watches, before it is answered. The answer is that of the last call of
// forward, which sends the request on with a body; without a call, or with one of Lose, the connection ends instead.
type Callback func(r Request, body []byte, forward func(body []byte) *httptest.ResponseRecorder)

// Lose ends a callback, and the connection: whatever was answered, the client does not learn it.
func Lose() { panic(http.ErrAbortHandler) }

func newWire(t testing.TB, c *kube.Cluster) *Wire {
	t.Helper()
	proxy, err := kube.Proxy(c.Server(), c.Config())
	if err != nil {
		t.Fatal(err)
	}
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	w := &Wire{t: t, counts: map[string]int{}}
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(func(to http.ResponseWriter, from *http.Request) {
		w.pass(to, from, proxy)
	}))
	w.server.EnableHTTP2 = true
	w.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	w.server.StartTLS()
	t.Cleanup(func() {
		w.server.CloseClientConnections()
		w.server.Close()
	})
	return w
}

func (w *Wire) pass(to http.ResponseWriter, from *http.Request, proxy http.Handler) {
	r := parse(from)
	w.mu.Lock()
	w.counts[r.String()]++
	callback := w.callback
	w.mu.Unlock()
	if callback == nil || r.Verb == "WATCH" {
		proxy.ServeHTTP(to, from)
		return
	}
	body, err := io.ReadAll(from.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	var answer *httptest.ResponseRecorder
	callback(r, body, func(body []byte) *httptest.ResponseRecorder {
		from.Body, from.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		answer = httptest.NewRecorder()
		proxy.ServeHTTP(answer, from.WithContext(context.WithoutCancel(from.Context()))) // the client may not wait
		return answer
	})
	if answer == nil {
		Lose()
	}
	maps.Copy(to.Header(), answer.Header())
	to.WriteHeader(answer.Code)
	_, _ = to.Write(answer.Body.Bytes()) // the client may be gone
}

// parse reads the parts of a request from its path, as Kubernetes forms them.
func parse(from *http.Request) Request {
	r := Request{Request: from, Verb: from.Method, Resource: from.URL.Path}
	parts := strings.Split(strings.Trim(from.URL.Path, "/"), "/")
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		parts = parts[3:]
	default:
		return r
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		parts = parts[2:]
	}
	r.Resource = parts[0]
	if len(parts) > 1 {
		r.Name = parts[1]
	}
	if len(parts) > 2 {
		r.Resource += "/" + parts[2]
	}
	switch query := from.URL.Query(); {
	case from.Method == http.MethodGet && query.Has("watch"):
		r.Verb = "WATCH"
	case from.Method == http.MethodGet && r.Name == "":
		r.Verb, r.Probe = "LIST", query.Get("limit") == "1"
	case strings.HasPrefix(from.Header.Get("Content-Type"), "application/apply-patch"):
		r.Verb = "APPLY"
	}
	return r
}

// String returns what Take counts a request as.
func (r Request) String() string {
	if r.Probe {
		return "probe " + r.Resource
	}
	return r.Verb + " " + r.Resource
}

// Writes reports whether the request changes an object.
func (r Request) Writes() bool {
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return true
	}
	return false
}

// Call has the callback called from now on; nil ends that.
func (w *Wire) Call(c Callback) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.callback = c
}

// Take returns how many requests there were of each kind, such as "APPLY services", and begins anew.
func (w *Wire) Take() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts := maps.Clone(w.counts)
	clear(w.counts)
	return counts
}

// addr is where the proxy listens.
func (w *Wire) addr() string { return w.server.Listener.Addr().String() }

// trusted has a kubeconfig trust the proxy.
func (w *Wire) trusted(path string) {
	w.t.Helper()
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, cluster := range config.Clusters {
		cluster.CertificateAuthorityData = append(cluster.CertificateAuthorityData, kube.CertificateOf(w.server)...)
	}
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		w.t.Fatal(err)
	}
}
