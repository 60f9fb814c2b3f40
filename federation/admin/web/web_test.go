package web

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/html"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/admin/web/webtest"
	"github.com/federation-dns/federation/federation/explain"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/snapshot"
)

// start serves the world's page.
func start(t testing.TB, w *webtest.World) *httptest.Server {
	page := NewServer(w, "v1.2.3")
	server := httptest.NewUnstartedServer(page)
	server.Config = admin.NewServer(page)
	server.Start()
	t.Cleanup(server.Close)
	t.Cleanup(page.Close)
	return server
}

// get returns the document at a path, and its text.
func get(t testing.TB, server *httptest.Server, path string, code int) (doc *html.Node, text string) {
	t.Helper()
	resp, err := http.Get(server.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != code {
		t.Fatalf("%s: %s, want %d", path, resp.Status, code)
	}
	if doc, err = html.Parse(resp.Body); err != nil {
		t.Fatal(err)
	}
	return doc, content(doc)
}

// content returns the text of a node, with one space between words.
func content(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// keyed returns the text of the cell with that key.
func keyed(t testing.TB, doc *html.Node, key string) string {
	t.Helper()
	for d := range doc.Descendants() {
		for _, a := range d.Attr {
			if a.Key == "data-key" && a.Val == key {
				return content(d)
			}
		}
	}
	t.Errorf("no cell %q", key)
	return ""
}

func TestViews(t *testing.T) {
	w := webtest.New()
	w.Serve("shop", "web", "abc", "")
	w.Serve("shop", "pay", "a", "a")
	server := start(t, w)

	t.Run("W1 the overview is a map of the members, with counts and the last changes", func(t *testing.T) {
		doc, text := get(t, server, "/", http.StatusOK)
		var regions []string
		for d := range doc.Descendants() {
			if d.Data == "h4" {
				regions = append(regions, content(d))
			}
		}
		if got := strings.Join(regions, " | "); got != "eu | us | no region" {
			t.Errorf("regions: %s", got)
		}
		for key, want := range map[string]string{
			"total fed example.com": "2", "published fed example.com": "1", "empty fed example.com": "1",
			"state fed example.com": "writing", "member a fed example.com": "present",
			"shards b fed example.com": "1 of 1",
		} {
			if got := keyed(t, doc, key); got != want {
				t.Errorf("%s: %q, want %q", key, got, want)
			}
		}
		for _, want := range []string{
			"eu-2, eu-3", "web.shop.fed.svc.example.com. nothing A 180 [203.0.113.1 203.0.113.2 203.0.113.3] 21ms",
			"federation-syncer v1.2.3",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
	})
	t.Run("W1 the overview says whether each member's mirror is fresh, or why it is not", func(t *testing.T) {
		w := webtest.New()
		w.Change(func(f *snapshot.Federation) {
			f.Mirror = &snapshot.Mirror{}
			f.Views.SetMirror("a", snapshot.MirrorState{Fresh: true, Renewed: time.Now()})
			f.Views.SetMirror("b", snapshot.MirrorState{Reason: federation.ReasonMirrorRefused, Detail: "apply <it>"})
		})
		doc, _ := get(t, start(t, w), "/", http.StatusOK)
		for member, want := range map[string]string{
			"a": "fresh", "b": "not fresh, MirrorRefused apply <it>", "c": "none",
		} {
			if got := keyed(t, doc, "mirror "+member+" fed example.com"); got != want {
				t.Errorf("%s: %q, want %q", member, got, want)
			}
		}
	})
	t.Run("W1 the services can be searched by name, namespace and federation", func(t *testing.T) {
		for q, want := range map[string]string{
			"": "2 in all", "WEB": "1 match web", "shop/pa": "1 match shop/pa", "HO": "2 match ho",
			"web.shop.fed": "1 match web.shop.fed", "nothing": "0 match nothing",
		} {
			_, text := get(t, server, "/services?q="+url.QueryEscape(q), http.StatusOK)
			if !strings.Contains(text, want) {
				t.Errorf("%q: no %q in %s", q, want, text)
			}
		}
		doc, _ := get(t, server, "/services", http.StatusOK)
		const pay = "/service/fed/example.com/shop/pay"
		if state, shards := keyed(t, doc, "state "+pay), keyed(t, doc, "shards "+pay); state != "empty" ||
			shards != "0 of 1" {
			t.Errorf("pay: %s, %s", state, shards)
		}
	})
	t.Run("W1 the matrix of a service says what explain says", func(t *testing.T) {
		w.Serve("shop", "web", "abc", "a")
		doc, _ := get(t, server, "/service/fed/example.com/shop/web", http.StatusOK)
		f := w.Snapshots()[0]
		st := f.Status()
		for s := range f.Services() {
			st.Services = append(st.Services, s)
		}
		status := &admin.Status{Federations: []admin.FederationStatus{st}}
		for _, from := range [][2]string{{"a", "eu-1"}, {"b", "eu-2"}, {"b", "eu-3"}, {"c", "us-1"}, {"d", ""}} {
			x, err := explain.Explain(status, explain.Question{Name: "web.shop.fed", Member: from[0], Zone: from[1]})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := keyed(t, doc, "gets "+from[0]+" "+from[1]), x.A.Addresses; len(want) > 0 &&
				got != strings.Join(want, ", ") {
				t.Errorf("%s: %q, want %q", from, got, want)
			}
			for _, step := range x.Steps {
				for i, place := range places {
					if place != step.Place {
						continue
					}
					got := keyed(t, doc, fmt.Sprintf("cell %s %s %d", from[0], from[1], i))
					if !strings.HasPrefix(got, step.Outcome) {
						t.Errorf("%s, %s: %q, want %q", from, place, got, step.Outcome)
					}
				}
			}
		}
	})
	t.Run("W1 a member whose shards do not count is shown as bad", func(t *testing.T) {
		w := webtest.New()
		w.Change(func(f *snapshot.Federation) {
			lost, drained := *f.Members[0], *f.Members[1]
			lost.Reach.Standing, drained.Drained = policy.Lost, time.Now()
			f.Members[0], f.Members[1] = &lost, &drained
		})
		doc, _ := get(t, start(t, w), "/", http.StatusOK)
		got := map[string]string{}
		for d := range doc.Descendants() {
			attr := map[string]string{}
			for _, a := range d.Attr {
				attr[a.Key] = a.Val
			}
			if name, ok := strings.CutPrefix(attr["data-key"], "member "); ok {
				got[name[:1]] = attr["class"] + " " + content(d)
			}
		}
		want := map[string]string{
			"a": "bad unreachable", "b": "bad drained, present", "c": "good present", "d": "good present",
		}
		if !maps.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
	t.Run("W1 a service that is not there", func(t *testing.T) {
		for _, path := range []string{
			"/service/fed/example.com/shop/none", "/service/other/example.com/shop/web", "/x",
		} {
			get(t, server, path, http.StatusNotFound)
		}
	})
	t.Run("W1 another replica writes", func(t *testing.T) {
		w := webtest.New()
		w.StandBy("syncer-1")
		for _, path := range []string{"/", "/services"} {
			_, text := get(t, start(t, w), path, http.StatusOK)
			if !strings.Contains(text, "Another replica writes: syncer-1") {
				t.Errorf("%s: %s", path, text)
			}
		}
	})
	t.Run("W1 a host name that is not this machine is refused", func(t *testing.T) {
		for host, want := range map[string]int{
			"localhost": 200, "localhost:8080": 200, "127.0.0.1:1": 200, "[::1]:80": 200, "::1": 200, "LOCALHOST": 200,
			"example.com": 403, "localhost.example.com": 403, "10.0.0.1:80": 403, "127.0.0.1.example.com": 403, "": 403,
		} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Host = host
			rec := httptest.NewRecorder()
			server.Config.Handler.ServeHTTP(rec, r)
			if rec.Code != want {
				t.Errorf("%q: %d, want %d", host, rec.Code, want)
			}
		}
	})
}

func TestNoScript(t *testing.T) {
	w := webtest.New()
	w.Many(120)
	server := start(t, w)
	t.Run("W2 all services can be reached by links alone", func(t *testing.T) {
		seen, pages := map[string]bool{}, 0
		for path := "/services"; path != ""; pages++ {
			doc, _ := get(t, server, path, http.StatusOK)
			path = ""
			for d := range doc.Descendants() {
				attr := map[string]string{}
				for _, a := range d.Attr {
					attr[a.Key] = a.Val
				}
				if strings.HasPrefix(attr["href"], "/service/") {
					seen[attr["href"]] = true
				}
				if attr["rel"] == "next" {
					path = attr["href"]
				}
			}
		}
		if len(seen) != 120 || pages != 3 {
			t.Errorf("%d services on %d pages", len(seen), pages)
		}
		for link := range seen {
			get(t, server, link, http.StatusOK)
			break
		}
	})
	t.Run("W2 nothing is asked of another host, and nothing is inline", func(t *testing.T) {
		resp, err := http.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'; ") ||
			strings.Contains(got, "unsafe") {
			t.Errorf("policy: %q", got)
		}
		foreign := regexp.MustCompile(`https?://|style=|<style|\son[a-z]+=|@import|url\(`)
		err = fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(files, path)
			text = bytes.ReplaceAll(text, []byte("http://www.w3.org/2000/svg"), nil) // a name, which nobody asks for
			if m := foreign.Find(text); m != nil {
				t.Errorf("%s has %q", path, m)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	t.Run("W3 there is nothing to press", func(t *testing.T) {
		for _, path := range []string{"/", "/services", "/live?view=/"} {
			resp, err := http.Post(server.URL+path, "text/plain", strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("POST %s: %s", path, resp.Status)
			}
		}
	})
	t.Run("W3 markup in what members say is text", func(t *testing.T) {
		const markup = `</td><script>alert(1)</script><img src=x onerror=alert(2)>"'` + "\ndata: x\n\nevent: y"
		w := webtest.New()
		w.Hostile(markup)
		server := start(t, w)
		for _, path := range []string{
			"/", "/services?q=" + url.QueryEscape(markup), "/service/" + url.PathEscape(markup) + "/a/b/c",
		} {
			code := http.StatusOK
			if strings.HasPrefix(path, "/service/") {
				code = http.StatusNotFound
			}
			doc, text := get(t, server, path, code)
			if !strings.Contains(text, "<script>alert(1)</script>") && path == "/" {
				t.Errorf("%s: the text is not there: %s", path, text)
			}
			for d := range doc.Descendants() {
				if d.Type == html.ElementNode && (d.Data == "img" || d.Data == "script" && len(d.Attr) != 2) {
					t.Errorf("%s has the element %s %v", path, d.Data, d.Attr)
				}
			}
		}
		events := listen(t, server, "/")
		if got := events.next(time.Second); strings.Contains(got, "<script") || strings.Contains(got, "<img") {
			t.Errorf("an event has markup:\n%s", got)
		}
	})
}

// events are those of a view.
type events struct {
	t     testing.TB
	lines chan string
}

// listen has the events of a view sent until the test ends.
func listen(t testing.TB, server *httptest.Server, view string) events {
	t.Helper()
	resp, err := http.Get(server.URL + "/live?view=" + url.QueryEscape(view))
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", view, resp.Status)
	}
	e := events{t, make(chan string, 100)}
	go func() {
		defer close(e.lines)
		var event strings.Builder
		for r := bufio.NewReader(resp.Body); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			switch data, ok := strings.CutPrefix(line, "data: "); {
			case ok:
				event.WriteString(data)
			case line == "\n" && event.Len() > 0:
				e.lines <- event.String()
				event.Reset()
			}
		}
	}()
	t.Cleanup(func() { resp.Body.Close() })
	return e
}

// next returns the next event; it fails the test if there is none within d.
func (e events) next(d time.Duration) string {
	e.t.Helper()
	select {
	case event, ok := <-e.lines:
		if !ok {
			e.t.Fatal("the connection has ended")
		}
		return event
	case <-time.After(d):
		e.t.Fatalf("no event within %s", d)
	}
	return ""
}

func TestLive(t *testing.T) {
	w := webtest.New()
	w.Serve("shop", "web", "ab", "")
	server := start(t, w)
	t.Run("W2 a view is sent at once, and whenever it changes", func(t *testing.T) {
		list, one := listen(t, server, "/services?q=web"), listen(t, server, "/service/fed/example.com/shop/web")
		for _, e := range []events{list, one} {
			if got := e.next(10 * time.Second); !strings.Contains(got, "203.0.113.1, 203.0.113.2") {
				t.Errorf("first:\n%s", got)
			}
		}
		w.Serve("shop", "web", "ab", "a")
		for _, e := range []events{list, one} {
			if got := e.next(10 * time.Second); strings.Contains(got, "203.0.113.1, 203.0.113.2") ||
				!strings.Contains(got, "NoReadyEndpoints") {
				t.Errorf("then:\n%s", got)
			}
		}
		select {
		case got := <-list.lines:
			t.Errorf("without a change:\n%s", got)
		case <-time.After(3 * every):
		}
	})
	t.Run("W2 an open view costs one rendering, however many show it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var rendered, idle atomic.Int32
			h := newHub(func(string, *rendering) (*rendering, error) {
				rendered.Add(1)
				return &rendering{event: []byte("x")}, nil
			}, func() { idle.Add(1) })
			defer h.close()
			first, l := h.subscribe("/")
			<-first
			leave := []func(){l}
			for range maxOpen - 1 {
				versions, l := h.subscribe("/")
				if versions == nil {
					t.Fatal("refused")
				}
				leave = append(leave, l)
			}
			if n := rendered.Load(); n != 1 {
				t.Errorf("%d renderings for those who open it", n)
			}
			time.Sleep(4*every + every/2)
			synctest.Wait()
			if n := rendered.Load(); n != 5 {
				t.Errorf("%d renderings after four intervals", n)
			}
			if len(first) > 0 {
				t.Error("a version like the one before is sent")
			}
			if versions, _ := h.subscribe("/"); versions != nil {
				t.Errorf("more than %d pages are open", maxOpen)
			}
			for _, l := range leave {
				l()
			}
			time.Sleep(10 * every)
			synctest.Wait()
			if n := rendered.Load(); n != 5 || idle.Load() != 1 {
				t.Errorf("%d renderings without a reader, idle %d times", n-5, idle.Load())
			}
		})
	})
	t.Run("W2 views that take long are made less often", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var rendered atomic.Int32
			h := newHub(func(string, *rendering) (*rendering, error) {
				rendered.Add(1)
				time.Sleep(every) // as long as it takes
				return &rendering{event: []byte("x")}, nil
			}, func() {})
			defer h.close()
			_, leave := h.subscribe("/")
			defer leave()
			time.Sleep(10 * share * every)
			synctest.Wait()
			if n := rendered.Load(); n < 10 || n > 11 {
				t.Errorf("%d renderings, want one in %d intervals", n, share)
			}
		})
	})
	t.Run("W2 a slow reader gets the newest version, and delays no other", func(t *testing.T) {
		h := newHub(func(string, *rendering) (*rendering, error) {
			return &rendering{event: []byte("0")}, nil
		}, func() {})
		defer h.close()
		slow, leave := h.subscribe("/")
		defer leave()
		for i := range 5 {
			h.publish("/", &rendering{event: fmt.Append(nil, i)})
		}
		if got := string(<-slow); got != "4" {
			t.Errorf("it got %s", got)
		}
	})
	t.Run("W2 a view that does not exist yet is sent once it does", func(t *testing.T) {
		e := listen(t, server, "/service/fed/example.com/shop/new")
		if got := e.next(10 * time.Second); !strings.Contains(got, "Not here") {
			t.Errorf("first:\n%s", got)
		}
		w.Serve("shop", "new", "a", "")
		if got := e.next(10 * time.Second); !strings.Contains(got, "Who gets what") {
			t.Errorf("then:\n%s", got)
		}
	})
	t.Run("W2 a bad view is refused", func(t *testing.T) {
		for _, view := range []string{"", "services", strings.Repeat("/x", maxView)} {
			resp, err := http.Get(server.URL + "/live?view=" + view)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%.20q: %s %s", view, resp.Status, text)
			}
		}
	})
}

// BenchmarkViews measures what an open view costs every quarter of a second, with 10,000 services (W2).
func BenchmarkViews(b *testing.B) {
	w := webtest.New()
	w.Many(10000)
	w.Change(func(*snapshot.Federation) {})
	server := NewServer(w, "")
	for _, view := range []string{"/", "/services", "/services?q=s-09", "/service/fed/example.com/team-1/s-00001"} {
		b.Run(view, func(b *testing.B) {
			for b.Loop() {
				if _, err := server.render(view, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
