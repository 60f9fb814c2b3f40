package writer

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/mirror"
)

// many has services that need more than maxPuts buckets.
const many = 5000

// runMany starts a Writer with many services, and returns once all is vouched for.
func runMany(t *testing.T) (*running, *mirror.Heartbeat) {
	e := newEngine(t)
	for i := range many {
		e.set(numbered(i), "203.0.113.2")
	}
	r := run(t, e, newMemberAPI(t))
	for i := range many {
		r.becomes(2*slow, numbered(i), "203.0.113.2")
		if i == 100 {
			break // of each bucket some
		}
	}
	h, err := mirror.DecodeHeartbeat(r.data(id.HeartbeatName()))
	if err != nil || len(h.Buckets) <= maxPuts {
		t.Fatalf("%d buckets, %v", len(h.Buckets), err)
	}
	return r, h
}

func TestBuckets(t *testing.T) {
	t.Run("M8 a member that is far away gets several buckets at once, and not too many", func(t *testing.T) {
		t.Parallel()
		r, _ := runMany(t)
		release := r.hold()
		for i := range many {
			r.engine.set(numbered(i), "203.0.113.3")
		}
		r.Wake()
		most := 0
		look := func() error {
			r.memberAPI.mu.Lock()
			defer r.memberAPI.mu.Unlock()
			most = max(most, r.waiting)
			if r.waiting < maxPuts {
				return fmt.Errorf("%d are on their way", r.waiting)
			}
			return nil
		}
		eventually(t, slow, look)
		late := time.After(200 * time.Millisecond) // for one more
		for waiting := true; waiting; {
			select {
			case <-late:
				waiting = false
			case <-time.After(5 * time.Millisecond):
				_ = look()
			}
		}
		if most != maxPuts {
			t.Errorf("%d were on their way, at most %d are allowed", most, maxPuts)
		}
		release()
		r.becomes(slow, numbered(0), "203.0.113.3")
	})
	t.Run("M4 what was written is vouched for at once though another bucket is refused", func(t *testing.T) {
		t.Parallel()
		r, h := runMany(t)
		bad := mirror.BucketOf(h.Set, len(h.Buckets), web)
		good := numbered(0)
		for i := 1; mirror.BucketOf(h.Set, len(h.Buckets), good) == bad; i++ {
			good = numbered(i)
		}
		r.fail(func(method, name string) *apierrors.StatusError {
			if method == http.MethodPut && name == id.BucketName(bad, len(h.Buckets)) {
				return apierrors.NewInternalError(errors.New("etcd is slow"))
			}
			return nil
		})
		r.engine.set(good, "203.0.113.3")
		r.change(web, "203.0.113.3")
		r.becomes(slow/2, good, "203.0.113.3") // before the pauses between the retries are as long
	})
	t.Run("M8 failures of writes beside each other lengthen the pause once", func(t *testing.T) {
		t.Parallel()
		r, _ := runMany(t)
		release := r.hold()
		r.fail(func(string, string) *apierrors.StatusError { return apierrors.NewInternalError(errors.New("down")) })
		for i := range many {
			r.engine.set(numbered(i), "203.0.113.3")
		}
		r.Wake()
		eventually(t, slow, func() error {
			r.memberAPI.mu.Lock()
			defer r.memberAPI.mu.Unlock()
			if r.waiting < maxPuts {
				return fmt.Errorf("%d are on their way", r.waiting)
			}
			return nil
		})
		release()
		r.says(slow, federation.ReasonMirrorFailed)
		r.end(nil)
		if r.pause != minPause {
			t.Errorf("a pause of %s", r.pause)
		}
	})
}

func TestGathers(t *testing.T) {
	for _, tt := range []struct {
		name             string
		buckets, changed int
		want             bool
	}{
		{"M8 a change of most services waits for the decisions", 32, 32, true},
		{"M8 a change of a few services does not wait for others", 32, 15, false},
		{"M8 in a small mirror a change does not wait for others", 4, 4, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var buckets []*bucket
			for i := range tt.buckets {
				b := &bucket{}
				if i < tt.changed {
					b.changed(time.Now())
				}
				buckets = append(buckets, b)
			}
			if got := mostChange(buckets); got != tt.want {
				t.Errorf("waits: %v", got)
			}
		})
	}
	t.Run("M8 what waits for decisions is written once they are made", func(t *testing.T) {
		t.Parallel()
		r, h := runMany(t)
		r.take()
		r.unsettle(true)
		for i := range many {
			r.engine.set(numbered(i), "203.0.113.3")
		}
		r.Wake()
		for i := range many {
			r.engine.set(numbered(i), "203.0.113.4")
		}
		r.unsettle(false)
		r.Wake()
		r.becomes(slow, numbered(0), "203.0.113.4")
		eventually(t, slow, func() error { _, err := r.vouched(numbered(many - 1)); return err })
		puts := slices.DeleteFunc(r.take(), func(w string) bool { return w == "PUT "+id.HeartbeatName() })
		if most := 2 * len(h.Buckets); len(puts) > most { // on a slow machine the time may be up meanwhile
			t.Errorf("%d writes of %d buckets", len(puts), len(h.Buckets))
		}
	})
}
