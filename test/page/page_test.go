package page

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/federation-dns/federation/federation/admin/web/webtest"
	"github.com/federation-dns/federation/test/browser"
)

// text is the expression for the text of a cell.
func text(key string) string {
	return fmt.Sprintf("(document.querySelector('[data-key=%q]') || {}).textContent", key)
}

func TestLive(t *testing.T) {
	w := webtest.New()
	w.Serve("shop", "web", "abc", "")
	s := serve(t, w)
	b := browser.Open(t, 5*time.Minute)
	b.Run(chromedp.Navigate("http://" + s.address + "/service/fed/example.com/shop/web"))
	b.Becomes("document.getElementById('live').textContent == 'live'")

	b.Test("W3 a change is seen within a second, and marked", func(t *testing.T) {
		b.Becomes(text("gets a eu-1") + ".includes('own address')")
		w.Serve("shop", "web", "abc", "a")
		took := b.Becomes(text("gets a eu-1") + ".includes('203.0.113.2')")
		t.Logf("seen after %s", took.Round(time.Millisecond))
		if marked := browser.Eval[int](b, "document.querySelectorAll('.changed').length"); marked == 0 {
			t.Error("no cell is marked")
		}
	})
	b.Test("W2 after a restart of the syncer it is live again", func(t *testing.T) {
		s.stop()
		b.Becomes("document.getElementById('live').textContent.includes('no connection')")
		w.Serve("shop", "web", "abc", "")
		s.start()
		b.Becomes("document.getElementById('live').textContent == 'live' && " + text("gets a eu-1") +
			".includes('own address')")
	})
	b.Test("W2 the focus stays where it was", func(t *testing.T) {
		b.Run(chromedp.Evaluate[chromedp.Void]("document.querySelector('#view [tabindex]').focus()"))
		w.Serve("shop", "web", "abc", "b")
		b.Becomes(text("shard b") + ".includes('not healthy')")
		if got := browser.Eval[string](b, "document.activeElement.getAttribute('aria-label')"); got != "Who gets what" {
			t.Errorf("the focus is on %q", got)
		}
	})
	b.Quiet(s.address)
}

func TestHostile(t *testing.T) {
	t.Run("W3 markup in what members say is text, and no script of it runs", func(t *testing.T) {
		w := webtest.New()
		w.Hostile(`</td></main><script>alert(1)</script><img src="http://192.0.2.1/x" onerror="alert(2)">` +
			`<svg onload=alert(3)>`)
		s := serve(t, w)
		b := browser.Open(t, 5*time.Minute)
		b.Run(chromedp.Navigate("http://" + s.address))
		b.Becomes("document.getElementById('live').textContent == 'live'")
		if n := browser.Eval[int](b, "document.querySelectorAll('img, svg, main script').length"); n > 0 {
			t.Errorf("%d elements of theirs", n)
		}
		if !strings.Contains(browser.Eval[string](b, "document.body.innerText"), "<script>alert(1)</script>") {
			t.Error("the text is not shown")
		}
		b.Quiet(s.address)
	})
}

func TestUse(t *testing.T) {
	w := webtest.New()
	w.Many(10000)
	w.Serve("shop", "web", "abc", "a")
	s := serve(t, w)
	b := browser.Open(t, 5*time.Minute)

	b.Test("W2 with the keyboard alone from the overview to a service", func(t *testing.T) {
		b.Run(chromedp.Navigate("http://" + s.address))
		b.Becomes("document.getElementById('live').textContent == 'live'")
		for _, want := range []string{"Skip to the content", "Overview", "Services", ""} {
			b.Run(chromedp.KeyEvent(kb.Tab))
			if got := browser.Eval[string](b, "document.activeElement.textContent"); got != want {
				t.Errorf("the focus is on %q, want %q", got, want)
			}
		}
		b.Run(chromedp.KeyEvent("web.shop"))
		b.Becomes("document.querySelectorAll('tbody tr').length == 1")
		b.Run(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab))
		if got := browser.Eval[string](b, "document.activeElement.textContent"); got != "web" {
			t.Errorf("the focus is on %q, want the service", got)
		}
		b.Run(chromedp.KeyEvent(kb.Enter))
		b.Becomes("document.querySelector('h1').textContent == 'shop/web'")
	})
	b.Test("W2 the search of 10,000 services", func(t *testing.T) {
		b.Run(chromedp.Navigate("http://" + s.address + "/services"))
		b.Becomes("document.getElementById('live').textContent == 'live'")
		var took []float64
		for i := range 9 {
			took = append(took, browser.Eval[float64](b, fmt.Sprintf(`new Promise((done) => {
				const q = document.getElementById("q"), name = "s-0%d711", began = performance.now();
				new MutationObserver((_, observer) => {
					const rows = document.querySelectorAll("tbody tr");
					if (rows.length != 1 || !rows[0].textContent.includes(name)) return;
					observer.disconnect();
					done(performance.now() - began);
				}).observe(document.getElementById("view"), {childList: true, subtree: true});
				q.value = name;
				q.dispatchEvent(new Event("input"));
			})`, i+1)))
		}
		slices.Sort(took)
		if median := took[len(took)/2]; median > 100 && os.Getenv(envBrowser) != "" { // when nothing else runs
			t.Errorf("the median of %.0f ms is %.0f, want 100 at most", took, median)
		}
		heap := browser.Result(b, usedHeap)
		t.Logf("answered after %.0f ms; JavaScript has %.1f MB in use", took, heap/1e6)
		if heap > 20e6 {
			t.Errorf("JavaScript has %.1f MB in use, want 20 at most", heap/1e6)
		}
	})
	b.Quiet(s.address)
}

func TestLooks(t *testing.T) {
	if os.Getenv(envBrowser) == "" {
		t.Skip("skipped: it needs npm, and takes the pictures of the documentation; make page runs it")
	}
	w := webtest.New()
	for _, name := range []string{"cart", "pay", "search", "web"} {
		w.Serve("shop", name, "abcd", map[string]string{"pay": "abcd", "web": "a", "search": "bc"}[name])
	}
	s := serve(t, w)
	script := axe(t)
	b := browser.Open(t, 5*time.Minute)
	views := map[string]string{"overview": "/", "services": "/services", "service": "/service/fed/example.com/shop/web"}
	for _, scheme := range []string{"light", "dark"} {
		for _, size := range []struct {
			name          string
			width, height int64
		}{{"", 1280, 900}, {"-phone", 390, 844}} {
			for view, path := range views {
				b.Test("W2 "+view+" "+scheme+size.name+": contrast, roles and names", func(t *testing.T) {
					b.Run(chromedp.EmulateViewport(size.width, size.height),
						looking(scheme), chromedp.Navigate("http://"+s.address+path))
					b.Becomes("document.getElementById('live').textContent == 'live'")
					if wide := browser.Eval[int](b, "document.documentElement.scrollWidth"); int64(wide) > size.width {
						t.Errorf("it is %d pixels wide", wide)
					}
					b.Run(chromedp.Evaluate[chromedp.Void](script))
					for _, v := range browser.Eval[[]string](b, `axe.run().then((r) => r.violations.map((v) =>
						v.id + ": " + v.help + ": " + v.nodes.map((n) => n.html).join(" ").slice(0, 300)))`) {
						t.Error(v)
					}
					picture(t, b, "page-"+view+"-"+scheme+size.name)
				})
			}
		}
	}
}
