package batch

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// A request is sent at most maxAttempts times, with exponential backoff.
const (
	maxAttempts = 5
	firstPause  = 200 * time.Millisecond
)

// verdict is the outcome of a request, as reading its names shows it.
type verdict int

const (
	unknown verdict = iota
	made
	notMade
)

// settle reads up to three of the names: a request is made as a whole.
func (r *run) settle(ctx context.Context, changes []plan.Change) verdict {
	var differ []plan.Change
	for _, c := range changes {
		if !federation.EqualRRsets(c.From, c.To) {
			differ = append(differ, c)
		}
	}
	if len(differ) == 0 {
		return notMade // a retry has no effect
	}
	result := unknown
	for n, i := range []int{0, len(differ) / 2, len(differ) - 1} {
		if n > 0 && n >= len(differ) {
			break
		}
		state, err := r.server.Read(ctx, differ[i].Name)
		if err != nil {
			return unknown
		}
		is, _ := compared(differ[i], state.Sets)
		var v verdict
		switch {
		case federation.EqualRRsets(is, differ[i].To):
			v = made
		case federation.EqualRRsets(is, differ[i].From):
			v = notMade
		}
		if v == unknown || n > 0 && v != result {
			return unknown
		}
		result = v
	}
	return result
}

// pause waits before attempt n+1; it reports false if ctx ends before.
func pause(ctx context.Context, n int) bool {
	d := firstPause << (n - 1)
	timer := time.NewTimer(d/2 + rand.N(d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Read makes a request that reads, and retries with exponential backoff if the server is busy or does not answer.
func Read(ctx context.Context, request func() error) error {
	for n := 1; ; n++ {
		err := request()
		if err == nil || ctx.Err() != nil || n == maxAttempts {
			return err
		}
		if kind := KindOf(err); kind != Later && kind != Open || errors.Is(err, provider.ErrRefused) {
			return err
		}
		if !pause(ctx, n) {
			return err
		}
	}
}
