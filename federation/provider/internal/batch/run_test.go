package batch_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/internal/batch"
)

func TestHalving(t *testing.T) {
	t.Run("X5a one bad name among 10,000", func(t *testing.T) {
		const bad = 4321
		s := claimed(1000)
		changes := many(10_000)
		changes[bad] = create("bad.fed.svc." + zone)
		for i, err := range batch.Apply(t.Context(), s, zone, &claim, changes) {
			want := error(nil)
			if i == bad {
				want = provider.ErrRefused
			}
			fails(t, err, want)
		}
		if requests := len(s.sent) + len(s.reads); requests >= 50 {
			t.Errorf("it took %d requests", requests)
		} else {
			t.Logf("it took %d requests", requests)
		}
		if got := len(s.names) - 1; got != len(changes)-1 {
			t.Errorf("%d names are there", got)
		}
	})
	t.Run("O3c what is at the name tells a conflict from a refusal", func(t *testing.T) {
		s := claimed(100)
		old, foreign := name("old"), name("foreign")
		s.names[old] = address(old, 9)
		s.foreign[foreign] = []string{"MX"}
		alias := []federation.RRset{{Name: foreign, Type: "CNAME", TTL: 180, Data: []string{"lb.example.org."}}}
		errs := batch.Apply(t.Context(), s, zone, &claim, []plan.Change{
			create(name("a")), create(old), {Name: foreign, To: alias}, create("bad.fed.svc." + zone),
			create(name("b")),
		})
		for i, want := range []error{nil, provider.ErrConflict, provider.ErrRefused, provider.ErrRefused, nil} {
			fails(t, errs[i], want)
		}
		for i, want := range map[int]string{1: "A 180 192.0.2.9", 2: "MX", 3: "is bad"} {
			if !strings.Contains(errs[i].Error(), want) {
				t.Errorf("error %q does not say %q", errs[i], want)
			}
		}
	})
	t.Run("X5a too many refused in a row end it", func(t *testing.T) {
		s := newServer(100)
		s.fate = func(int, []plan.Change) (bool, error) {
			return false, &batch.Error{Kind: batch.Refused, Err: errors.New("the zone is full")}
		}
		refusedFirst(t, batch.Apply(t.Context(), s, zone, nil, many(1000)), 64)
		if requests := len(s.sent) + len(s.reads); requests > 250 {
			t.Errorf("it took %d requests", requests)
		}
	})
	t.Run("X5a all denied costs few requests", func(t *testing.T) {
		s := newServer(100)
		s.fate = func(int, []plan.Change) (bool, error) {
			return false, &batch.Error{Kind: batch.Denied, Err: errors.New("access denied")}
		}
		refusedFirst(t, batch.Apply(t.Context(), s, zone, nil, many(1000)), 3)
		if requests := len(s.sent) + len(s.reads); requests > 12 {
			t.Errorf("it took %d requests", requests)
		}
	})
	t.Run("X5a some denied block no others", func(t *testing.T) {
		s := newServer(100)
		s.fate = func(_ int, changes []plan.Change) (bool, error) {
			if slices.ContainsFunc(changes, func(c plan.Change) bool {
				return strings.Contains(string(c.Name),
					"denied")
			}) {
				return false, &batch.Error{Kind: batch.Denied, Err: errors.New("access denied")}
			}
			return false, nil
		}
		changes := many(20)
		for i := 5; i < 15; i++ {
			changes[i] = create(name("denied%d", i))
		}
		for i, err := range batch.Apply(t.Context(), s, zone, nil, changes) {
			want := error(nil)
			if i >= 5 && i < 15 {
				want = provider.ErrRefused
			}
			fails(t, err, want)
		}
	})
	t.Run("X5a a rejection goes for all changes", func(t *testing.T) {
		s := newServer(100)
		s.fate = func(int, []plan.Change) (bool, error) {
			return false, &batch.Error{Kind: batch.Rejected, Err: errors.New("no such zone")}
		}
		for i, err := range batch.Apply(t.Context(), s, zone, nil, many(1000)) {
			if err == nil || !strings.Contains(err.Error(), "no such zone") {
				t.Errorf("change %d: %v", i, err)
			}
		}
		if len(s.sent) != 1 {
			t.Errorf("it took %d requests", len(s.sent))
		}
	})
}

// refusedFirst checks that so many changes were refused, and no other was sent: nothing is known of those.
func refusedFirst(t *testing.T, errs []error, n int) {
	t.Helper()
	for i, err := range errs {
		if kind := provider.KindOf(err); (i < n) != (errors.Is(kind, provider.ErrRefused)) || i >= n &&
			!errors.Is(kind, provider.ErrNotSent) {
			t.Errorf("change %d: %v", i, err)
			return
		}
	}
}

func TestKinds(t *testing.T) {
	lost := errors.New("no answer")
	silent := func(c plan.Change) bool { return strings.HasPrefix(string(c.Name), "silent") }
	// tried makes the changes again, as a caller does, until only silent ones are left.
	tried := func(t *testing.T, s *server, kind error, changes []plan.Change) (rounds int) {
		t.Helper()
		for rounds = 1; rounds <= 8; rounds++ {
			var left []plan.Change
			good := 0
			for i, err := range batch.Apply(t.Context(), s, zone, &claim, changes) {
				if err == nil {
					continue
				}
				if is := provider.KindOf(err); !errors.Is(is, provider.ErrNotSent) && !errors.Is(is, kind) {
					t.Fatalf("round %d, %q: %v", rounds, changes[i].Name, err)
				}
				left = append(left, changes[i])
				if !silent(changes[i]) {
					good++
				}
			}
			if changes = left; good == 0 {
				return rounds
			}
		}
		t.Fatalf("after %d rounds %d changes are left", rounds, len(changes))
		return rounds
	}
	for kind, visible := range map[error]bool{provider.ErrUnavailable: true, provider.ErrUnknownOutcome: false} {
		t.Run("X5a a name that gets no answer costs the others nothing for long, "+kind.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := claimed(100)
				s.fate = func(_ int, changes []plan.Change) (bool, error) {
					if slices.ContainsFunc(changes, silent) {
						return false, lost
					}
					return false, nil
				}
				s.readFate = func(n int) error {
					if name := s.reads[n-1]; !visible && name != claim.Name {
						return lost
					}
					return nil
				}
				changes := many(300)
				changes[42] = create("silent1." + zone)
				changes[250] = create("silent2." + zone)
				rounds := tried(t, s, kind, changes)
				if got := len(s.names) - 1; got != len(changes)-2 {
					t.Errorf("%d names are there", got)
				}
				t.Logf("%d rounds, %d requests", rounds, len(s.sent))
			})
		})
	}
	t.Run("X5a a name that cannot be read costs no other", func(t *testing.T) {
		s := claimed(100)
		s.readFate = func(n int) error {
			if strings.HasPrefix(string(s.reads[n-1]), "bad") {
				return lost
			}
			return nil
		}
		changes := many(50)
		changes[7] = create("bad.fed.svc." + zone)
		for i, err := range batch.Apply(t.Context(), s, zone, &claim, changes) {
			if i == 7 && !errors.Is(provider.KindOf(err), provider.ErrUnavailable) || i != 7 && err != nil {
				t.Errorf("change %d: %v", i, err)
			}
		}
	})
	t.Run("X5a a server that reads nothing ends the run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := claimed(3) // the claim weighs two
			s.fate = func(int, []plan.Change) (bool, error) { return false, lost }
			s.readFate = func(int) error { return lost }
			for i, err := range batch.Apply(t.Context(), s, zone, &claim, many(50)) {
				want := provider.ErrNotSent
				if i == 0 {
					want = provider.ErrUnknownOutcome
				}
				if !errors.Is(provider.KindOf(err), want) {
					t.Errorf("change %d: %v", i, err)
				}
			}
			if len(s.sent) != 1 {
				t.Errorf("it took %d requests", len(s.sent))
			}
		})
	})
	for _, tt := range []struct {
		name string
		err  error
		want error
	}{
		{"refused", &batch.Error{Kind: batch.Refused, Err: lost}, provider.ErrRefused},
		{"denied", &batch.Error{Kind: batch.Denied, Err: lost}, provider.ErrRefused},
		{"rejected", &batch.Error{Kind: batch.Rejected, Err: lost}, provider.ErrRefused},
		{"busy", &batch.Error{Kind: batch.Later, Err: lost}, provider.ErrUnavailable},
		{"not reached", &batch.Error{Kind: batch.Later, Err: provider.ErrNotSent}, provider.ErrNotSent},
		{"throttled", &batch.Error{Kind: batch.Later, Err: lost, Throttled: true}, provider.ErrUnavailable},
	} {
		t.Run("X5a the kind of an error: "+tt.name, func(t *testing.T) {
			if got := provider.KindOf(tt.err); !errors.Is(got, tt.want) ||
				errors.Is(tt.err, provider.ErrThrottled) != (tt.name == "throttled") {
				t.Errorf("kind %v", got)
			}
		})
	}
}

func TestRetry(t *testing.T) {
	busy := &batch.Error{Kind: batch.Later, Err: errors.New("throttled")}
	lost := errors.New("no answer")
	t.Run("X5a a busy server is asked again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(100)
			begin := time.Now()
			s.fate = func(n int, _ []plan.Change) (bool, error) {
				if n < 4 {
					return false, busy
				}
				return false, nil
			}
			fails(t, errors.Join(batch.Apply(t.Context(), s, zone, nil, many(50))...), nil)
			if took := time.Since(begin); len(s.sent) != 4 || took < 700*time.Millisecond || took > 3*time.Second {
				t.Errorf("%d requests within %v", len(s.sent), took)
			}
		})
	})
	t.Run("X5a a server that stays busy ends it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(10)
			s.fate = func(int, []plan.Change) (bool, error) { return false, busy }
			for _, err := range batch.Apply(t.Context(), s, zone, nil, many(50)) {
				open(t, err)
			}
			if len(s.sent) != 5 {
				t.Errorf("it took %d requests", len(s.sent))
			}
		})
	})
	t.Run("O3 the reply is lost after the changes were made", func(t *testing.T) {
		s := newServer(100)
		s.fate = func(n int, _ []plan.Change) (bool, error) { return true, lost }
		fails(t, errors.Join(batch.Apply(t.Context(), s, zone, nil, many(50))...), nil)
		if len(s.sent) != 1 || len(s.reads) != 3 {
			t.Errorf("%d requests and %d reads, want 1 and 3", len(s.sent), len(s.reads))
		}
	})
	t.Run("O3 the request is lost", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(100)
			s.fate = func(n int, _ []plan.Change) (bool, error) {
				if n == 1 {
					return false, lost
				}
				return false, nil
			}
			fails(t, errors.Join(batch.Apply(t.Context(), s, zone, nil, many(50))...), nil)
			if len(s.sent) != 2 {
				t.Errorf("it took %d requests, want 2", len(s.sent))
			}
		})
	})
	t.Run("O3 the request is late: the one that is sent again finds the changes made", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(100)
			s.fate = func(n int, changes []plan.Change) (bool, error) {
				if n == 1 {
					return false, lost
				}
				return false, s.apply(nil, changes) // the first request arrives now
			}
			fails(t, batch.Apply(t.Context(), s, zone, nil, many(1))[0], nil)
		})
	})
	t.Run("O3 an outcome that cannot be seen stays open", func(t *testing.T) {
		for _, state := range [][]federation.RRset{nil, address(name("s0"), 7)} {
			s := newServer(100)
			s.fate = func(int, []plan.Change) (bool, error) { return true, lost }
			s.readFate = func(int) error {
				if state == nil {
					return lost
				}
				s.names[state[0].Name] = state // another writer was here
				return nil
			}
			for _, err := range batch.Apply(t.Context(), s, zone, nil, many(3)) {
				open(t, err)
			}
			if len(s.sent) != 1 {
				t.Errorf("it took %d requests", len(s.sent))
			}
		}
	})
	t.Run("X5b nothing is sent after the context has ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := newServer(10)
		s.fate = func(n int, _ []plan.Change) (bool, error) {
			if n == 3 {
				cancel()
				return true, lost
			}
			return false, nil
		}
		for i, err := range batch.Apply(ctx, s, zone, nil, many(100)) {
			if i < 20 {
				fails(t, err, nil)
			} else {
				fails(t, err, context.Canceled)
			}
		}
		if len(s.sent) != 3 || len(s.reads) > 0 {
			t.Errorf("%d requests and %d reads", len(s.sent), len(s.reads))
		}
	})
	t.Run("X5b a pause ends with the context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(50*time.Millisecond, cancel)
			s := newServer(10)
			s.fate = func(int, []plan.Change) (bool, error) { return false, busy }
			begin := time.Now()
			batch.Apply(ctx, s, zone, nil, many(100))
			if took := time.Since(begin); took != 50*time.Millisecond || len(s.sent) != 1 {
				t.Errorf("%d requests within %v", len(s.sent), took)
			}
		})
	})
}

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name  string
		err   error
		calls int
	}{
		{"X5a busy", &batch.Error{Kind: batch.Later, Err: errors.New("throttled")}, 5},
		{"X5a no answer", errors.New("no answer"), 5},
		{"X5a denied", &batch.Error{Kind: batch.Denied, Err: errors.New("denied")}, 1},
		{"X5a refused", provider.ErrRefused, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				err := batch.Read(t.Context(), func() error { calls++; return tt.err })
				if calls != tt.calls || !errors.Is(err, tt.err) {
					t.Errorf("%d calls and %v", calls, err)
				}
			})
		})
	}
}
