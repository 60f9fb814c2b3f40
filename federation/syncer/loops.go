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

// loopSet is the loops that run. Its methods may be called by several
// goroutines.
type loopSet struct {
	mu    sync.Mutex
	loops []*runningLoop
}

type runningLoop struct {
	*reconcile.Loop
	key    string
	config config.Federation // as it was applied last; of the Syncer's goroutine
	stop   func()            // ends it and waits
}

func (s *loopSet) all() []*runningLoop {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.loops)
}

func (s *loopSet) find(key string) *runningLoop {
	for _, l := range s.all() {
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
	at := slices.IndexFunc(s.loops, func(r *runningLoop) bool { return r.key == key })
	r := s.loops[at]
	s.loops = slices.Delete(s.loops, at, at+1)
	s.mu.Unlock()
	r.stop()
	r.ForgetGauges()
}

// retain stops the loops of all federations but these, and returns their keys.
func (s *loopSet) retain(federations []config.Federation) (gone []string) {
	for _, l := range s.all() {
		if key := l.key; !slices.ContainsFunc(federations, func(f config.Federation) bool { return f.Key() == key }) {
			s.remove(key)
			gone = append(gone, key)
		}
	}
	return gone
}

// removeDeposed ends the loops that may not write any more.
func (s *loopSet) removeDeposed() {
	for _, l := range s.all() {
		if l.Snapshot().Deposed() != nil {
			s.remove(l.key)
		}
	}
}

// stop ends all at once and waits for them.
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

// fanOut hands every event to every loop until ctx ends, as filter returns it, or not at all if that is nil: all members
// belong to all federations. A loop that is busy, or stuck, delays no other one (S3).
func (s *loopSet) fanOut(ctx context.Context, events <-chan member.Event, filter func(time.Time, member.Event) member.Event) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-events:
			if e = filter(time.Now(), e); e == nil {
				continue
			}
			for _, l := range s.all() {
				l.Add(e)
			}
		}
	}
}

// confirm confirms the list in each loop in turn; an error names the one that did not answer in time.
func (s *loopSet) confirm(ctx context.Context, list []admin.Waiting) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	for _, l := range s.all() {
		confirmed, ok := l.Confirm(ctx, list)
		if n += confirmed; !ok {
			return n, fmt.Errorf("the loop of federation %s does not answer", l.key)
		}
	}
	return n, nil
}
