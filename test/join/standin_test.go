package join

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"

	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/test/kube"
)

// connectProxy starts an HTTP proxy for TLS.
func connectProxy(s *system) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer to.Close()
		w.WriteHeader(http.StatusOK)
		from, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer from.Close()
		go func() { _, _ = io.Copy(to, buffered) }() // it ends with one of both
		_, _ = io.Copy(from, to)
	}))
	s.Cleanup(server.Close)
	return server.URL
}

// withoutTokens starts a stand-in for the API server of a cluster whose token controller does not run: it passes on
// what the cluster answers, but for the data of Secrets.
func withoutTokens(s *system, c *kube.Cluster) string {
	to, err := url.Parse(c.Server())
	if err != nil {
		s.Fatal(err)
	}
	transport, err := rest.TransportFor(c.Config())
	if err != nil {
		s.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Header.Del("Accept-Encoding") // so that the answer can be read
		},
		Transport: transport,
		ModifyResponse: func(r *http.Response) error {
			if !strings.Contains(r.Request.URL.Path, "/secrets/") {
				return nil
			}
			var object map[string]any
			if err := json.NewDecoder(r.Body).Decode(&object); err != nil {
				return err
			}
			delete(object, "data")
			text, err := json.Marshal(object)
			if err != nil {
				return err
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
			r.Header.Set("Content-Length", strconv.Itoa(len(text)))
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	s.Cleanup(server.Close)
	return server.URL
}
