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

// probe requests one labeled Service in every interval and sends the result, whatever the watches seem to do (X2a).
func (w *Watcher) probe(ctx context.Context) {
	interval, timeout := w.config.probeTimes()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	sent := time.Now()
	for {
		idle := standstill(time.Since(sent), interval)
		sent = time.Now()
		err := w.contact(ctx, timeout)
		if ctx.Err() != nil {
			return
		}
		w.alive.Store(err == nil)
		if err != nil {
			w.probes.drop() // the next probe must not wait on a dead connection
			err = fmt.Errorf("member %q: %w", w.config.Name, err)
		}
		w.emit(ctx, ProbeEvent{Member: w.config.Name, At: sent, Idle: idle, Err: err, Unwatched: w.unwatchedSince()})
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// standstill returns how long this process itself did not run between two probes, judging by the time between them:
// SIGSTOP, a suspended machine, no CPU time.
func standstill(between, interval time.Duration) time.Duration {
	if between < 2*interval {
		return 0 // timers are not exact
	}
	return between - interval
}

func (w *Watcher) unwatchedSince() time.Time {
	if since := w.unwatched.Load(); since != 0 {
		return time.Unix(0, since)
	}
	return time.Time{}
}

// contact sends one probe; nil is a contact. It returns after timeout at the latest, whatever happens to the request:
// see kubeconfig.NewHTTPClient.
func (w *Watcher) contact(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var status int
	err := w.probes.core.RESTClient().Get().Resource("services").MaxRetries(0).
		Param("limit", "1").Param("labelSelector", LabelFederation).Do(ctx).StatusCode(&status).Error()
	switch {
	case err == nil && status >= http.StatusOK && status < http.StatusMultipleChoices:
		return nil
	case status == http.StatusTooManyRequests:
		return nil // it is busy, not unreachable
	case errors.Is(err, kubeconfig.ErrStuck):
		return fmt.Errorf("no answer to a probe within %s: %w", timeout, kubeconfig.ErrStuck)
	case ctx.Err() != nil:
		return fmt.Errorf("no answer to a probe within %s", timeout)
	case err == nil:
		return fmt.Errorf("status %d", status)
	}
	return withoutURL(err)
}

// withoutURL removes the URL, which says nothing new, from an error.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
