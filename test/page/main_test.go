// Package page tests the syncer's page in Debian's Chromium, and takes its pictures for the documentation.
package page

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
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
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/admin/web"
	"github.com/federation-dns/federation/federation/admin/web/webtest"
	"github.com/federation-dns/federation/test/needs"
)

// The release of axe-core, from the npm registry.
const (
	axeVersion = "4.14.1"
	axeSHA256  = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"
)

var update = flag.Bool("update", false, "take the pictures in docs anew")

// envBrowser is set by make page: Chromium and npm are a large download for make test.
const envBrowser = "FEDERATION_DNS_BROWSER"

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(envBrowser) == "" {
		fmt.Println("skipped: these tests need Chromium and npm; make page runs them")
		os.Exit(0)
	}
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

// browser is a tab of a Chromium of its own.
type browser struct {
	t   *testing.T
	ctx context.Context
	mu  sync.Mutex
	// said is what the console, the log and dialogs have, asked where requests went.
	said  []string
	asked map[string]bool
}

func open(t *testing.T) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(needs.Program(t, "chromium", "chromium")), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.WindowSize(1280, 900))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx, asked: map[string]bool{}}
	b.run(chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, log.Enable, cdp.Empty{})
		_, networkErr := cdp.Call(ctx, tab, network.Enable, network.EnableParams{})
		return errors.Join(err, networkErr, chromedp.Listen(b.ctx, b.listen))
	}))
	return b
}

// listen notes what should not be, and what is asked for.
func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		for _, arg := range e.Args {
			b.said = append(b.said, fmt.Sprintf("console: %s %s", arg.Description, arg.Value))
		}
	case *runtime.EventExceptionThrown:
		b.said = append(b.said, "exception: "+e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		text := e.Entry.Text
		if !strings.Contains(text, "ERR_CONNECTION_REFUSED") && !strings.Contains(text, "ERR_INCOMPLETE") {
			b.said = append(b.said, "log: "+text)
		}
	case *page.EventJavascriptDialogOpening:
		b.said = append(b.said, "dialog: "+e.Message)
	case *network.EventRequestWillBeSent:
		b.asked[e.Request.URL[:min(len(e.Request.URL), 24)]] = true
	}
}

// test runs a subtest with the tab.
func (b *browser) test(name string, f func(t *testing.T)) {
	whole := b.t
	defer func() { b.t = whole }()
	whole.Run(name, func(t *testing.T) {
		b.t = t
		f(t)
	})
}

// run runs the actions.
func (b *browser) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// result returns the value of an action.
func result[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return value
}

// eval returns the value of a JavaScript expression, or that of the promise that it is.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	return result(b, chromedp.Evaluate[T](expression, awaited))
}

// becomes waits until the expression is true, and returns how long that took.
func (b *browser) becomes(expression string) time.Duration {
	b.t.Helper()
	began := time.Now()
	poll := chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(20*time.Second))
	_, err := chromedp.Run(b.ctx, poll)
	for err != nil && strings.Contains(err.Error(), "Cannot find context") && time.Since(began) < 20*time.Second {
		_, err = chromedp.Run(b.ctx, poll) // the page was left meanwhile
	}
	if err != nil {
		b.t.Fatalf("%s: %v; the page says:\n%s", expression, err, eval[string](b, "document.body.innerText"))
	}
	return time.Since(began)
}

// quiet fails the test if there was a message, or a request to another host.
func (b *browser) quiet(s *server) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.said) > 0 {
		b.t.Errorf("said: %q", b.said)
	}
	for url := range b.asked {
		if !strings.HasPrefix(url, "http://"+s.address) && !strings.HasPrefix("http://"+s.address, url) {
			b.t.Errorf("asked for %s", url)
		}
	}
}

// picture takes a picture for docs/images if -update is set, and makes sure that there is one.
func (b *browser) picture(name string) {
	b.t.Helper()
	path := filepath.Join("..", "..", "docs", "images", name+".png")
	image := result(b, chromedp.CaptureScreenshot())
	if len(image) < 10_000 {
		b.t.Errorf("%s has %d octets: is it empty?", name, len(image))
	}
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, image, 0o644)); err != nil {
			b.t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); err != nil {
		b.t.Errorf("%v: run make page UPDATE=1", err)
	}
}
