package writer

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/mirror"
)

func numbered(i int) federation.ServiceName {
	return federation.ServiceName{Namespace: "shop", Name: fmt.Sprintf("service-%05d", i)}
}

// puts returns how often the bucket was written since take was called.
func (r *running) puts() (n int) {
	r.memberAPI.mu.Lock()
	defer r.memberAPI.mu.Unlock()
	for _, w := range r.writes {
		if w == "PUT "+id.BucketName(0, 1) {
			n++
		}
	}
	return n
}

func TestSize(t *testing.T) {
	t.Run("M2 the buckets double, and the ones before go once the new ones are vouched for", func(t *testing.T) {
		t.Parallel()
		r := run(t, newEngine(t), newMemberAPI(t))
		r.becomes(slow, web, "203.0.113.2")
		for i := range 3000 {
			r.engine.set(numbered(i), "203.0.113.2")
		}
		r.Wake()
		r.becomes(2*slow, numbered(2999), "203.0.113.2")
		h, err := mirror.DecodeHeartbeat(r.data(id.HeartbeatName()))
		if err != nil || len(h.Buckets) < 2 {
			t.Fatalf("%d buckets, %v", len(h.Buckets), err)
		}
		for i := 0; i < 3000; i += 100 {
			r.becomes(slow, numbered(i), "203.0.113.2")
		}
		for i := range h.Buckets {
			size := 0
			for _, d := range r.data(id.BucketName(i, len(h.Buckets))) {
				size += len(d)
			}
			if size > mirror.MaxBucketBytes*3/2 {
				t.Errorf("bucket %d has %d bytes", i, size)
			}
		}
		eventually(t, slow, func() error {
			if names := r.names(); len(names) != len(h.Buckets)+1 {
				return fmt.Errorf("%d objects: %v", len(names), names)
			}
			return nil
		})
	})
	t.Run("M2 what does not fit into the last number of buckets is left to the upstream", func(t *testing.T) {
		b := &bucket{services: map[federation.ServiceName]entry{}}
		for i := range 10 {
			b.put(numbered(i), entry{}, time.Now())
		}
		long := strings.Repeat("x", mirror.MaxBucketBytes/5)
		line := func(to []byte, _ federation.ServiceName) []byte { return append(append(to, long...), '\n') }
		data := b.content(mirror.Header{Count: mirror.MaxBuckets}, line)
		if b.upstream != 6 || !strings.HasSuffix(data["services"], numbered(9).Name+`","upstream":true}`+"\n") {
			t.Errorf("%d of 10 are left out", b.upstream)
		}
		b.content(mirror.Header{Count: mirror.MaxBuckets / 2}, line)
		if b.upstream != 0 {
			t.Errorf("%d are left out though the buckets may double", b.upstream)
		}
	})
	t.Run("M8 the bytes into a member are bounded: the mirror is behind, and says so", func(t *testing.T) {
		t.Parallel()
		r := run(t, newEngine(t), newMemberAPI(t))
		r.becomes(slow, web, "203.0.113.2")
		r.opt.Budget.SetBurst(100)
		r.opt.Budget.SetLimit(rate.Limit(1))
		r.change(web, "203.0.113.3")
		r.says(slow, federation.ReasonMirrorBehind)
		eventually(t, slow, func() error { return r.staleOrSilent(web) })
	})
	t.Run("M8 a bucket that keeps changing is written five times, and then once a second", func(t *testing.T) {
		t.Parallel()
		r := run(t, newEngine(t), newMemberAPI(t))
		r.becomes(slow, web, "203.0.113.2")
		time.Sleep(bucketEvery) // its first write is made up for
		r.take()
		began := time.Now()
		for n := 0; time.Since(began) < 2*bucketEvery+bucketEvery/2 || r.puts() < bucketBurst; n++ {
			r.change(web, fmt.Sprintf("203.0.113.%d", 3+n%2))
			time.Sleep(5 * time.Millisecond)
		}
		writes, took := r.puts(), time.Since(began)
		if most := bucketBurst + 1 + int(took/bucketEvery); writes > most {
			t.Errorf("%d writes in %s, at most %d are allowed", writes, took, most)
		}
	})
	t.Run("M3 a write that conflicts is made again with what stands there", func(t *testing.T) {
		t.Parallel()
		r := run(t, newEngine(t), newMemberAPI(t))
		r.becomes(slow, web, "203.0.113.2")
		once := true
		r.fail(func(method, name string) *apierrors.StatusError {
			if method == http.MethodPut && name == id.BucketName(0, 1) && once {
				once = false
				return apierrors.NewConflict(resource, name, nil)
			}
			return nil
		})
		r.change(web, "203.0.113.3")
		r.becomes(soon, web, "203.0.113.3")
	})
}
