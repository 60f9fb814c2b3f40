package writer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/mirror"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/snapshot"
)

var (
	fed = federation.Federation{Name: "fed", Domain: "example.com.", Naming: federation.Flat}
	id  = mirror.IdentityOf(fed)
	web = federation.ServiceName{Namespace: "shop", Name: "web"}
)

// engine is a stand-in for a loop: it publishes answers.
type engine struct {
	t     *testing.T
	views snapshot.Views
	mu    sync.Mutex
	owner string
	dead  bool // it does not turn any more
	// unsettled: it has not decided on all services.
	unsettled bool
	// unclaimed: it has no claim, and asks what the mirrors say.
	unclaimed bool
	at        time.Time
}

func newEngine(t *testing.T) *engine {
	e := &engine{t: t, owner: "us"}
	e.set(web, "203.0.113.2")
	return e
}

// set gives a service an address of member b; "" takes the service away.
func (e *engine) set(name federation.ServiceName, address string) { e.publish(name, address, true) }

// publish does so, and says whether the zone has taken it.
func (e *engine) publish(name federation.ServiceName, address string, taken bool) {
	if address == "" {
		e.views.RemoveService(name)
		return
	}
	a := netip.MustParseAddr(address)
	shards := []federation.Shard{{Member: "b", Healthy: true, Addresses: []netip.Addr{a}}}
	members := []federation.Member{{Name: "a", Region: "eu", Zones: []federation.Label{"eu-a"}},
		{Name: "b", Region: "eu", Zones: []federation.Label{"eu-b"}}}
	levels := federation.NewLevels(fed, members, federation.PublishOptions{})
	sets, _ := levels.RRsets(name, shards, true)
	answer := &policy.Answer{RRsets: sets, Shards: shards}
	view := &snapshot.Service{Name: name, Answer: answer}
	if taken {
		view.Records = sets
	}
	e.views.SetService(view)
}

// stop lets the engine stand still.
func (e *engine) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dead, e.at = true, time.Now()
}

// unsettle says whether it has not decided on all services.
func (e *engine) unsettle(unsettled bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unsettled = unsettled
}

func (e *engine) snapshots() []*snapshot.Federation {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.dead {
		e.at = time.Now()
	}
	return []*snapshot.Federation{{
		Views: &e.views, Config: config.Federation{Federation: fed}, Policy: policy.Config{HeldMax: 24 * time.Hour},
		Members: []*snapshot.Member{
			{Name: "a", Topology: federation.Member{Name: "a", Region: "eu", Zones: []federation.Label{"eu-a"}}},
		},
		Claim:  snapshot.Claim{Owner: e.owner, Held: true},
		Mirror: &snapshot.Mirror{Ready: true, Settled: !e.unsettled, At: e.at, Generation: 7, Unclaimed: e.unclaimed},
	}}
}

// running is a Writer of member a.
type running struct {
	*testing.T
	*engine
	*memberAPI
	*Writer
	end func(cause error) // waits
	log *strings.Builder
}

// run starts a Writer, and ends it with the test.
func run(t *testing.T, e *engine, m *memberAPI) *running {
	r := &running{T: t, engine: e, memberAPI: m, log: &strings.Builder{}}
	var err error
	r.Writer, err = New(Options{
		Member: "a", Snapshots: e.snapshots, Budget: NewBudget(), Wrote: func(*snapshot.Federation, int, error) {},
		Log: slog.New(slog.NewTextHandler(r.log, nil)),
	}, m.config())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { r.Writer.Run(ctx) })
	r.end = func(cause error) { cancel(cause); wg.Wait() }
	t.Cleanup(func() {
		r.end(nil)
		if t.Failed() {
			t.Logf("%s%v", r.log, m.take())
		}
	})
	return r
}

// change changes a service, and tells the Writer.
func (r *running) change(name federation.ServiceName, address string) {
	r.engine.set(name, address)
	r.Wake()
}

// vouched returns the address that the mirror gives for a service at the global level: "none" if there is no such
// service. An error says why a plugin would not take it for fresh.
func (r *running) vouched(name federation.ServiceName) (string, error) {
	h, err := mirror.DecodeHeartbeat(r.data(id.HeartbeatName()))
	if err != nil {
		return "", err
	}
	i := mirror.BucketOf(h.Set, len(h.Buckets), name)
	data := r.data(id.BucketName(i, len(h.Buckets)))
	if mirror.Hash(data) != h.Buckets[i].Hash {
		return "", fmt.Errorf("bucket %d of %d is not vouched for", i, len(h.Buckets))
	}
	_, services, err := mirror.DecodeBucket(data)
	if err != nil {
		return "", err
	}
	for _, s := range services {
		if s.ServiceName() == name && s.Upstream {
			return "upstream", nil
		}
		if s.ServiceName() == name {
			return s.Levels[len(s.Levels)-1].Addresses[0].Address.String(), nil
		}
	}
	return "none", nil
}

// published returns whether the heartbeat says that the zone has taken a service's bucket.
func (r *running) published(name federation.ServiceName) (bool, error) {
	h, err := mirror.DecodeHeartbeat(r.data(id.HeartbeatName()))
	if err != nil {
		return false, err
	}
	return h.Buckets[mirror.BucketOf(h.Set, len(h.Buckets), name)].Published, nil
}

// becomes waits until the mirror gives an address for a service.
func (r *running) becomes(within time.Duration, name federation.ServiceName, want string) {
	r.Helper()
	eventually(r, within, func() error {
		have, err := r.vouched(name)
		if err == nil && have != want {
			err = fmt.Errorf("it is %s, want %s", have, want)
		}
		return err
	})
}

// says waits until the state of the mirror has the reason.
func (r *running) says(within time.Duration, want federation.Reason) {
	r.Helper()
	eventually(r, within, func() error {
		if st, _ := r.views.MirrorOf("a"); st.Reason != want {
			return fmt.Errorf("reason %q, want %q: %s", st.Reason, want, st.Detail)
		}
		return nil
	})
}

const (
	// slow is how long a test waits for what has no bound of its own: the machine may be busy.
	slow = 30 * time.Second
	// soon is before the next renewal, or the end of a request that hangs.
	soon = beatEvery - takenEvery
)

// repaired waits until that many repairs are reported.
func (r *running) repaired(want uint64) {
	r.Helper()
	eventually(r, slow, func() error {
		if st, _ := r.views.MirrorOf("a"); st.Repaired != want {
			return fmt.Errorf("%d repairs, want %d", st.Repaired, want)
		}
		return nil
	})
}

func eventually(t testing.TB, within time.Duration, f func() error) {
	t.Helper()
	late := time.After(within)
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-late:
			t.Fatalf("not within %s: %v", within, err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestWriter(t *testing.T) {
	t.Run("M4 a change is vouched for at once", func(t *testing.T) {
		r := run(t, newEngine(t), newMemberAPI(t))
		r.becomes(slow, web, "203.0.113.2")
		began := time.Now()
		r.change(web, "203.0.113.3")
		r.becomes(soon, web, "203.0.113.3")
		t.Logf("after %s", time.Since(began))
	})
	t.Run("M4 that the zone has taken a change is said before the next renewal", func(t *testing.T) {
		r := run(t, newEngine(t), newMemberAPI(t))
		r.becomes(slow, web, "203.0.113.2")
		r.publish(web, "203.0.113.3", false)
		r.Wake()
		r.becomes(soon, web, "203.0.113.3")
		if published, err := r.published(web); err != nil || published {
			t.Fatalf("published: %v, %v", published, err)
		}
		r.change(web, "203.0.113.3")
		eventually(t, soon, func() error {
			published, err := r.published(web)
			if err == nil && !published {
				err = errors.New("the heartbeat says that the zone is behind")
			}
			return err
		})
	})
	t.Run("M1 a service that is gone, or never was, is not in the mirror", func(t *testing.T) {
		r := run(t, newEngine(t), newMemberAPI(t))
		r.becomes(slow, web, "203.0.113.2")
		r.change(web, "")
		r.becomes(slow, web, "none")
	})
	t.Run("M1 a change that alters nothing for the member writes nothing", func(t *testing.T) {
		r := run(t, newEngine(t), newMemberAPI(t))
		r.becomes(slow, web, "203.0.113.2")
		r.take()
		r.change(web, "203.0.113.2")
		eventually(t, slow, func() error { // the next renewal
			if w := r.take(); !slices.Equal(w, []string{"PUT " + id.HeartbeatName()}) {
				return fmt.Errorf("%v", w)
			}
			return nil
		})
	})
	t.Run("M8 the member has left: its mirror goes", func(t *testing.T) {
		r := run(t, newEngine(t), newMemberAPI(t))
		r.becomes(slow, web, "203.0.113.2")
		r.take()
		r.end(ErrLeft)
		if n := len(r.names()); n > 0 {
			t.Errorf("%d objects are left", n)
		}
		if w := r.take(); len(w) == 0 || w[0] != "DELETE "+id.HeartbeatName() {
			t.Errorf("%v: the heartbeat has to go first", w)
		}
	})
	t.Run("M8 the member has left: what no watch has shown goes too", func(t *testing.T) {
		m := newMemberAPI(t)
		m.blind = true
		r := run(t, newEngine(t), m)
		r.becomes(slow, web, "203.0.113.2")
		r.end(ErrLeft)
		if n := len(r.names()); n > 0 {
			t.Errorf("%d objects are left", n)
		}
	})
	t.Run("M8 the member has left: what somebody else deletes meanwhile is no failure", func(t *testing.T) {
		r := run(t, newEngine(t), newMemberAPI(t))
		r.becomes(slow, web, "203.0.113.2")
		r.fail(func(method, name string) *apierrors.StatusError {
			if method == http.MethodDelete && r.objects[name] != nil {
				r.memberAPI.remove(name)
			}
			return nil
		})
		r.end(ErrLeft)
		if n := len(r.names()); n > 0 || strings.Contains(r.log.String(), "could not be removed") {
			t.Errorf("%d objects are left", n)
		}
	})
	t.Run("M8 the member has left: what others have there stays", func(t *testing.T) {
		m := newMemberAPI(t)
		other := mirror.IdentityOf(federation.Federation{Name: "fed", Domain: "example.net.", Naming: federation.Flat})
		for name, h := range map[string]mirror.Header{
			"theirs": {Format: mirror.Format, Identity: id, Owner: "them", Set: "x", Count: 1},
			"other":  {Format: mirror.Format, Identity: other, Owner: "us", Set: "x", Count: 1},
		} {
			m.stands(name, mirror.EncodeBucket(h, nil))
		}
		r := run(t, newEngine(t), m)
		r.becomes(slow, web, "203.0.113.2")
		r.end(ErrLeft)
		if left := r.names(); !maps.Equal(left, map[string]bool{"theirs": true, "other": true}) {
			t.Errorf("left: %v", left)
		}
	})
	t.Run("M3 the end of a syncer leaves its mirror, and the next one goes on with it", func(t *testing.T) {
		e, m := newEngine(t), newMemberAPI(t)
		r := run(t, e, m)
		r.becomes(slow, web, "203.0.113.2")
		before, _ := mirror.DecodeHeartbeat(r.data(id.HeartbeatName()))
		r.end(nil)
		m.take()
		next := run(t, e, m)
		eventually(t, slow, func() error {
			after, err := mirror.DecodeHeartbeat(m.data(id.HeartbeatName()))
			if err == nil && (after.Snapshot <= before.Snapshot || after.Set != before.Set) {
				err = fmt.Errorf("set %q number %d after %q %d", after.Set, after.Snapshot, before.Set, before.Snapshot)
			}
			return err
		})
		if w := m.take(); !slices.Equal(w, []string{"PUT " + id.HeartbeatName()}) {
			t.Errorf("written: %v", w)
		}
		next.becomes(slow, web, "203.0.113.2")
	})
}

// TestGeneration: readers do not believe a heartbeat of a lower generation at once.
func TestGeneration(t *testing.T) {
	const highest = math.MaxUint64
	generation := func(m *memberAPI) uint64 {
		h, err := mirror.DecodeHeartbeat(m.data(id.HeartbeatName()))
		if err != nil {
			return 0
		}
		return h.Generation
	}
	becomes := func(t *testing.T, m *memberAPI, want uint64) {
		t.Helper()
		eventually(t, slow, func() error {
			if have := generation(m); have != want {
				return fmt.Errorf("generation %d, want %d", have, want)
			}
			return nil
		})
	}
	stands := func(m *memberAPI, generation uint64) {
		h := mirror.Heartbeat{Format: mirror.Format, Identity: id, Member: "a", Owner: "us", Set: "x",
			Buckets: []mirror.BucketState{{}}, Generation: generation}
		m.stands(id.HeartbeatName(), h.Encode())
	}
	for _, tc := range []struct {
		rule         string
		stands, want uint64 // the claim has 7
	}{
		{"M3 the generation is the claim's if a lower one stands", 3, 7},
		{"M3 at a take-over it is above an equal one", 7, 8},
		{"M3 at a take-over it is above a higher one: the claim was lost", 9, 10},
		{"M3 above the highest there is none: then it is the claim's", highest, 7},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			t.Parallel()
			m := newMemberAPI(t)
			stands(m, tc.stands)
			run(t, newEngine(t), m)
			becomes(t, m, tc.want)
		})
	}
	t.Run("M3 one that is edited is written over with a higher one", func(t *testing.T) {
		t.Parallel()
		m := newMemberAPI(t)
		r := run(t, newEngine(t), m)
		becomes(t, m, 7)
		stands(m, 20)
		r.repaired(1)
		becomes(t, m, 21)
		r.change(web, "203.0.113.3") // and so it stays
		r.becomes(slow, web, "203.0.113.3")
		becomes(t, m, 21)
	})
}

func TestRetries(t *testing.T) {
	t.Run("M10 a right that is given is used within 30 s, and asked for twice a minute", func(t *testing.T) {
		next := retries()
		for n := range 100 {
			d := next.Step()
			if d > refusedPause || n > 10 && d < refusedPause-5*time.Second {
				t.Fatalf("attempt %d after %s", n, d)
			}
		}
	})
	t.Run("M10 without the right the member is asked once each time, and nothing is written", func(t *testing.T) {
		t.Parallel()
		m := newMemberAPI(t)
		var asked []time.Time
		m.fail(func(method, name string) *apierrors.StatusError {
			asked = append(asked, time.Now())
			return apierrors.NewForbidden(resource, "x", nil)
		})
		r := run(t, newEngine(t), m)
		r.says(slow, federation.ReasonMirrorRefused)
		for _, name := range []string{"b", "c", "d"} {
			r.change(federation.ServiceName{Namespace: "shop", Name: name}, "203.0.113.3")
		}
		eventually(t, slow, func() error {
			m.mu.Lock()
			defer m.mu.Unlock()
			if len(asked) < 4 {
				return fmt.Errorf("asked %d times", len(asked))
			}
			return nil
		})
		r.end(nil)
		m.mu.Lock()
		defer m.mu.Unlock()
		for i := range asked[1:] {
			if between := asked[i+1].Sub(asked[i]); between < minRetry {
				t.Errorf("asked again after %s", between)
			}
		}
		if len(m.writes) > 0 {
			t.Errorf("written: %v", m.writes)
		}
		m.fault = nil
	})
}

// TestUnclaimed: a loop that has not got its claim goes on from what the mirrors say.
func TestUnclaimed(t *testing.T) {
	stands := func(m *memberAPI, owner string) {
		h := mirror.Heartbeat{Format: mirror.Format, Identity: id, Member: "a", Owner: owner, Set: "x",
			Buckets: []mirror.BucketState{{}}, Generation: 3}
		svc := mirror.Service{Namespace: web.Namespace, Name: web.Name}
		header := mirror.Header{Format: mirror.Format, Identity: id, Owner: owner, Set: "x", Count: 1}
		m.stands(id.BucketName(0, 1), mirror.EncodeBucket(header, []string{svc.Line()}))
		m.stands(id.HeartbeatName(), h.Encode())
	}
	found := func(t *testing.T, e *engine) (c *mirror.Contents) {
		t.Helper()
		eventually(t, slow, func() error {
			var ok bool
			if c, ok = e.views.FoundMirrors()["a"]; !ok {
				return errors.New("the loop has not been told")
			}
			return nil
		})
		return c
	}
	unclaimed := func(t *testing.T) *engine {
		e := newEngine(t)
		e.unclaimed = true
		return e
	}
	t.Run("M1 it is told what stands, and that is kept", func(t *testing.T) {
		t.Parallel()
		e, m := unclaimed(t), newMemberAPI(t)
		stands(m, "us")
		r := run(t, e, m)
		if c := found(t, e); c == nil || c.Heartbeat.Generation != 3 || len(c.Services) != 1 {
			t.Errorf("found %+v", c)
		}
		r.becomes(slow, web, "203.0.113.2")
	})
	for rule, owner := range map[string]string{
		"M3 a mirror of another owner says nothing": "them", "M3 where none of ours stands, none is begun": "",
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			e, m := unclaimed(t), newMemberAPI(t)
			if owner != "" {
				stands(m, owner)
			}
			r := run(t, e, m)
			if c := found(t, e); c != nil {
				t.Errorf("found %+v", c)
			}
			eventually(t, slow, func() error { // a state is published at the end of a round
				if _, ok := e.views.MirrorOf("a"); !ok {
					return errors.New("the round has not ended")
				}
				return nil
			})
			r.end(nil)
			if w := m.take(); len(w) > 0 {
				t.Errorf("written: %v", w)
			}
		})
	}
	t.Run("M1 a mirror that cannot be read is read later", func(t *testing.T) {
		t.Parallel()
		e, m := unclaimed(t), newMemberAPI(t)
		stands(m, "us")
		lists := 0
		m.fail(func(method, name string) *apierrors.StatusError {
			if method == http.MethodGet && name == "" {
				if lists++; lists == 2 { // the first one is the watch's
					return apierrors.NewTooManyRequestsError("later")
				}
			}
			return nil
		})
		run(t, e, m)
		if c := found(t, e); c == nil {
			t.Error("it is taken for none")
		}
	})
	t.Run("M1 a loop with a claim is told nothing", func(t *testing.T) {
		t.Parallel()
		e, m := newEngine(t), newMemberAPI(t)
		stands(m, "us")
		r := run(t, e, m)
		r.becomes(slow, web, "203.0.113.2")
		if got := e.views.FoundMirrors(); len(got) > 0 {
			t.Errorf("found %v", got)
		}
	})
}

// refuse refuses writes to the bucket with an error.
func refuse(err *apierrors.StatusError) func(method, name string) *apierrors.StatusError {
	return func(method, name string) *apierrors.StatusError {
		if method != http.MethodGet && name == id.BucketName(0, 1) {
			return err
		}
		return nil
	}
}

// TestHonesty has a mirror that cannot be written: what is not there is not vouched for (M4).
func TestHonesty(t *testing.T) {
	tooLarge := apierrors.NewRequestEntityTooLargeError("etcdserver: request is too large")
	tooMany := apierrors.NewTooManyRequests("try later", 1)
	forbidden := apierrors.NewForbidden(resource, "x", nil)
	for _, tt := range []struct {
		name   string
		err    *apierrors.StatusError
		reason federation.Reason
	}{
		{"413", tooLarge, federation.ReasonMirrorFailed},
		{"429", tooMany, federation.ReasonMirrorFailed},
		{"403", forbidden, federation.ReasonMirrorRefused},
	} {
		t.Run("M4 a bucket is refused with "+tt.name, func(t *testing.T) {
			t.Parallel()
			r := run(t, newEngine(t), newMemberAPI(t))
			r.becomes(slow, web, "203.0.113.2")
			r.fail(refuse(tt.err))
			r.change(web, "203.0.113.3")
			r.says(slow, tt.reason)
			eventually(t, slow, func() error { return r.staleOrSilent(web) })
		})
	}
	t.Run("M4 the engine hangs: nothing is renewed", func(t *testing.T) {
		t.Parallel()
		r := run(t, newEngine(t), newMemberAPI(t))
		r.becomes(slow, web, "203.0.113.2")
		r.stop()
		var last string
		still := time.Now()
		eventually(t, slow, func() error {
			if now := r.data(id.HeartbeatName())["heartbeat"]; now != last {
				last, still = now, time.Now()
			}
			if time.Since(still) < 2*beatEvery {
				return fmt.Errorf("renewed %s ago", time.Since(still))
			}
			if st, _ := r.views.MirrorOf("a"); time.Since(st.Renewed) < 2*beatEvery { // it follows what stands there
				return fmt.Errorf("%+v", st)
			}
			return nil
		})
	})
	t.Run("M4 a bucket is edited, or deleted: it is written again, and reported", func(t *testing.T) {
		t.Parallel()
		r := run(t, newEngine(t), newMemberAPI(t))
		r.becomes(slow, web, "203.0.113.2")
		r.edit(id.BucketName(0, 1), func(data map[string]string) { data["services"] = "" })
		if _, err := r.vouched(web); err == nil {
			t.Error("what was edited is vouched for")
		}
		r.becomes(slow, web, "203.0.113.2")
		r.edit(id.BucketName(0, 1), nil)
		r.becomes(slow, web, "203.0.113.2")
		r.repaired(2)
		r.edit(id.BucketName(0, 1), nil) // once more
		r.becomes(slow, web, "203.0.113.2")
		r.edit(id.HeartbeatName(), nil)
		r.becomes(slow, web, "203.0.113.2")
		r.repaired(4)
	})
	t.Run("M3 what the writer finds before its watch shows it is reported, once", func(t *testing.T) {
		t.Parallel()
		m := newMemberAPI(t)
		m.blind = true
		r := run(t, newEngine(t), m)
		r.becomes(slow, web, "203.0.113.2")
		r.edit(id.HeartbeatName(), nil)
		r.repaired(1) // by the next renewal
		r.edit(id.BucketName(0, 1), nil)
		r.change(web, "203.0.113.3")
		r.becomes(slow, web, "203.0.113.3")
		r.repaired(2)
	})
	t.Run("M3 a write whose answer was lost is no edit", func(t *testing.T) {
		t.Parallel()
		r := run(t, newEngine(t), newMemberAPI(t))
		r.becomes(slow, web, "203.0.113.2")
		lost := map[string]bool{}
		r.lose(func(method, name string) bool {
			first := method == http.MethodPut && !lost[name]
			lost[name] = lost[name] || first
			return first
		})
		r.change(web, "203.0.113.3")
		r.becomes(slow, web, "203.0.113.3")
		r.change(web, "203.0.113.4")
		r.becomes(slow, web, "203.0.113.4")
		r.lose(nil)
		if len(lost) != 2 {
			t.Fatalf("lost: %v", lost)
		}
		r.end(nil)
		if said := r.log.String(); strings.Contains(said, "edited") || strings.Contains(said, "deleted") {
			t.Error("it is reported as one")
		}
	})
	t.Run("M4 a dead leader writes late: its bucket is not vouched for, and is written again", func(t *testing.T) {
		t.Parallel()
		r := run(t, newEngine(t), newMemberAPI(t))
		r.becomes(slow, web, "203.0.113.2")
		before := r.data(id.BucketName(0, 1))
		r.change(web, "203.0.113.3")
		r.becomes(slow, web, "203.0.113.3")
		r.edit(id.BucketName(0, 1), func(data map[string]string) { data["services"] = before["services"] })
		if have, err := r.vouched(web); err == nil && have == "203.0.113.2" {
			t.Error("the old content is vouched for")
		}
		r.becomes(slow, web, "203.0.113.3")
	})
	t.Run("M3 another owner's mirror is left alone, and reported", func(t *testing.T) {
		t.Parallel()
		m := newMemberAPI(t)
		h := mirror.Heartbeat{Format: mirror.Format, Identity: id, Member: "a", Owner: "them", Set: "x",
			Buckets: []mirror.BucketState{{}}}
		m.stands(id.HeartbeatName(), h.Encode())
		r := run(t, newEngine(t), m)
		r.says(slow, federation.ReasonMirrorForeign)
		if w := m.take(); len(w) > 0 {
			t.Errorf("written: %v", w)
		}
	})
	t.Run("M8 a member that hangs delays no other", func(t *testing.T) {
		t.Parallel()
		e, hung := newEngine(t), newMemberAPI(t)
		hung.hang = make(chan struct{})
		defer close(hung.hang)
		run(t, e, hung)
		r := run(t, e, newMemberAPI(t))
		r.becomes(slow, web, "203.0.113.2")
		began := time.Now()
		r.change(web, "203.0.113.3")
		r.becomes(soon, web, "203.0.113.3")
		t.Logf("after %s", time.Since(began))
	})
}

// staleOrSilent returns an error as long as a plugin would take what the mirror has of the service for fresh: the
// heartbeat vouches for the bucket, and is renewed.
func (r *running) staleOrSilent(name federation.ServiceName) error {
	if have, err := r.vouched(name); err == nil {
		st, _ := r.views.MirrorOf("a")
		if time.Since(st.Renewed) < beatEvery+bucketEvery {
			return fmt.Errorf("%s is vouched for", have)
		}
	}
	return nil
}
