package host

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/test/kube"
)

// standIn is the host's API server as another cluster: an older one, whose clock is ten minutes behind. Below /ill it
// answers with an error.
type standIn struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string
}

func (w *world) standIn() *standIn {
	w.Helper()
	proxy, err := kube.Proxy(w.host.Server(), w.host.Config())
	if err != nil {
		w.Fatal(err)
	}
	uid := w.kubectl("", "get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")
	rewrite := proxy.Rewrite
	proxy.Rewrite = func(r *httputil.ProxyRequest) {
		rewrite(r)
		r.Out.Header.Set("Accept-Encoding", "identity")
	}
	proxy.ModifyResponse = func(r *http.Response) error {
		r.Header.Set("Date", time.Now().Add(-10*time.Minute).UTC().Format(http.TimeFormat))
		if path := r.Request.URL.Path; path != "/version" && path != "/api/v1/namespaces/kube-system" {
			return nil
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		body = bytes.ReplaceAll(body, []byte("v1.37."), []byte("v1.33."))
		body = bytes.ReplaceAll(body, []byte(uid), []byte(strings.Repeat("0", 8)+uid[8:])) // of the same length
		r.Body = io.NopCloser(bytes.NewReader(body))
		return err
	}
	s := &standIn{}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.Method+" "+r.URL.Path)
		s.mu.Unlock()
		if strings.HasPrefix(r.URL.Path, "/ill/") {
			http.Error(rw, "the database is on fire", http.StatusInternalServerError)
			return
		}
		proxy.ServeHTTP(rw, r)
	}))
	w.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// ca is the certificate of the stand-in.
func (s *standIn) ca() string {
	return string(kube.CertificateOf(s.Server))
}

// certificateKubeconfig returns a kubeconfig with the client certificate of c.
func (w *world) certificateKubeconfig(server, ca string, c *rest.Config) string {
	w.Helper()
	read := func(data []byte, file string) string {
		if len(data) == 0 {
			var err error
			if data, err = os.ReadFile(file); err != nil {
				w.Fatal(err)
			}
		}
		return base64.StdEncoding.EncodeToString(data)
	}
	return fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c,
contexts: [{name: c, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}],
users: [{name: u, user: {client-certificate-data: %s, client-key-data: %s}}]}`, server,
		base64.StdEncoding.EncodeToString([]byte(ca)), read(c.CertData, c.CertFile), read(c.KeyData, c.KeyFile))
}
