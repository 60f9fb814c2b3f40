package host

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation/kubeconfig/kubeconfigtest"
)

// hanging returns the configuration of a host whose credential plugin hangs until the test ends.
func hanging(t *testing.T) Config {
	t.Helper()
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nwhile [ -e %q ]; do sleep 0.1; done\nexit 1\n", filepath.Join(dir, "plugin"))
	if err := os.WriteFile(filepath.Join(dir, "plugin"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(nil)
	t.Cleanup(server.Close)
	path := filepath.Join(dir, "kubeconfig")
	kubeconfigtest.Write(t, path, server.URL, kubeconfigtest.PluginUser)
	return Config{Kubeconfig: path, Namespace: "default", Lease: "federation-syncer"}
}

func TestHangingPlugin(t *testing.T) {
	t.Run("O1d the question for the UID ends with its context", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		begin := time.Now()
		if uid, err := UID(ctx, hanging(t)); err == nil {
			t.Errorf("the UID is %q", uid)
		}
		if took := time.Since(begin); took > uidTimeout {
			t.Errorf("it took %s", took)
		}
	})
	t.Run("O4 the election ends with its context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		e := NewElection(hanging(t), slog.New(slog.DiscardHandler))
		done := make(chan struct{})
		go func() { defer close(done); e.Run(ctx) }()
		time.AfterFunc(100*time.Millisecond, cancel)
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Error("it does not end")
		}
	})
}

func TestErrors(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no file":    {"", "does not exist"},
		"no context": {"{apiVersion: v1, kind: Config}", "has no current-context"},
		"no cluster": {
			"{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: d}}]}",
			"is not usable"},
		"not a file": {"][", "kubeconfig"},
		"bad address": {
			"{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c}}], " +
				"clusters: [{name: c, cluster: {server: 'x y'}}]}", "host"},
	} {
		t.Run("O1d "+name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kubeconfig")
			if c.text != "" {
				if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := UID(t.Context(), Config{Kubeconfig: path})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "host: ") {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestInClusterOutside(t *testing.T) {
	t.Run("I3 outside a pod the error says what to do", func(t *testing.T) {
		t.Setenv("KUBERNETES_SERVICE_HOST", "")
		_, err := UID(t.Context(), Config{InCluster: true})
		if err == nil || !strings.HasPrefix(err.Error(), "host: inCluster is for a pod, and this is none") {
			t.Errorf("error %v", err)
		}
	})
}
