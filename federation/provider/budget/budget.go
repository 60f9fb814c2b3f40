// Package budget holds what the providers of one account share: a number of requests per second, and one request in
// flight per zone (X5b).
package budget

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/federation-dns/federation/federation/provider"
)

// PerSecond is the default rate. Route 53 allowed 5 requests per second and account for many years, and 10 since 2026;
// other programs of the account need some of them.
const PerSecond = 5

// listShare is the share of the requests for audits, and for all lists while changes are made (X5b).
const listShare = 0.2

// Budget limits the requests of an account. All its methods may be called by several goroutines.
type Budget struct {
	requests *rate.Limiter
	lists    *rate.Limiter

	waiting    atomic.Int32 // changes that wait or are under way
	lastChange atomic.Int64 // when the last one ended, in Unix nanoseconds

	made, throttled atomic.Uint64
	waited          atomic.Int64 // nanoseconds

	mu    sync.Mutex
	zones map[string]chan struct{}
}

// New returns a budget with this rate; 0 is PerSecond. After a pause, the requests of one second may be made at once.
func New(perSecond float64) *Budget {
	if perSecond <= 0 {
		perSecond = PerSecond
	}
	return &Budget{
		requests: rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond))),
		lists:    rate.NewLimiter(rate.Limit(perSecond*listShare), 1),
		zones:    map[string]chan struct{}{},
	}
}

// Kind is what a request is for.
type Kind int

const (
	// Change is a request that changes records, or reads what a change depends on.
	Change Kind = iota
	// List is a request for a page of records. It yields to changes.
	List
)

// Do calls f, which makes one request, when the budget allows it. If ctx ends first, f is not called, and the error
// wraps provider.ErrNotSent and that of ctx. Requests of an audit have a share of their own (provider.ForAudit). The
// zone is "" for a request that belongs to none.
func (b *Budget) Do(ctx context.Context, kind Kind, zone string, f func() error) error {
	asked := time.Now()
	audit := provider.IsForAudit(ctx)
	if kind == Change && !audit {
		b.waiting.Add(1)
		defer func() {
			b.lastChange.Store(time.Now().UnixNano())
			b.waiting.Add(-1)
		}()
	} else if audit || b.changing() {
		if err := wait(ctx, b.lists); err != nil {
			return err
		}
	}
	if zone != "" {
		turn := b.turn(zone)
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-ctx.Done():
			return notSent(ctx)
		}
	}
	if err := wait(ctx, b.requests); err != nil {
		return err
	}
	b.waited.Add(int64(time.Since(asked)))
	err := f()
	b.made.Add(1)
	if errors.Is(err, provider.ErrThrottled) {
		b.throttled.Add(1)
	}
	return err
}

// Stats are counts since New.
type Stats struct {
	// Requests that were made, and how many of them the server throttled.
	Requests, Throttled uint64
	// Waited is the total time that they waited for their turn.
	Waited time.Duration
}

// Stats returns the current counts.
func (b *Budget) Stats() Stats {
	return Stats{Requests: b.made.Load(), Throttled: b.throttled.Load(), Waited: time.Duration(b.waited.Load())}
}

// changing reports whether changes are made now, or were within the last second.
func (b *Budget) changing() bool {
	return b.waiting.Load() > 0 || time.Now().UnixNano()-b.lastChange.Load() < int64(time.Second)
}

func (b *Budget) turn(zone string) chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.zones[zone] == nil {
		b.zones[zone] = make(chan struct{}, 1)
	}
	return b.zones[zone]
}

// wait is the limiter's Wait, but does not give up before ctx ends.
func wait(ctx context.Context, limiter *rate.Limiter) error {
	if ctx.Err() != nil {
		return notSent(ctx)
	}
	reservation := limiter.Reserve()
	delay := reservation.Delay()
	if delay == 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		reservation.Cancel()
		return notSent(ctx)
	}
}

func notSent(ctx context.Context) error {
	return fmt.Errorf("%w: %w", provider.ErrNotSent, ctx.Err())
}
