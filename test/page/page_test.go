package page

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/federation-dns/federation/federation/admin/web/webtest"
)

// text is the expression for the text of a cell.
func text(key string) string {
	return fmt.Sprintf("(document.querySelector('[data-key=%q]') || {}).textContent", key)
}

func TestLive(t *testing.T) {
	w := webtest.New()
	w.Serve("shop", "web", "abc", "")
	s := serve(t, w)
	b := open(t)
	b.run(chromedp.Navigate("http://" + s.address + "/service/fed/example.com/shop/web"))
	b.becomes("document.getElementById('live').textContent == 'live'")

	b.test("W3 a change is seen within a second, and marked", func(t *testing.T) {
		b.becomes(text("gets a eu-1") + ".includes('own address')")
		w.Serve("shop", "web", "abc", "a")
		took := b.becomes(text("gets a eu-1") + ".includes('203.0.113.2')")
		t.Logf("seen after %s", took.Round(time.Millisecond))
		if marked := eval[int](b, "document.querySelectorAll('.changed').length"); marked == 0 {
			t.Error("no cell is marked")
		}
	})
	b.test("W2 after a restart of the syncer it is live again", func(t *testing.T) {
		s.stop()
		b.becomes("document.getElementById('live').textContent.includes('no connection')")
		w.Serve("shop", "web", "abc", "")
		s.start()
		b.becomes("document.getElementById('live').textContent == 'live' && " + text("gets a eu-1") +
			".includes('own address')")
	})
	b.test("W2 the focus stays where it was", func(t *testing.T) {
		b.run(chromedp.Evaluate[chromedp.Void]("document.querySelector('#view [tabindex]').focus()"))
		w.Serve("shop", "web", "abc", "b")
		b.becomes(text("shard b") + ".includes('not healthy')")
		if got := eval[string](b, "document.activeElement.getAttribute('aria-label')"); got != "Who gets what" {
			t.Errorf("the focus is on %q", got)
		}
	})
	b.quiet(s)
}

func TestHostile(t *testing.T) {
	t.Run("W3 markup in what members say is text, and no script of it runs", func(t *testing.T) {
		w := webtest.New()
		w.Hostile(`</td></main><script>alert(1)</script><img src="http://192.0.2.1/x" onerror="alert(2)">` +
			`<svg onload=alert(3)>`)
		s := serve(t, w)
		b := open(t)
		b.run(chromedp.Navigate("http://" + s.address))
		b.becomes("document.getElementById('live').textContent == 'live'")
		if n := eval[int](b, "document.querySelectorAll('img, svg, main script').length"); n > 0 {
			t.Errorf("%d elements of theirs", n)
		}
		if !strings.Contains(eval[string](b, "document.body.innerText"), "<script>alert(1)</script>") {
			t.Error("the text is not shown")
		}
		b.quiet(s)
	})
}

func TestUse(t *testing.T) {
	w := webtest.New()
	w.Many(10000)
	w.Serve("shop", "web", "abc", "a")
	s := serve(t, w)
	b := open(t)

	b.test("W2 with the keyboard alone from the overview to a service", func(t *testing.T) {
		b.run(chromedp.Navigate("http://" + s.address))
		b.becomes("document.getElementById('live').textContent == 'live'")
		for _, want := range []string{"Skip to the content", "Overview", "Services", ""} {
			b.run(chromedp.KeyEvent(kb.Tab))
			if got := eval[string](b, "document.activeElement.textContent"); got != want {
				t.Errorf("the focus is on %q, want %q", got, want)
			}
		}
		b.run(chromedp.KeyEvent("web.shop"))
		b.becomes("document.querySelectorAll('tbody tr').length == 1")
		b.run(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab))
		if got := eval[string](b, "document.activeElement.textContent"); got != "web" {
			t.Errorf("the focus is on %q, want the service", got)
		}
		b.run(chromedp.KeyEvent(kb.Enter))
		b.becomes("document.querySelector('h1').textContent == 'shop/web'")
	})
	b.test("W2 the search of 10,000 services", func(t *testing.T) {
		b.run(chromedp.Navigate("http://" + s.address + "/services"))
		b.becomes("document.getElementById('live').textContent == 'live'")
		took := eval[float64](b, `new Promise((done) => {
			const q = document.getElementById("q"), began = performance.now();
			new MutationObserver(() => {
				if (document.querySelectorAll("tbody tr").length == 1) done(performance.now() - began);
			}).observe(document.getElementById("view"), {childList: true, subtree: true});
			q.value = "s-04711";
			q.dispatchEvent(new Event("input"));
		})`)
		heap := result(b, usedHeap)
		t.Logf("answered after %.0f ms; JavaScript has %.1f MB in use", took, heap/1e6)
		if heap > 20e6 {
			t.Errorf("JavaScript has %.1f MB in use, want 20 at most", heap/1e6)
		}
	})
	b.quiet(s)
}

func TestLooks(t *testing.T) {
	w := webtest.New()
	for _, name := range []string{"cart", "pay", "search", "web"} {
		w.Serve("shop", name, "abcd", map[string]string{"pay": "abcd", "web": "a", "search": "bc"}[name])
	}
	s := serve(t, w)
	script := axe(t)
	b := open(t)
	views := map[string]string{"overview": "/", "services": "/services", "service": "/service/fed/example.com/shop/web"}
	for _, scheme := range []string{"light", "dark"} {
		for _, size := range []struct {
			name          string
			width, height int64
		}{{"", 1280, 900}, {"-phone", 390, 844}} {
			for view, path := range views {
				b.test("W2 "+view+" "+scheme+size.name+": contrast, roles and names", func(t *testing.T) {
					b.run(chromedp.EmulateViewport(size.width, size.height),
						looking(scheme), chromedp.Navigate("http://"+s.address+path))
					b.becomes("document.getElementById('live').textContent == 'live'")
					if wide := eval[int](b, "document.documentElement.scrollWidth"); int64(wide) > size.width {
						t.Errorf("it is %d pixels wide", wide)
					}
					b.run(chromedp.Evaluate[chromedp.Void](script))
					for _, v := range eval[[]string](b, `axe.run().then((r) => r.violations.map((v) =>
						v.id + ": " + v.help + ": " + v.nodes.map((n) => n.html).join(" ").slice(0, 300)))`) {
						t.Error(v)
					}
					b.picture("page-" + view + "-" + scheme + size.name)
				})
			}
		}
	}
}
