// Package walk plays the demo while a Chromium looks at the page, and measures how soon what happens is seen (W3).
package walk

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/federation-dns/federation/test/browser"
	"github.com/federation-dns/federation/test/programs"
	"github.com/federation-dns/federation/test/scenario"
	"github.com/federation-dns/federation/test/world"
)

// envBrowser is set by make page.
const envBrowser = "FEDERATION_DNS_BROWSER"

func TestMain(m *testing.M) {
	if os.Getenv(envBrowser) == "" {
		fmt.Println("skipped: this test needs Chromium; make page runs it")
		os.Exit(0)
	}
	programs.Main(m, "API servers, DNS servers, Chromium and a private network namespace")
}

// limit is how long after the records a change may be seen on the page (W3).
const limit = time.Second

func TestWalk(t *testing.T) {
	dir, err := os.MkdirTemp("", "walk") // its path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	deploy, err := filepath.Abs("../../../deploy")
	if err != nil {
		t.Fatal(err)
	}
	play, err := scenario.NewPlay(world.Options{
		Dir: dir, CoreDNS: programs.CoreDNS(), Syncer: programs.Syncer(), Testcluster: programs.Testcluster(),
		Plugin: programs.Kubectl(), Deploy: deploy, Host: scenario.Host,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := play.Stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	l := &looker{t: t, play: play, tab: browser.Open(t, 15*time.Minute)}
	l.tab.Test("W3 the steps of the demo are seen within a second of the records", func(t *testing.T) {
		l.t = t
		if err := scenario.Run(t.Context(), play, l, scenario.DemoSteps(world.RFC2136, "")); err != nil {
			t.Fatal(err)
		}
		if l.changes < 10 {
			t.Errorf("%d steps changed the records", l.changes)
		}
		l.tab.Quiet(l.address)
	})
}

// looker looks at the page of the Service while the demo is played. It implements scenario.Reporter.
type looker struct {
	t       *testing.T
	play    *scenario.Play
	tab     *browser.Tab
	address string
	changes int

	want    world.Table
	changed chan moment
}

// moment is when the records became what they had to be: between two transfers of the zone.
type moment struct {
	after time.Time // the beginning of the last transfer that was otherwise
	err   error
}

func (l *looker) Begin(number, total int, s scenario.Step) {
	l.t.Logf("[%d/%d] %s", number, total, s.Name)
	if l.changed = nil; s.Table == "" {
		return
	}
	l.look()
	l.want, l.changed = scenario.ExpectedTable(s.Table), make(chan moment, 1)
	go l.await(l.want, l.changed)
}

func (l *looker) Seen(scenario.Check, string) {}

func (l *looker) Done(took time.Duration) {
	if l.changed == nil {
		l.t.Logf("  %.1f s", took.Seconds())
		return
	}
	records := <-l.changed
	if records.err != nil {
		l.t.Fatalf("the records: %v", records.err)
	}
	shown := l.shown(records.after)
	late := shown.Sub(records.after)
	l.changes++
	l.t.Logf("  %.1f s; on the page at most %s after the records", took.Seconds(), late.Round(time.Millisecond))
	if late > limit {
		l.t.Errorf("it is seen %s after the records, want %s at most", late.Round(time.Millisecond), limit)
	}
}

// await transfers the zone until it has the records.
func (l *looker) await(want world.Table, at chan<- moment) {
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	last := moment{after: time.Now()}
	for {
		began := time.Now()
		have, err := l.play.Records(ctx)
		switch {
		case err == nil && have.String() == want.String():
			at <- last
			return
		case err == nil:
			last.after = began
		case ctx.Err() != nil:
			at <- moment{err: err}
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// look opens the page of the Service, and has it note each change of the records there, with the time at which it was
// drawn. It does so once.
func (l *looker) look() {
	if l.address != "" {
		return
	}
	var err error
	if l.address, err = l.play.Page(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	l.tab.Run(chromedp.Navigate(fmt.Sprintf("http://%s/service/%s/%s/%s/%s", l.address, world.FederationName,
		world.Domain, world.Namespace, world.Service)))
	l.tab.Becomes("document.getElementById('live').textContent == 'live'")
	l.tab.Run(chromedp.Evaluate[chromedp.Void](`
		window.drawn = [];
		new MutationObserver(() => requestAnimationFrame(() => {
			const rows = Array.from(document.querySelectorAll('[data-key^="record "]'), (cell) => {
				const [name, ttl, type, data] = Array.from(cell.parentElement.children, (c) => c.textContent);
				return [name, type, ttl, data].join(" ");
			});
			drawn.push({At: Date.now(), Rows: rows});
		})).observe(document.getElementById("view"), {childList: true});`))
}

// shown returns when the page first had the records that are wanted, after that moment.
func (l *looker) shown(after time.Time) time.Time {
	type version struct {
		At   int64
		Rows []string
	}
	want := rowsOf(l.want.String())
	var last []string
	for deadline := time.Now().Add(browser.Patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for _, v := range browser.Eval[[]version](l.tab, "drawn") {
			last = rowsOf(strings.Join(v.Rows, "\n"))
			if at := time.UnixMilli(v.At + 1); at.After(after) && slices.Equal(last, want) {
				return at
			}
		}
	}
	l.t.Fatalf("the page has the records\n%s\nwant\n%s", strings.Join(last, "\n"), strings.Join(want, "\n"))
	return time.Time{}
}

// rowsOf are the rows of a table of records, sorted, each with its data in order.
func rowsOf(table string) (rows []string) {
	for line := range strings.Lines(table) {
		f := strings.Fields(strings.ReplaceAll(line, ",", " "))
		if len(f) < 4 || f[0] == "NAME" {
			continue
		}
		slices.Sort(f[3:])
		rows = append(rows, strings.Join(f, " "))
	}
	slices.Sort(rows)
	return rows
}
