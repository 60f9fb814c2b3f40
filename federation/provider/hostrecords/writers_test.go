package hostrecords

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

func a(label string, addresses ...string) []federation.RRset {
	return []federation.RRset{{Name: federation.FQDN(label) + ".example.com.", Type: "A", TTL: 180, Data: addresses}}
}

func mustApply(t *testing.T, p *Provider, changes ...plan.Change) {
	t.Helper()
	for i, err := range p.Apply(t.Context(), nil, changes) {
		if err != nil {
			t.Fatalf("%v: %v", changes[i], err)
		}
	}
}

func creation(i int) plan.Change {
	sets := a(fmt.Sprintf("s%d.ns.fed.svc", i), "192.0.2.1")
	return plan.Change{Name: sets[0].Name, To: sets}
}

func creations(from, to int) (changes []plan.Change) {
	for i := from; i < to; i++ {
		changes = append(changes, creation(i))
	}
	return changes
}

// has checks all that is there, as somebody sees it who reads all afresh.
func has(t *testing.T, c Config, want ...plan.Change) {
	t.Helper()
	text := func(sets []federation.RRset) (lines []string) {
		for _, s := range sets {
			lines = append(lines, s.String())
		}
		slices.Sort(lines)
		return lines
	}
	var sets, wanted []federation.RRset
	for _, change := range want {
		wanted = append(wanted, change.To...)
	}
	err := open(t, c, tiny).List(t.Context(), c.Domain, func(s federation.RRset) error {
		sets = append(sets, s)
		return nil
	})
	if got, want := text(sets), text(wanted); err != nil || !slices.Equal(got, want) {
		t.Errorf("there are %d RRsets, %v\n%v\nwant %d\n%v", len(got), err, got, len(want), want)
	}
}

func TestWriters(t *testing.T) {
	t.Run("M7 of many writers each change is made once", func(t *testing.T) {
		c := startFake(t).config(t)
		var wg sync.WaitGroup
		var all []plan.Change
		for w := range 4 {
			mine := creations(40*w, 40*(w+1))
			all = append(all, mine...)
			p := open(t, c, tiny)
			wg.Go(func() {
				for _, change := range mine {
					for {
						err := p.Apply(t.Context(), nil, []plan.Change{change})[0]
						if err == nil {
							break
						}
						if !errors.Is(err, provider.ErrUnavailable) {
							t.Error(err)
							return
						}
					}
				}
			})
		}
		wg.Wait()
		has(t, c, all...)
	})
	// A writer that has read the head moves it to the buckets after another one has changed and moved it too.
	t.Run("M7 a writer that was slow harms nothing", func(t *testing.T) {
		for stop := 0; ; stop++ {
			api := startFake(t)
			c := api.config(t)
			first, second := open(t, c, tiny), open(t, c, tiny)
			mustApply(t, first, creations(0, 20)...)
			mustApply(t, second, creation(20))
			var writes atomic.Int32
			api.before = func(verb, _ string) {
				if verb != "create" && verb != "update" && verb != "delete" {
					return
				}
				if writes.Add(1) == int32(stop)+1 {
					mustApply(t, second, plan.Change{Name: creation(0).Name, From: creation(0).To})
					mustApply(t, second, creations(40, 60)...)
					mustApply(t, second, creations(60, 80)...)
				}
			}
			mustApply(t, first, creations(21, 40)...)
			if writes.Load() <= int32(stop) { // it never came to that
				has(t, c, creations(0, 40)...)
				return
			}
			has(t, c, creations(1, 80)...)
		}
	})
	t.Run("M7 a writer that stops half way loses nothing", func(t *testing.T) {
		for stop := 0; ; stop++ {
			api := startFake(t)
			c := api.config(t)
			p := open(t, c, tiny)
			mustApply(t, p, creations(0, 20)...)
			writes := 0
			api.set(func(w http.ResponseWriter, verb, _ string) bool {
				if verb != "create" && verb != "update" && verb != "delete" {
					return false
				}
				if writes++; writes > stop {
					answer(w, http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, "down")
				}
				return writes > stop
			})
			made := creations(0, 20)
			for i, err := range p.Apply(t.Context(), nil, creations(20, 60)) {
				if err == nil {
					made = append(made, creation(20+i))
				}
			}
			api.set(nil)
			has(t, c, made...)
			p = open(t, c, tiny)
			for i := len(made); i < 60; i++ {
				mustApply(t, p, creation(i))
			}
			has(t, c, creations(0, 60)...)
			if writes <= stop {
				return
			}
		}
	})
}

func TestByHand(t *testing.T) {
	start := func(t *testing.T) (*fakeAPI, Config, *Provider) {
		api := startFake(t)
		c := api.config(t)
		p := open(t, c, tiny)
		mustApply(t, p, creations(0, 100)...)
		return api, c, p
	}
	t.Run("M7 a bucket that was removed is missing, and is made again", func(t *testing.T) {
		api, c, p := start(t)
		buckets := slices.DeleteFunc(api.names(), func(name string) bool { return name == c.HeadName() })
		api.edit(buckets[0], func(map[string]string) map[string]string { return nil })
		var left []federation.FQDN
		for i := range 100 {
			if sets, err := p.Get(t.Context(), creation(i).Name); err != nil {
				t.Error(err)
			} else if len(sets) > 0 {
				left = append(left, sets[0].Name)
			}
		}
		if len(left) == 100 || len(left) == 0 {
			t.Errorf("%d of 100 names are left", len(left))
		}
		for i := range 100 {
			if !slices.Contains(left, creation(i).Name) {
				mustApply(t, p, creation(i))
			}
		}
		mustApply(t, p, creations(100, 200)...)
		has(t, c, creations(0, 200)...)
	})
	t.Run("M7 a head that was removed takes only what it had with it", func(t *testing.T) {
		api, c, p := start(t)
		api.edit(c.HeadName(), func(map[string]string) map[string]string { return nil })
		kept := map[federation.FQDN]bool{}
		err := p.List(t.Context(), c.Domain, func(s federation.RRset) error { kept[s.Name] = true; return nil })
		if err != nil {
			t.Fatal(err)
		}
		if len(kept) == 0 || len(kept) == 100 {
			t.Errorf("%d of 100 names are left", len(kept))
		}
		for i := range 100 {
			if !kept[creation(i).Name] {
				mustApply(t, p, creation(i))
			}
		}
		mustApply(t, p, creations(100, 200)...)
		has(t, c, creations(0, 200)...)
	})
	for name, broken := range map[string]map[string]string{
		"no state":             {"records": ""},
		"another federation":   {"state": `{"format":1,"federation":"other","domain":"example.com.","serial":1}`},
		"a later format":       {"state": `{"format":2,"federation":"fed","domain":"example.com.","serial":1}`},
		"a number of buckets":  {"state": `{"format":1,"federation":"fed","domain":"example.com.","buckets":3}`},
		"no zone file":         {"records": "not a record\n"},
		"a name of the others": {"records": "example.org. 60 IN A 192.0.2.1\n"},
		"another file":         {"records": "$INCLUDE /etc/passwd\n"},
	} {
		t.Run("M7 what cannot be read is refused: "+name, func(t *testing.T) {
			api, c, p := start(t)
			api.edit(c.HeadName(), func(data map[string]string) map[string]string {
				data = maps.Clone(data)
				maps.Copy(data, broken)
				if name == "no state" {
					delete(data, "state")
				}
				return data
			})
			_, err := p.Get(t.Context(), creation(0).Name)
			if !errors.Is(err, provider.ErrRefused) || !strings.Contains(err.Error(), c.HeadName()) ||
				strings.Contains(err.Error(), "root:") {
				t.Errorf("Get: %v", err)
			}
			if err := p.Apply(t.Context(), nil, creations(100, 101))[0]; !errors.Is(err, provider.ErrRefused) {
				t.Errorf("Apply: %v", err)
			}
		})
	}
}

// same is a change that has been made.
func same(c plan.Change) plan.Change { return plan.Change{Name: c.Name, From: c.To, To: c.To} }
