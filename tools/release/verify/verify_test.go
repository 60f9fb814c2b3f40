// Package verify looks at a release as its users will: make test-release makes one and names its folder.
//
//	cd tools/release && go test ./verify -dist FOLDER -go go1.26.10
package verify

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	dist      = flag.String("dist", "", "`folder` of the release")
	goVersion = flag.String("go", "", "the Go that built it")
	helm      = flag.String("helm", "", "the `program` helm")
	again     = flag.Bool("again", false, "build it once more, with empty caches, and compare")
)

// needAll says that nothing may be skipped, as in every test that make runs (test/needs).
func needAll() bool { return os.Getenv("FEDERATION_DNS_TESTS") == "all" }

func TestMain(m *testing.M) {
	flag.Parse()
	if *dist == "" && os.Getenv(rootfsVariable) == "" {
		fmt.Println("verify: there is no release to look at; make test-release makes one")
		return
	}
	os.Exit(m.Run())
}

// programs of the release that have an image.
var programs = []string{"coredns", "federation-syncer"}

var architectures = []string{"amd64", "arm64"}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(*dist, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// version is that of the release, as the names of its files have it.
func version(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)  coredns_(.*)_image\.tar$`).FindSubmatch(read(t, "SHA256SUMS"))
	if m == nil {
		t.Fatal("SHA256SUMS names no image of coredns")
	}
	return string(m[1])
}

// file is one of a tar file.
type file struct {
	header *tar.Header
	data   []byte
}

func untar(t *testing.T, r io.Reader) (names []string, files map[string]file) {
	t.Helper()
	files = map[string]file{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return names, files
		} else if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		files[h.Name] = file{h, data}
	}
}

func unpack(t *testing.T, name string) (names []string, files map[string]file) {
	t.Helper()
	return unpackFrom(t, filepath.Join(*dist, name))
}

func unpackFrom(t *testing.T, path string) (names []string, files map[string]file) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return untar(t, z)
}

func TestFiles(t *testing.T) {
	v := version(t)
	sums := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(read(t, "SHA256SUMS"))); lines.Scan(); {
		sum, name, ok := strings.Cut(lines.Text(), "  ")
		if !ok {
			t.Fatalf("SHA256SUMS: %q", lines.Text())
		}
		sums[name] = sum
	}
	t.Run("I2 the checksums are those of the files, and of all", func(t *testing.T) {
		entries, err := os.ReadDir(*dist)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() == "SHA256SUMS" {
				continue
			}
			if got := fmt.Sprintf("%x", sha256.Sum256(read(t, e.Name()))); got != sums[e.Name()] {
				t.Errorf("%s: %s, in SHA256SUMS %q", e.Name(), got, sums[e.Name()])
			}
			delete(sums, e.Name())
		}
		for name := range sums {
			t.Errorf("%s is in SHA256SUMS alone", name)
		}
	})
	t.Run("I2 archives have program and licences", func(t *testing.T) {
		for _, p := range append(slices.Clone(programs), "kubectl-federation") {
			for _, arch := range architectures {
				names, files := unpack(t, fmt.Sprintf("%s_%s_linux_%s.tar.gz", p, v, arch))
				if !slices.Equal(names, []string{p, "LICENSE", "LICENSES.txt"}) || files[p].header.Mode != 0o755 {
					t.Errorf("%s for %s: %q", p, arch, names)
				}
			}
		}
	})
	t.Run("V1 krew's manifest names the plugin's archives", func(t *testing.T) {
		manifest := string(read(t, "federation.yaml"))
		for _, at := range []string{"linux", "darwin", "windows"} {
			for _, arch := range architectures {
				name := fmt.Sprintf("kubectl-federation_%s_%s_%s.tar.gz", v, at, arch)
				if at == "windows" {
					name = strings.TrimSuffix(name, ".tar.gz") + ".zip"
				}
				want := fmt.Sprintf("/releases/download/%s/%s\n    sha256: %x\n", v, name, sha256.Sum256(read(t, name)))
				if !strings.Contains(manifest, want) {
					t.Errorf("federation.yaml has no %q", want)
				}
				read(t, fmt.Sprintf("kubectl-federation_%s_%s_%s.cdx.json", v, at, arch))
			}
		}
	})
	t.Run("B1 the manifests are those of the checkout", func(t *testing.T) {
		_, files := unpack(t, fmt.Sprintf("manifests_%s.tar.gz", v))
		for name, f := range files {
			want, err := os.ReadFile(filepath.Join(checkout, name))
			if err != nil {
				t.Error(err)
			} else if !bytes.Equal(want, f.data) {
				t.Errorf("%s differs", name)
			}
		}
		for _, name := range []string{"deploy/coredns-rbac.yaml", "deploy/monitoring/rules.yaml"} {
			if files[name].header == nil {
				t.Errorf("%s is missing", name)
			}
		}
	})
}
