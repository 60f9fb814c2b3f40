package route53_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/route53"
	"github.com/federation-dns/federation/test/fakecloud"
	standin "github.com/federation-dns/federation/test/route53"
)

var claim = set("_claim.fed.svc."+zone, "TXT", `"heritage=federation-dns" "owner=test" "generation=1"`)

// claimed is a stand-in that has the claim, and a provider that has found the
// hosted zone.
func claimed(t testing.TB, change func(*route53.Config)) (*standin.Server, *route53.Provider) {
	t.Helper()
	s := start(t)
	p := connect(t, s, change)
	must(t, p, nil, plan.Change{Name: claim.Name, To: []federation.RRset{claim}})
	s.Reset()
	return s, p
}

// must makes the changes, which must all succeed.
func must(t testing.TB, p provider.Provider, claim *federation.RRset, changes ...plan.Change) {
	t.Helper()
	for i, err := range p.Apply(t.Context(), claim, changes) {
		if err != nil {
			t.Fatalf("change %d of %d: %v", i, len(changes), err)
		}
	}
}

// has checks what is at the name.
func has(t testing.TB, p provider.Provider, n federation.FQDN, want ...federation.RRset) {
	t.Helper()
	got, err := p.Get(t.Context(), n)
	if err != nil || !federation.EqualRRsets(got, want) {
		t.Errorf("at %q is %v, %v, want %v", n, got, err, want)
	}
}

// actions are the requests since the last Reset, as "Change...Sets" or
// "Change...Sets Throttling".
func actions(s *standin.Server) (out []string) {
	for _, r := range s.Requests() {
		out = append(out, strings.TrimSpace(r.Action+" "+r.Code))
	}
	return out
}

// create creates addresses at that many names.
func create(count int) (changes []plan.Change) {
	for i := range count {
		n := name(fmt.Sprintf("service-%d", i))
		changes = append(changes, plan.Change{Name: n, To: []federation.RRset{
			set(n, "A", fmt.Sprintf("192.0.2.%d", i%250+1)), set(n, "AAAA", fmt.Sprintf("2001:db8::%x", i+1)),
		}})
	}
	return changes
}

// batchOf returns the elements of a request to change something, as "DELETE A
// name".
func batchOf(body []byte) (out []string) {
	one := regexp.MustCompile(`(?s)<Change>.*?<Action>(\w+)</Action>.*?<Name>([^<]+)</Name>.*?<Type>(\w+)</Type>.*?</Change>`)
	for _, m := range one.FindAllSubmatch(body, -1) {
		out = append(out, fmt.Sprintf("%s %s %s", m[1], m[3], m[2]))
	}
	return out
}

func TestBatch(t *testing.T) {
	n := name("nginx")
	addresses := []federation.RRset{set(n, "A", "192.0.2.1", "192.0.2.2"), set(n, "AAAA", "2001:db8::1")}
	alias := []federation.RRset{set(n, "CNAME", "nginx.ns.fed.svc.example.com.")}
	t.Run("P6 a switch is one request: the claim, the old RRsets, the new", func(t *testing.T) {
		s, p := claimed(t, nil)
		must(t, p, &claim, plan.Change{Name: n, To: addresses})
		bodies := record(t, s)
		must(t, p, &claim, plan.Change{Name: n, From: addresses, To: alias})
		must(t, p, &claim, plan.Change{Name: n, From: alias, To: addresses})
		beforeAll := []string{"DELETE TXT _claim.fed.svc.example.com.", "CREATE TXT _claim.fed.svc.example.com."}
		want := [][]string{
			append(slices.Clone(beforeAll), "DELETE A "+string(n), "DELETE AAAA "+string(n), "CREATE CNAME "+string(n)),
			append(slices.Clone(beforeAll), "DELETE CNAME "+string(n), "CREATE A "+string(n), "CREATE AAAA "+string(n)),
		}
		var got [][]string
		for _, body := range bodies() {
			got = append(got, batchOf(body))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
	t.Run("O3a what the change leaves as it is is asserted too", func(t *testing.T) {
		s, p := claimed(t, nil)
		must(t, p, &claim, plan.Change{Name: n, To: addresses})
		next := []federation.RRset{set(n, "A", "192.0.2.9"), addresses[1]}
		put(t, s, set(n, "AAAA", "2001:db8::f"))
		err := p.Apply(t.Context(), &claim, []plan.Change{{Name: n, From: addresses, To: next}})[0]
		says(t, err, `"nginx.ns.fed.svc.example.com."`, "A 180 192.0.2.1, 192.0.2.2", "AAAA 180 2001:db8::f")
		if !errors.Is(err, provider.ErrConflict) {
			t.Errorf("error is %v", err)
		}
		has(t, p, n, addresses[0], set(n, "AAAA", "2001:db8::f"))
	})
	t.Run("O3a an address RRset of the other type is left alone", func(t *testing.T) {
		s, p := claimed(t, nil)
		must(t, p, &claim, plan.Change{Name: n, To: addresses[:1]})
		foreign := set(n, "AAAA", "2001:db8::f")
		put(t, s, foreign)
		next := set(n, "A", "192.0.2.9")
		must(t, p, &claim, plan.Change{Name: n, From: addresses[:1], To: []federation.RRset{next}})
		has(t, p, n, next, foreign)
		must(t, p, &claim, plan.Change{Name: n, From: []federation.RRset{next}})
		has(t, p, n, foreign)
		if !p.Caps().MissesOtherTypes {
			t.Error("Caps does not say so")
		}
	})
	t.Run("O3a nothing is made beside an alias or a routing policy of the type", func(t *testing.T) {
		s, p := claimed(t, nil)
		for special, kind := range map[string]string{"alias": "alias", "policy": "routing policy"} {
			id := map[string]string{"policy": "blue"}[special]
			label := name(special)
			if err := s.Load(zoneID, setOf(label, "A", special, id)); err != nil {
				t.Fatal(err)
			}
			for _, to := range []federation.RRset{set(label, "A", "192.0.2.1"), set(label, "CNAME", "nginx.example.org.")} {
				err := p.Apply(t.Context(), &claim, []plan.Change{{Name: label, To: []federation.RRset{to}}})[0]
				if !errors.Is(err, provider.ErrRefused) {
					t.Errorf("%s: error is %v", special, err)
				}
				says(t, err, "A ("+kind+")", "remove it")
			}
			has(t, p, label)
		}
	})
}

func TestRequests(t *testing.T) {
	t.Run("X5b a request has at most 1000 values", func(t *testing.T) {
		s, p := claimed(t, nil)
		changes := create(1200)
		must(t, p, &claim, changes...)
		for i, c := range changes {
			changes[i] = plan.Change{Name: c.Name, From: c.To}
		}
		must(t, p, &claim, changes...)
		got := values(s)
		// 2 for the claim in each; what goes counts as what comes does.
		if want := []int{1000, 1000, 406, 1000, 1000, 406}; !slices.Equal(got, want) {
			t.Errorf("requests of %v values, want %v", got, want)
		}
	})
	t.Run("X5b a request has at most 32,000 characters", func(t *testing.T) {
		s, p := claimed(t, nil)
		target := strings.Repeat(strings.Repeat("x", 62)+".", 3) + "example.org."
		var changes []plan.Change
		for i := range 400 {
			n := name(fmt.Sprintf("s%d", i))
			changes = append(changes, plan.Change{Name: n, To: []federation.RRset{set(n, "CNAME", target)}})
		}
		must(t, p, &claim, changes...)
		for _, r := range s.Requests() {
			if r.Data > 32_000 || r.Code != "" {
				t.Errorf("a request of %d characters: %q", r.Data, r.Code)
			}
		}
		want := 1 + len(changes)/((32_000-2*len(claim.Data[0]))/len(target))
		if got := len(s.Requests()); got != want {
			t.Errorf("%d requests, want %d", got, want)
		}
	})
	t.Run("X5b the escapes of the API count", func(t *testing.T) {
		s, p := claimed(t, nil)
		var changes []plan.Change
		for i := range 100 {
			n := federation.FQDN(fmt.Sprintf("_levels.f%d.svc.%s", i, zone))
			changes = append(changes, plan.Change{Name: n, To: []federation.RRset{set(n, "TXT", `"`+strings.Repeat(`\200`, 250)+`"`)}})
		}
		must(t, p, &claim, changes...)
		for _, r := range s.Requests() {
			if r.Code != "" {
				t.Errorf("a request of %d characters: %q", r.Data, r.Code)
			}
		}
	})
	t.Run("X5a a full zone refuses only what does not fit", func(t *testing.T) {
		s, p := claimed(t, nil)
		s.SetLimits(fakecloud.Limits{RRsets: 3 + 20})
		made := 0
		for i, err := range p.Apply(t.Context(), &claim, create(50)) {
			switch {
			case err == nil:
				made++
			case !errors.Is(err, provider.ErrRefused):
				t.Errorf("change %d: %v", i, err)
			default:
				says(t, err, "limit of 23 exceeded")
			}
		}
		if made != 10 {
			t.Errorf("%d changes were made, 10 fit", made)
		}
	})
}

func values(s *standin.Server) (out []int) {
	for _, r := range s.Requests() {
		out = append(out, r.Values)
	}
	return out
}

func TestCancel(t *testing.T) {
	t.Run("X5b no request starts after the context has ended", func(t *testing.T) {
		s, p := claimed(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		changes := create(3000)
		calls, ended := 0, time.Time{}
		s.SetFaults(fakecloud.Faults{Fate: func(fakecloud.Request) fakecloud.Fate {
			if calls++; calls == 3 {
				ended = time.Now()
				cancel()
				return fakecloud.Fate{Delay: time.Minute}
			}
			return fakecloud.Fate{}
		}})
		errs := p.Apply(ctx, &claim, changes)
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
		has(t, p, changes[len(changes)-1].Name) // a request of its own: what came before it is there
		if got := s.Count("ChangeResourceRecordSets"); got != 3 {
			t.Errorf("%d requests, want 3", got)
		}
	})
	t.Run("X5b a server that does not answer", func(t *testing.T) {
		s, p := claimed(t, func(c *route53.Config) { c.Timeout = 50 * time.Millisecond })
		s.SetFaults(fakecloud.Faults{Fate: func(fakecloud.Request) fakecloud.Fate { return fakecloud.Fate{Delay: time.Minute} }})
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		begin := time.Now()
		err := p.Apply(ctx, &claim, create(1))[0]
		if took := time.Since(begin); took > 2*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", took, err)
		}
		if errors.Is(err, provider.ErrRefused) || errors.Is(err, provider.ErrConflict) {
			t.Errorf("error %v does not leave the outcome open", err)
		}
	})
}
