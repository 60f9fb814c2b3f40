package member

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation/kubeconfig"
)

// certificateFiles writes a certificate and its key to a folder.
func certificateFiles(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "syncer"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"crt": {Type: "CERTIFICATE", Bytes: cert}, "key": {Type: "EC PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoLeak(t *testing.T) {
	t.Run("X2a a Watcher with files of certificates leaves nothing behind", func(t *testing.T) {
		dir := t.TempDir()
		certificateFiles(t, dir)
		path := filepath.Join(dir, "kubeconfig")
		text := `{apiVersion: v1, kind: Config, current-context: c,
contexts: [{name: c, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1", certificate-authority: crt}}],
users: [{name: u, user: {client-certificate: crt, client-key: key}}]}`
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		run := func() {
			c, err := kubeconfig.Load(path, "")
			if err != nil {
				t.Fatal(err)
			}
			events := make(chan Event, 1<<10)
			w, err := New(testConfig(), c, fixed{}, NewTopologyHistory("gce"), slog.New(slog.DiscardHandler), events)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); _ = w.Run(ctx) }()
			<-events // it is at work
			cancel()
			<-done
		}
		run()
		before := runtime.NumGoroutine()
		for range 20 {
			run()
		}
		deadline := time.Now().Add(10 * time.Second)
		for ; runtime.NumGoroutine() > before+5; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d goroutines before, %d after 20 Watchers", before, runtime.NumGoroutine())
			}
		}
	})
}
