package kubeconfig

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/cert"
)

// account writes the files of a pod's account into a folder, and returns it.
func account(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestInCluster(t *testing.T) {
	both := map[string]string{"token": "sesame", "ca.crt": "a certificate"}
	t.Run("I3 by address", func(t *testing.T) {
		for host, want := range map[string]string{
			"10.96.0.1": "https://10.96.0.1:443", "fd00::1": "https://[fd00::1]:443",
		} {
			t.Setenv(envHost, host)
			t.Setenv(envPort, "443")
			dir := account(t, both)
			c, err := inCluster(dir)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "server", c.Host, want)
			equal(t, "CA", string(c.CAData), "a certificate")
			equal(t, "CA file, which client-go would follow for ever", c.CAFile, "")
			equal(t, "token file", c.BearerTokenFile, filepath.Join(dir, "token"))
			equal(t, "token, which would not be renewed", c.BearerToken, "")
			equal(t, "user agent", c.UserAgent, "federation-syncer")
		}
	})
	for _, tt := range []struct {
		name, host, port string
		files            map[string]string
		want             string
	}{
		{"no host", "", "443", both, "this is none: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set; " +
			"outside a cluster, set host.kubeconfig instead"},
		{"no port", "10.96.0.1", "", both, "set host.kubeconfig instead"},
		{"no token", "10.96.0.1", "443", map[string]string{"ca.crt": "x"}, "set automountServiceAccountToken to true"},
		{"no CA", "10.96.0.1", "443", map[string]string{"token": "x"}, `ca.crt" does not exist`},
		{"an empty token", "10.96.0.1", "443", map[string]string{"token": "\n", "ca.crt": "x"}, `token" is empty`},
		{"an empty CA", "10.96.0.1", "443", map[string]string{"token": "x", "ca.crt": ""}, `ca.crt" is empty`},
	} {
		t.Run("I3 "+tt.name, func(t *testing.T) {
			t.Setenv(envHost, tt.host)
			t.Setenv(envPort, tt.port)
			_, err := inCluster(account(t, tt.files))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// TestInClusterRotation asks a server with a token that changes between two requests.
func TestInClusterRotation(t *testing.T) {
	var got string
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
	}))
	defer server.Close()
	ca, err := cert.EncodeCertificates(server.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(envHost, u.Hostname())
	t.Setenv(envPort, u.Port())
	dir := account(t, map[string]string{"token": "first", "ca.crt": string(ca)})
	c, err := inCluster(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("C1 I3 the CA is trusted, and the token sent", func(t *testing.T) {
		client, err := NewHTTPClient(c)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		equal(t, "token", got, "Bearer first")
	})
	t.Run("C1 I3 a token that the kubelet has renewed is used", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var sent string
			tc, err := rest.HTTPWrappersForConfig(c, roundTripper(func(r *http.Request) (*http.Response, error) {
				sent = r.Header.Get("Authorization")
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
			}))
			if err != nil {
				t.Fatal(err)
			}
			ask := func(want string) {
				t.Helper()
				req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.Host, nil)
				if _, err := tc.RoundTrip(req); err != nil {
					t.Fatal(err)
				}
				equal(t, "token", sent, want)
			}
			ask("Bearer first")
			if err := os.WriteFile(filepath.Join(dir, "token"), []byte("second"), 0o600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
			ask("Bearer second")
		})
	})
}
