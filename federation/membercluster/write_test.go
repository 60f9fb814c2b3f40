package membercluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/api/v1alpha1"
)

// writes are a writer at work: what a session does, with objects instead of a watch.
type writes struct {
	*writer
	log  bytes.Buffer
	due  []due
	want map[string]int // how many writes each object still needs
	at   map[string][]time.Time
	// most is how many ran at once.
	most int
}

// newWrites returns the writes of n objects, m-0 and so on. answer is what the API server says to one of them.
func newWrites(n int, answer func(ctx context.Context, name string) error) *writes {
	w := &writes{want: map[string]int{}, at: map[string][]time.Time{}}
	for i := range n {
		m := &v1alpha1.MemberCluster{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("m-%d", i), ResourceVersion: "1"}}
		w.want[m.Name] = 1
		w.due = append(w.due, due{m, "1", v1alpha1.MemberClusterStatus{}})
	}
	w.writer = newWriter(func(ctx context.Context, m *v1alpha1.MemberCluster, _ v1alpha1.MemberClusterStatus) (
		*v1alpha1.MemberCluster, error,
	) {
		ctx, cancel := context.WithTimeout(ctx, applyTimeout)
		defer cancel()
		if err := answer(ctx, m.Name); err != nil {
			return nil, err
		}
		result := m.DeepCopy()
		result.ResourceVersion = "2"
		return result, nil
	}, slog.New(slog.NewTextHandler(&w.log, nil)))
	return w
}

// run runs the writer for a time.
func (w *writes) run(t *testing.T, d time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	defer w.wait()
	for {
		var changed []due
		for _, d := range w.due {
			if w.want[d.object.Name] > 0 {
				changed = append(changed, d)
			}
		}
		slices.Reverse(w.due) // those that come last are the first next time
		w.enqueue(changed)
		w.start(ctx, time.Now())
		for ticked := false; !ticked; {
			w.most = max(w.most, w.running)
			select {
			case <-ctx.Done():
				return
			case r := <-w.results:
				if name := r.object.Name; r.err == nil {
					w.want[name]--
					w.at[name] = append(w.at[name], time.Now())
				}
				w.ended(r, time.Now())
				w.start(ctx, time.Now())
			case <-tick.C:
				ticked = true
			}
		}
	}
}

func (w *writes) lines() int { return strings.Count(w.log.String(), "\n") }

func TestWriter(t *testing.T) {
	silent := func(ctx context.Context, _ string) error {
		<-ctx.Done()
		return ctx.Err()
	}
	takes := func(d time.Duration) { <-time.After(d) }
	t.Run("K3 many are written at once, and no more than the bound", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWrites(1000, func(context.Context, string) error { takes(10 * time.Millisecond); return nil })
			began := time.Now()
			w.run(t, 2*time.Second)
			var last time.Time
			for _, at := range w.at {
				last = later(last, at[0])
			}
			if len(w.at) != 1000 || last.Sub(began) > 1300*time.Millisecond || w.most != parallelWrites {
				t.Errorf("%d written, the last after %s, %d at once", len(w.at), last.Sub(began), w.most)
			}
		})
	})
	t.Run("K3 a status that gets no answer stops no other, is retried, and is worth a line", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			began, tries := time.Now(), 0
			const sick = 2 * time.Minute
			w := newWrites(100, func(ctx context.Context, name string) error {
				if name == "m-0" && time.Since(began) < sick {
					tries++
					return silent(ctx, name)
				}
				return nil
			})
			w.run(t, sick+maxRetry+applyTimeout)
			for name, at := range w.at {
				if after := at[0].Sub(began); (name == "m-0") != (after >= sick) || name != "m-0" && after > 0 {
					t.Errorf("%s is written after %s", name, after)
				}
			}
			if len(w.at) != 100 || tries < 8 || tries > 14 {
				t.Errorf("%d are written, %d tries in %s", len(w.at), tries, sick)
			}
			if w.lines() != 2 || !strings.Contains(w.log.String(), "is written again\" member=m-0") {
				t.Errorf("the log is\n%s", w.log.String())
			}
		})
	})
	t.Run("K3 a host that is away is worth one line", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWrites(100, silent)
			w.run(t, 2*time.Minute)
			if w.lines() != 1 || len(w.at) > 0 {
				t.Errorf("%d written; the log is\n%s", len(w.at), w.log.String())
			}
		})
	})
	t.Run("K3 each status that is refused is worth a line", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWrites(3, func(_ context.Context, name string) error {
				return apierrors.NewInternalError(errors.New("the webhook does not like " + name))
			})
			w.run(t, 2*time.Minute)
			if w.lines() != 3 || len(w.at) > 0 {
				t.Errorf("%d written; the log is\n%s", len(w.at), w.log.String())
			}
		})
	})
	t.Run("K3 an object is written at most once a second", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWrites(100, func(context.Context, string) error { takes(30 * time.Millisecond); return nil })
			for name := range w.want {
				w.want[name] = 5
			}
			w.run(t, 10*time.Second)
			for name, at := range w.at {
				for i := range at[1:] {
					if gap := at[i+1].Sub(at[i]); gap < statusEvery-statusSlack {
						t.Errorf("%s is written again after %s", name, gap)
					}
				}
				if len(at) != 5 {
					t.Errorf("%s is written at %v", name, at)
				}
			}
		})
	})
	t.Run("K4 what was written is the newest until the watch has it", func(t *testing.T) {
		w := newWrites(1, func(context.Context, string) error { return nil })
		m := w.due[0].object
		w.run(t, 100*time.Millisecond)
		if have := w.newest(m); have.ResourceVersion != "2" {
			t.Errorf("version %s is the newest", have.ResourceVersion)
		}
		next := m.DeepCopy()
		next.ResourceVersion = "3"
		if have := w.newest(next); have != next {
			t.Errorf("version %s is the newest", have.ResourceVersion)
		}
	})
	t.Run("K3 objects that are gone are forgotten", func(t *testing.T) {
		w := newWrites(2, func(context.Context, string) error { return nil })
		w.run(t, 100*time.Millisecond)
		w.retain(map[string]bool{"m-0": true})
		if len(w.objects) != 1 || w.objects["m-0"] == nil {
			t.Errorf("%v", w.objects)
		}
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
