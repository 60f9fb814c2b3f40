// Package browser lets tests use a page in Debian's Chromium as a person would.
package browser

import (
	"context"
	"errors"
	"fmt"
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

	"github.com/federation-dns/federation/test/needs"
)

// Patience is how long something on the page may take to become true.
const Patience = 20 * time.Second

// Tab is a tab of a Chromium of its own, which ends with the test.
type Tab struct {
	t   *testing.T
	ctx context.Context
	mu  sync.Mutex
	// said is what the console, the log and dialogs have, asked where requests went.
	said  []string
	asked map[string]bool
}

// Open starts a Chromium with an empty tab, which ends after limit at the latest.
func Open(t *testing.T, limit time.Duration) *Tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(needs.Program(t, "chromium", "chromium")), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.WindowSize(1280, 900))
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &Tab{t: t, ctx: ctx, asked: map[string]bool{}}
	b.Run(chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, log.Enable, cdp.Empty{})
		_, networkErr := cdp.Call(ctx, tab, network.Enable, network.EnableParams{})
		return errors.Join(err, networkErr, chromedp.Listen(b.ctx, b.listen))
	}))
	return b
}

// listen notes what should not be, and what is asked for.
func (b *Tab) listen(event any) {
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

// Test runs a subtest with the tab.
func (b *Tab) Test(name string, f func(t *testing.T)) {
	whole := b.t
	defer func() { b.t = whole }()
	whole.Run(name, func(t *testing.T) {
		b.t = t
		f(t)
	})
}

// Run runs the actions.
func (b *Tab) Run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// Result returns the value of an action.
func Result[T any](b *Tab, action chromedp.Action[T]) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return value
}

// Eval returns the value of a JavaScript expression, or that of the promise that it is.
func Eval[T any](b *Tab, expression string) T {
	b.t.Helper()
	return Result(b, chromedp.Evaluate[T](expression, awaited))
}

// awaited waits for the promise that an expression is.
func awaited(p *runtime.EvaluateParams) {
	wait := true
	p.AwaitPromise = &wait
}

// Becomes waits until the JavaScript expression is true, and returns how long that took.
func (b *Tab) Becomes(expression string) time.Duration {
	b.t.Helper()
	began := time.Now()
	poll := chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(Patience))
	_, err := chromedp.Run(b.ctx, poll)
	for err != nil && strings.Contains(err.Error(), "Cannot find context") && time.Since(began) < Patience {
		_, err = chromedp.Run(b.ctx, poll) // the page was left meanwhile
	}
	if err != nil {
		b.t.Fatalf("%s: %v; the page says:\n%s", expression, err, Eval[string](b, "document.body.innerText"))
	}
	return time.Since(began)
}

// Quiet fails the test if there was a message, or a request to another host than that of the address.
func (b *Tab) Quiet(address string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.said) > 0 {
		b.t.Errorf("said: %q", b.said)
	}
	for url := range b.asked {
		if !strings.HasPrefix(url, "http://"+address) && !strings.HasPrefix("http://"+address, url) {
			b.t.Errorf("asked for %s", url)
		}
	}
}
