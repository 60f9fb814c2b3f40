package member

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/federation-dns/federation/federation/kubeconfig"
)

// probe asks for one labeled Service at every interval and tells the result,
// whatever the watches seem to do (X2a).
func (w *Watcher) probe(ctx context.Context) {
	interval, timeout := w.config.probeTimes()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	at := time.Now()
	for {
		idle := standstill(time.Since(at), interval)
		at = time.Now()
		err := w.contact(ctx, timeout)
		if ctx.Err() != nil {
			return
		}
		w.alive.Store(err == nil)
		if err != nil {
			w.probes.drop() // the next one shall not wait on a dead connection
			err = fmt.Errorf("member %q: %w", w.config.Name, err)
		}
		w.emit(ctx, ProbeEvent{Member: w.config.Name, At: at, Idle: idle, Err: err, Unwatched: w.unwatchedSince()})
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// standstill is how long the program itself stood still between two probes, by
// the time between them: SIGSTOP, a suspended machine, no processor to run on.
func standstill(between, interval time.Duration) time.Duration {
	if between < 2*interval {
		return 0 // as timers are
	}
	return between - interval
}

func (w *Watcher) unwatchedSince() time.Time {
	if since := w.unwatched.Load(); since != 0 {
		return time.Unix(0, since)
	}
	return time.Time{}
}

// contact is one probe; nil is a contact. It takes no longer than timeout,
// whatever becomes of the request: see kubeconfig.NewHTTPClient.
func (w *Watcher) contact(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var status int
	err := w.probes.CoreV1().RESTClient().Get().Resource("services").MaxRetries(0).
		Param("limit", "1").Param("labelSelector", LabelFederation).Do(ctx).StatusCode(&status).Error()
	switch {
	case err == nil && status >= http.StatusOK && status < http.StatusMultipleChoices:
		return nil
	case status == http.StatusTooManyRequests:
		return nil // it serves, if not now: it is busy, not away
	case errors.Is(err, kubeconfig.ErrStuck):
		return fmt.Errorf("no answer to a probe within %s: %w", timeout, kubeconfig.ErrStuck)
	case ctx.Err() != nil:
		return fmt.Errorf("no answer to a probe within %s", timeout)
	case err == nil:
		return fmt.Errorf("status %d", status)
	}
	return plain(err)
}

// plain takes the URL, which says nothing new, off an error.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
