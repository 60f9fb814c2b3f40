package syncer

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/reconcile"
)

// loopSet is the set of running loops. Safe for concurrent use.
type loopSet struct {
	mu    sync.Mutex
	loops []*runningLoop
}

type runningLoop struct {
	*reconcile.Loop
	key    string
	config config.Federation // applied last; only for the Syncer's goroutine
	stop   func()            // ends the loop and waits for it
}

// list returns the running loops.
func (s *loopSet) list() []*runningLoop {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.loops)
}

func (s *loopSet) find(key string) *runningLoop {
	for _, l := range s.list() {
		if l.key == key {
			return l
		}
	}
	return nil
}

// run runs a loop until ctx ends or it is removed, and then calls closed.
func (s *loopSet) run(ctx context.Context, l *reconcile.Loop, f config.Federation, closed func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.Run(ctx)
		closed()
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loops = append(s.loops, &runningLoop{Loop: l, key: f.Key(), config: f, stop: func() { cancel(); <-done }})
}

func (s *loopSet) remove(key string) {
	s.mu.Lock()
	i := slices.IndexFunc(s.loops, func(r *runningLoop) bool { return r.key == key })
	r := s.loops[i]
	s.loops = slices.Delete(s.loops, i, i+1)
	s.mu.Unlock()
	r.stop()
	r.ForgetGauges()
}

// retain stops the loops of all other federations than these, and returns their keys.
func (s *loopSet) retain(federations []config.Federation) (gone []string) {
	for _, l := range s.list() {
		if key := l.key; !slices.ContainsFunc(federations, func(f config.Federation) bool { return f.Key() == key }) {
			s.remove(key)
			gone = append(gone, key)
		}
	}
	return gone
}

// removeDeposed stops the loops that no longer write.
func (s *loopSet) removeDeposed() {
	for _, l := range s.list() {
		if l.Snapshot().Claim.Deposed != nil {
			s.remove(l.key)
		}
	}
}

// stop stops all loops at once and waits for them.
func (s *loopSet) stop() {
	s.mu.Lock()
	loops := s.loops
	s.loops = nil
	s.mu.Unlock()
	var wg sync.WaitGroup
	for _, r := range loops {
		wg.Go(r.stop)
	}
	wg.Wait()
}

// fanOut hands every event to every loop, since all members belong to all federations, until ctx ends. filter may
// replace an event, or drop it by returning nil. A loop that is busy, or stuck, delays no other (S3).
func (s *loopSet) fanOut(
	ctx context.Context, events <-chan member.Event, filter func(time.Time, member.Event) member.Event,
) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-events:
			if e = filter(time.Now(), e); e == nil {
				continue
			}
			for _, l := range s.list() {
				l.Add(e)
			}
		}
	}
}

// confirm confirms the list in each loop in turn; an error names the loop that did not answer in time.
func (s *loopSet) confirm(ctx context.Context, list []admin.Waiting) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	for _, l := range s.list() {
		confirmed, ok := l.Confirm(ctx, list)
		if n += confirmed; !ok {
			return n, fmt.Errorf("the loop of federation %s does not answer", l.key)
		}
	}
	return n, nil
}
