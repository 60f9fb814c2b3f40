package main

import (
	"archive/tar"
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// archive writes an image of two platforms, as make release does.
func archive(t *testing.T, path, image string) v1.Hash {
	t.Helper()
	index, err := random.Index(100, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	at, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	err = at.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": image}))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func TestPush(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir()) // nobody's credentials
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	dist := t.TempDir()
	digest := archive(t, filepath.Join(dist, "hello_v1.2.3_image.tar"), host+"/federation/hello:v1.2.3")
	tests := []struct{ name, registry, want string }{
		{"the name of the release", "", host + "/federation/hello:v1.2.3"},
		{"another registry", host + "/mirror/", host + "/mirror/hello:v1.2.3"},
	}
	for _, tt := range tests {
		t.Run("I1 "+tt.name, func(t *testing.T) {
			var out strings.Builder
			if err := run(t.Context(), []string{"-dist", dist, "-registry", tt.registry}, &out); err != nil {
				t.Fatal(err)
			}
			if want := "pushing " + tt.want + "@" + digest.String() + "\n"; out.String() != want {
				t.Errorf("printed %q, want %q", out.String(), want)
			}
			ref, err := name.ParseReference(tt.want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := remote.Index(ref)
			if err != nil {
				t.Fatal(err)
			}
			if d, err := got.Digest(); err != nil || d != digest {
				t.Errorf("the registry has %v, want %v (%v)", d, digest, err)
			}
		})
	}
	t.Run("I1 a folder without images", func(t *testing.T) {
		err := run(t.Context(), []string{"-dist", t.TempDir()}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "make release makes them") {
			t.Errorf("error %v", err)
		}
	})
}
