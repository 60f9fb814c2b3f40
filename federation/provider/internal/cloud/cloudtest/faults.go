package cloudtest

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/test/fakecloud"
)

// Heal is a failure that the provider recovers from.
type Heal struct {
	Name  string
	Fates []fakecloud.Fate // of the requests to change something
	Want  []string         // requests, as Actions
}

// Heals tests failures that the provider recovers from: those of any service, and more.
func (v Service) Heals(t *testing.T, more ...Heal) {
	change, read := v.Change, v.Read
	made := v.Internal
	made.Done = true
	tests := append([]Heal{
		{"O3 the reply is lost after the change was made",
			[]fakecloud.Fate{{Done: true, HangUp: true}}, []string{change, read}},
		{"O3 the request is lost", []fakecloud.Fate{{HangUp: true}}, []string{change, read, change}},
		{"O3 both, one after the other",
			[]fakecloud.Fate{{HangUp: true}, {Done: true, HangUp: true}}, []string{change, read, change, read}},
		{"O3 no answer in time after the change was made",
			[]fakecloud.Fate{{Done: true, Stall: time.Minute}}, []string{change, read}},
		{"X5a 503", []fakecloud.Fate{v.Unavailable}, []string{action(change, v.Unavailable), read, change}},
		{"X5a 500 after the change was made", []fakecloud.Fate{made}, []string{action(change, made), read}},
		{"X5a throttled", []fakecloud.Fate{v.Throttled, v.Throttled},
			[]string{action(change, v.Throttled), action(change, v.Throttled), change}},
	}, more...)
	for _, tt := range tests {
		t.Run(tt.Name, func(t *testing.T) {
			s, p := v.Claimed(t, func(o *Options) { o.Timeout = 10 * time.Second })
			if tt.Fates[0].Stall > 0 {
				p = v.Connect(t, s, func(o *Options) { o.Timeout = 500 * time.Millisecond })
				Has(t, p, Name("nothing"))
				s.Reset()
			}
			c := Create(1)[0]
			s.SetFaults(v.changesMeet(tt.Fates...))
			Must(t, p, &Claim, c)
			if diff := cmp.Diff(tt.Want, Actions(s)); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			Has(t, p, c.Name, c.To...)
		})
	}
	t.Run("O3 an outcome that cannot be seen stays open", func(t *testing.T) {
		s, p := v.Claimed(t, nil)
		s.SetFaults(fakecloud.Faults{Fate: func(fakecloud.Request) fakecloud.Fate {
			return fakecloud.Fate{HangUp: true}
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, err := range p.Apply(ctx, &Claim, Create(2)) {
			Is(t, err, nil)
		}
	})
	t.Run("X5a a list is throttled", func(t *testing.T) {
		shared := Unlimited()
		s, p := v.Claimed(t, func(o *Options) { o.Budget = shared })
		Must(t, p, &Claim, Create(2)...)
		n := 0
		s.SetFaults(fakecloud.Faults{Fate: func(fakecloud.Request) fakecloud.Fate {
			if n++; n%2 == 1 {
				return v.Throttled
			}
			return fakecloud.Fate{}
		}})
		if got := List(t, p, Subtree); len(got) != 5 {
			t.Errorf("List yields %d RRsets, want 5", len(got))
		}
		if got := shared.Stats(); got.Throttled == 0 || got.Throttled >= got.Requests {
			t.Errorf("the budget has counted %+v", got)
		}
	})
	t.Run("X5a the limit of the account is below ours", func(t *testing.T) {
		s, p := v.Claimed(t, nil)
		s.SetLimits(fakecloud.Limits{PerSecond: 3})
		for _, c := range Create(8) {
			Must(t, p, &Claim, c)
		}
		if !slices.Contains(Actions(s), action(v.Change, v.Throttled)) {
			t.Error("nothing was throttled: the test shows nothing")
		}
	})
}

// SharedBudget tests providers that share a budget.
func (v Service) SharedBudget(t *testing.T) {
	t.Run("X5b one change in flight for a zone, of several providers", func(t *testing.T) {
		s := v.Start(t)
		var mu sync.Mutex
		inFlight, most := 0, 0
		s.Observe(func(e fakecloud.Exchange) {
			if e.Action == v.Change {
				mu.Lock()
				inFlight--
				mu.Unlock()
			}
			if e.Status >= 400 {
				t.Errorf("refused: %s", e.Answer) // Route 53 refuses a second request for the zone
			}
		})
		s.SetFaults(fakecloud.Faults{ChangeTakes: 5 * time.Millisecond, Fate: func(r fakecloud.Request) fakecloud.Fate {
			if r.Action == v.Change {
				mu.Lock()
				defer mu.Unlock()
				inFlight++
				most = max(most, inFlight)
			}
			return fakecloud.Fate{}
		}})
		shared := Unlimited()
		var wg sync.WaitGroup
		for _, c := range Create(24) {
			p := v.Connect(t, s, func(o *Options) { o.Budget = shared })
			wg.Go(func() {
				if err := p.Apply(t.Context(), nil, []plan.Change{c})[0]; err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if most != 1 {
			t.Errorf("%d changes were in flight", most)
		}
	})
	t.Run("X5b the requests per second of an account, by several providers", func(t *testing.T) {
		const perSecond, count = 40, 60
		s := v.Start(t)
		shared := budget.New(perSecond)
		var wg sync.WaitGroup
		begin := time.Now()
		for part := range slices.Chunk(Create(count), count/3) {
			p := v.Connect(t, s, func(o *Options) { o.Budget = shared })
			wg.Go(func() {
				for _, c := range part {
					if err := p.Apply(t.Context(), nil, []plan.Change{c})[0]; err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if took, least := time.Since(begin), time.Second*(count+3-perSecond)/perSecond; took < least {
			t.Errorf("%d requests within %v, want at least %v", count+3, took, least)
		}
	})
}

// Cancels tests the end of a context.
func (v Service) Cancels(t *testing.T) {
	t.Run("X5b no request starts after the context has ended", func(t *testing.T) {
		s, p := v.Claimed(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		changes := Create(3000)
		calls, ended := 0, time.Time{}
		s.SetFaults(fakecloud.Faults{Fate: func(fakecloud.Request) fakecloud.Fate {
			if calls++; calls == 3 {
				ended = time.Now()
				cancel()
				return fakecloud.Fate{Delay: time.Minute}
			}
			return fakecloud.Fate{}
		}})
		errs := p.Apply(ctx, &Claim, changes)
		if took := time.Since(ended); took > 2*time.Second {
			t.Errorf("it took %v to notice", took)
		}
		made := slices.IndexFunc(errs, func(err error) bool { return err != nil })
		if made != 2*499 {
			t.Errorf("%d changes were made", made)
		}
		for _, err := range errs[made:] {
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("error is %v", err)
			}
		}
		Has(t, p, changes[len(changes)-1].Name) // a request of its own: everything before it was served
		if got := s.Count(v.Change); got != 3 {
			t.Errorf("%d requests, want 3", got)
		}
	})
	t.Run("X5b a server that does not answer", func(t *testing.T) {
		s, _ := v.Claimed(t, nil)
		p := v.Connect(t, s, func(o *Options) { o.Timeout = 200 * time.Millisecond })
		Has(t, p, Name("nothing"))
		s.SetFaults(fakecloud.Faults{Fate: func(fakecloud.Request) fakecloud.Fate {
			return fakecloud.Fate{Delay: time.Minute}
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		err := p.Apply(ctx, &Claim, Create(1))[0]
		if took := time.Since(begin); took > 3*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", took, err)
		}
		Is(t, err, nil)
	})
}

// Failure is an answer to a change, and the error that the provider makes of it.
type Failure struct {
	Name  string
	Fate  fakecloud.Fate
	Kind  error    // nil leaves the outcome open
	Words []string // InZone stands for the zone's ID
}

// InZone is in the Words of a Failure that names the zone.
const InZone = "{zone}"

// Failures tests the errors of changes, those of any service and more. Each has a zone of its own, so that they run at
// the same time.
func (v Service) Failures(t *testing.T, more ...Failure) {
	tests := append([]Failure{
		{"denied", v.Denied, provider.ErrRefused, v.Denial(v.Change)},
		{"a request that is refused", v.Invalid, provider.ErrRefused, []string{v.Invalid.Code, "as the test wants it"}},
		{"throttled", v.Throttled, nil, []string{v.Throttled.Code, "another program"}},
		{"out of order", v.Unavailable, nil, []string{"503", v.Unavailable.Code, "it was not made"}},
		{"no answer", fakecloud.Fate{HangUp: true}, nil, []string{"no answer", "it was not made"}},
		{"no such zone", v.NoZone, provider.ErrRefused, []string{v.NoZone.Code, "check "}},
	}, more...)
	var zones []fakecloud.Zone
	fates := map[string]fakecloud.Fate{}
	for i, tt := range tests {
		id := v.ZoneID("case-" + strings.Repeat("x", i+1))
		zones = append(zones, fakecloud.Zone{ID: id, Name: string(Domain)})
		fates[id] = tt.Fate
	}
	s := v.Start(t, zones...)
	s.SetFaults(fakecloud.Faults{Fate: func(r fakecloud.Request) fakecloud.Fate {
		if r.Action != v.Change {
			return fakecloud.Fate{}
		}
		return fates[r.Zone]
	}})
	for i, tt := range tests {
		t.Run("X7 "+tt.Name, func(t *testing.T) {
			t.Parallel()
			p := v.Connect(t, s, func(o *Options) { o.Zone = zones[i].ID })
			err := p.Apply(t.Context(), nil, Create(1))[0]
			Says(t, err, v.Name+": "+v.Change, `"service-0.ns.fed.svc.example.com."`)
			for _, word := range tt.Words {
				Says(t, err, strings.ReplaceAll(word, InZone, zones[i].ID))
			}
			Is(t, err, tt.Kind)
			Has(t, p, Name("service-0"))
		})
	}
}

// Permissions tests what the credentials do not allow.
func (v Service) Permissions(t *testing.T) {
	t.Run("X5a the names that are denied cost only themselves", func(t *testing.T) {
		s, p := v.Claimed(t, nil)
		changes := Create(40)
		denied := func(names []string) bool {
			return slices.ContainsFunc(names, func(n string) bool {
				return slices.ContainsFunc(changes[10:20], func(c plan.Change) bool { return string(c.Name) == n })
			})
		}
		s.SetFaults(fakecloud.Faults{Fate: func(r fakecloud.Request) fakecloud.Fate {
			if denied(r.Names) {
				return v.Denied
			}
			return fakecloud.Fate{}
		}})
		for i, err := range p.Apply(t.Context(), &Claim, changes) {
			if want := i >= 10 && i < 20; errors.Is(err, provider.ErrRefused) != want || !want && err != nil {
				t.Errorf("change %d: %v", i, err)
			}
		}
	})
	t.Run("X7 reading is not allowed", func(t *testing.T) {
		s, p := v.Claimed(t, nil)
		s.SetFaults(Always(v.Read, v.Denied))
		_, err := p.Get(t.Context(), Name("nginx"))
		_, soaErr := p.NegativeTTL(t.Context())
		list := p.List(t.Context(), Domain, func(federation.RRset) error { return nil })
		for _, err := range []error{err, soaErr, list} {
			Says(t, err, v.Denial(v.Read)...)
			Is(t, err, provider.ErrRefused)
		}
	})
	t.Run("X7 looking for the zone is not allowed", func(t *testing.T) {
		for id, action := range map[string]string{v.Zone: v.GetZone, "": v.FindZones} {
			s := v.Start(t)
			s.SetFaults(Always(action, v.Denied))
			p := v.Connect(t, s, func(o *Options) { o.Zone = id })
			_, err := p.Get(t.Context(), Name("nginx"))
			Says(t, err, v.Denial(action)...)
		}
	})
}

// Reach tests endpoints that cannot be reached.
func (v Service) Reach(t *testing.T) {
	t.Run("X7 nobody listens", func(t *testing.T) {
		s, _ := v.Claimed(t, nil)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listener.Close()
		p := v.Connect(t, s, func(o *Options) { o.Endpoint = "http://" + listener.Addr().String() })
		err = p.Apply(t.Context(), &Claim, Create(1))[0]
		Is(t, err, nil)
		Says(t, err, "not sent", "connection refused")
	})
	t.Run("X7 a certificate that is not trusted", func(t *testing.T) {
		s := v.Start(t)
		secure := WithTLS(t, s)
		p := v.Connect(t, s, func(o *Options) { o.Endpoint = secure.URL })
		err := p.Apply(t.Context(), nil, Create(1))[0]
		Is(t, err, nil)
		Says(t, err, "not sent", "certificate", v.Untrusted)
	})
}
