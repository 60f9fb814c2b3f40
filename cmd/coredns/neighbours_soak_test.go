package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/federation-dns/federation/test/needs"
)

// soak is shorter where not every test is run in full.
var soak = flag.Duration("soak", map[bool]time.Duration{true: 8 * time.Second, false: time.Second}[needs.All()],
	"how long TestNeighboursSoak takes")

// TestNeighboursSoak has watch events, reloads and questions at the same time.
// Run with the race detector, it finds what they share without leave; see make
// soak.
func TestNeighboursSoak(t *testing.T) {
	t.Parallel()
	api, auth := newKubeAPI(t).usual(), newAuthority(t)
	auth.add(t, "flip.ns.fed.svc.zone1.example.com. 60 IN A 203.0.113.9")
	auth.add(t, "come.ns.fed.svc.zone1.example.com. 60 IN A 203.0.113.10")
	api.service("flip", "10.0.0.9")
	text := corefile(api, auth, "metadata\n    cache 5\n    loadbalance")
	p := run(t, text)
	local := "NOERROR aa rd\n%s 5 A %s"
	abroad := "NOERROR aa rd ra\n%[1]s 5 CNAME %[2]s.ns.fed.svc.zone1.example.com.\n" +
		"%[2]s.ns.fed.svc.zone1.example.com. 5 A %[3]s"
	var end atomic.Bool
	var wg sync.WaitGroup
	var total atomic.Int64
	server := p.udp()
	for name, wants := range map[string][]string{
		"healthy": {localText},
		"dead":    {deadText},
		"gone":    {goneText},
		"flip": {fmt.Sprintf(local, federated("flip"), "10.0.0.9"),
			fmt.Sprintf(abroad, federated("flip"), "flip", "203.0.113.9")},
		"come": {fmt.Sprintf(local, federated("come"), "10.0.0.10"),
			fmt.Sprintf(abroad, federated("come"), "come", "203.0.113.10")},
	} {
		for range 2 {
			wg.Go(func() {
				asked, err := loadAny(server, federated(name), wants, &end)
				total.Add(int64(asked))
				if err != nil {
					t.Errorf("Q11 %v", err)
				}
				if asked < 20 {
					t.Errorf("%s: only %d questions", name, asked)
				}
			})
		}
	}
	rng := rand.New(rand.NewPCG(1, 0))
	reloads, events := 0, 0
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for start := time.Now(); time.Since(start) < *soak; <-pace.C {
		switch rng.IntN(20) {
		case 0:
			if err := p.reload(text + fmt.Sprintf("# %d\n", reloads)); err != "" {
				t.Error(err)
			}
			reloads++
		case 1, 2, 3:
			api.ready("flip")
		case 4, 5, 6:
			api.ready("flip", "172.16.0.9")
		case 7:
			api.put(pathServices, "come", nil)
			api.put(pathSlices, "come-1", nil)
		case 8:
			api.service("come", "10.0.0.10")
			api.ready("come", "172.16.0.10")
		default:
			api.ready("headless", fmt.Sprintf("one=172.16.1.%d", rng.IntN(250)))
		}
		events++
	}
	end.Store(true)
	wg.Wait()
	t.Logf("%d questions, %d changes, %d reloads", total.Load(), events-reloads, reloads)
}

// loadAny is load with several good replies. What a cache has may have a lower
// TTL.
func loadAny(server, name string, wants []string, end *atomic.Bool) (asked int, err error) {
	var texts []string
	for _, want := range wants {
		texts = append(texts, strings.ReplaceAll(ttls(want, "T"), " ra", ""))
	}
	return asking(server, name, end, func(got string) bool {
		return slices.Contains(texts, strings.ReplaceAll(ttls(got, "T"), " ra", ""))
	})
}
