// Package page tests the syncer's page in Debian's Chromium, and takes its pictures for the documentation.
package page

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/admin/web"
	"github.com/federation-dns/federation/federation/admin/web/webtest"
	"github.com/federation-dns/federation/test/browser"
	"github.com/federation-dns/federation/test/needs"
)

// The release of axe-core, from the npm registry.
const (
	axeVersion = "4.14.1"
	axeSHA256  = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"
)

var update = flag.Bool("update", false, "take the pictures in docs anew")

// envBrowser is set by make page, which runs what takes longer, or needs npm, too.
const envBrowser = "FEDERATION_DNS_BROWSER"

func TestMain(m *testing.M) {
	flag.Parse()
	needs.Main("Chromium")
	os.Exit(m.Run())
}

// axe returns the script of axe-core.
func axe(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	npm := exec.CommandContext(t.Context(), needs.Program(t, "npm", "npm"),
		"pack", "--silent", "--pack-destination", dir, "axe-core@"+axeVersion)
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm pack: %v\n%s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(dir, "axe-core-"+axeVersion+".tgz"))
	if err != nil {
		t.Fatal(err)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(data)); sum != axeSHA256 {
		t.Fatalf("axe-core has the checksum %s", sum)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for files := tar.NewReader(unzipped); ; {
		h, err := files.Next()
		if err != nil {
			t.Fatalf("axe.min.js: %v", err)
		}
		if h.Name == "package/axe.min.js" {
			text, err := io.ReadAll(files)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
	}
}

// server is the page of a world, at an address that stays when it is started again.
type server struct {
	t       *testing.T
	address string
	world   *webtest.World
	page    *web.Server
	http    *http.Server
	done    chan struct{}
}

func serve(t *testing.T, w *webtest.World) *server {
	t.Helper()
	s := &server{t: t, address: "127.0.0.1:0", world: w}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *server) start() {
	s.t.Helper()
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.address, s.done = l.Addr().String(), make(chan struct{})
	s.page = web.NewServer(s.world, "v0.1.0")
	s.http = admin.NewServer(s.page)
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l) // ends with Close
	}()
}

func (s *server) stop() {
	s.page.Close()
	s.http.Close()
	<-s.done
}

// picture takes a picture for docs/images if -update is set, and makes sure that there is one.
func picture(t *testing.T, b *browser.Tab, name string) {
	t.Helper()
	path := filepath.Join("..", "..", "docs", "images", name+".png")
	image := browser.Result(b, chromedp.CaptureScreenshot())
	if len(image) < 10_000 {
		t.Errorf("%s has %d octets: is it empty?", name, len(image))
	}
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, image, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("%v: run make page UPDATE=1", err)
	}
}
