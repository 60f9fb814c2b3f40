package records

import (
	"bytes"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider/hostrecords"
	"github.com/federation-dns/federation/test/kube"
)

// Mode is how the requests for the records of a federation fail.
type Mode struct {
	// Down ends them all.
	Down bool
	// Delay is how long each takes.
	Delay time.Duration
	// Fail answers changes as an API server does whose etcd does not answer it.
	Fail bool
	// Refuse refuses changes of names that begin so, as an admission webhook does.
	Refuse string
	// LoseReply and LoseRequest end the connection after, or before, the API server has a change.
	LoseReply, LoseRequest bool
}

// Link is the way from the syncers to the API server of the host, with an address for each syncer. What does not
// concern records always passes.
type Link struct {
	proxy   *httputil.ReverseProxy
	servers []*httptest.Server

	mu      sync.Mutex
	watched map[federation.Label]*watched
}

// watched is a federation whose records the link knows.
type watched struct {
	mode Mode
	seen *seen
}

// NewLink makes a link to the API server at a URL, as a client with that configuration reaches it, with addresses for
// so many syncers.
func NewLink(server string, config *rest.Config, syncers int) (*Link, error) {
	proxy, err := kube.Proxy(server, config)
	if err != nil {
		return nil, err
	}
	l := &Link{proxy: proxy, watched: map[federation.Label]*watched{}}
	for i := range syncers {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			l.serve(w, r, i)
		}))
		s.Config.ErrorLog = log.New(io.Discard, "", 0) // clients go away in the middle
		s.StartTLS()                                   // or no client sends a token
		l.servers = append(l.servers, s)
	}
	return l, nil
}

// Kubeconfig has the kubeconfig of a syncer for the API server go by the link.
func (l *Link) Kubeconfig(path string, syncer int) error {
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		return err
	}
	s := l.servers[syncer]
	cluster := config.Clusters[config.Contexts[config.CurrentContext].Cluster]
	cluster.Server = s.URL
	cluster.CertificateAuthorityData = kube.CertificateOf(s)
	return clientcmd.WriteToFile(*config, path)
}

// Close ends the link.
func (l *Link) Close() {
	for _, s := range l.servers {
		s.CloseClientConnections()
		s.Close()
	}
}

// Watch has see called for each change of the federation's records that the API server has answered, one after the
// other.
func (l *Link) Watch(r Records, see func(Change)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watched[r.Federation.Name] = &watched{seen: &seen{records: r, see: see, unsure: nobody}}
}

// Set changes how requests for the records of the federation fail.
func (l *Link) Set(f federation.Label, m Mode) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watched[f].mode = m
}

// of returns whose records a request is about; nil if it is about none.
func (l *Link) of(r *http.Request, body []byte) (mode Mode, s *seen) {
	if !strings.Contains(r.URL.Path, "/configmaps") {
		return Mode{}, nil
	}
	selector := r.URL.Query().Get("labelSelector")
	l.mu.Lock()
	defer l.mu.Unlock()
	for f, w := range l.watched {
		head := w.seen.records.head()
		if selector == hostrecords.Label+"="+string(f) || strings.Contains(r.URL.Path, "/"+head) ||
			r.Method == http.MethodPost && bytes.Contains(body, []byte(head)) {
			return w.mode, w.seen
		}
	}
	return Mode{}, nil
}

// serve passes a request on as the mode has it.
func (l *Link) serve(w http.ResponseWriter, r *http.Request, syncer int) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // it ends the connection
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	mode, s := l.of(r, body)
	if s == nil {
		l.proxy.ServeHTTP(w, r)
		return
	}
	if mode.Down {
		panic(http.ErrAbortHandler)
	}
	time.Sleep(mode.Delay) // what is slow is slow
	answer := httptest.NewRecorder()
	if r.Method == http.MethodPost || r.Method == http.MethodPut {
		r.Header.Del("Accept-Encoding") // it is read here
		if mode.LoseRequest {
			panic(http.ErrAbortHandler)
		}
		if mode.Fail {
			writeStatus(w, http.StatusInternalServerError, "InternalError", "etcdserver: request timed out")
			return
		}
		if name := s.refused(r.Context(), body, mode.Refuse); name != "" {
			writeStatus(w, http.StatusForbidden, "Forbidden", `admission webhook "names.example.com" denied the `+
				"request: "+name+" is not permitted here")
			return
		}
		s.change(r, body, syncer, func() *httptest.ResponseRecorder { l.proxy.ServeHTTP(answer, r); return answer })
		if mode.LoseReply {
			panic(http.ErrAbortHandler)
		}
	} else {
		l.proxy.ServeHTTP(answer, r)
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the client asks again
}
