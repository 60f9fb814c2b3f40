package hostrecords

import (
	"fmt"
	"testing"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/test/needs"
)

// TestFigures counts what docs/providers.md says of requests and bytes.
func TestFigures(t *testing.T) {
	services := 1000
	if needs.All() {
		services = 10_000
	}
	levels := []string{"", "us.", "us1-a.", "eu."}
	claim := federation.RRset{Name: "_claim.fed.svc.example.com.", Type: "TXT", TTL: 180, Data: []string{`"owner=us"`}}
	sets := func(i int, level, address string) []federation.RRset {
		name := federation.FQDN(fmt.Sprintf("service-%d.namespace-%d.fed.svc.%sexample.com.", i, i%50, level))
		return []federation.RRset{{Name: name, Type: "A", TTL: 180, Data: []string{"198.51.100.1", address}}}
	}
	api := startFake(t)
	p := open(t, api.config(t), usualLimits)
	mustApply(t, p, plan.Change{Name: claim.Name, To: []federation.RRset{claim}})
	apply := func(what string, maxWrites, maxBytes int, changes []plan.Change) {
		t.Helper()
		api.counts()
		for len(changes) > 0 { // as the loop does: 200 services
			n := min(200*len(levels), len(changes))
			for i, err := range p.Apply(t.Context(), &claim, changes[:n]) {
				if err != nil {
					t.Fatal(changes[i].Name, err)
				}
			}
			changes = changes[n:]
		}
		requests, bytes := api.counts()
		writes := requests["create"] + requests["update"] + requests["delete"]
		t.Logf("%s: %d writes, %.1f MiB, requests %v, %d ConfigMaps", what, writes, float64(bytes)/(1<<20), requests,
			len(api.names()))
		if writes > maxWrites || bytes > maxBytes {
			t.Errorf("%s: %d writes of %d bytes, want at most %d of %d", what, writes, bytes, maxWrites, maxBytes)
		}
	}
	var all, lost, one []plan.Change
	for i := range services {
		for _, level := range levels {
			is := sets(i, level, "203.0.113.7")
			without := sets(i, level, "203.0.113.7")
			without[0].Data = without[0].Data[:1]
			all = append(all, plan.Change{Name: is[0].Name, To: is})
			lost = append(lost, plan.Change{Name: is[0].Name, From: is, To: without})
		}
	}
	for _, level := range levels {
		is, next := sets(1, level, "203.0.113.7"), sets(1, level, "203.0.113.8")
		is[0].Data = is[0].Data[:1]
		one = append(one, plan.Change{Name: is[0].Name, From: is, To: next})
	}
	most, mostBytes := 500*services/10_000, services*(80<<20)/10_000
	t.Run("M7 many services are created at four levels", func(t *testing.T) { apply("created", most, mostBytes, all) })
	t.Run("M7 a member of them is lost", func(t *testing.T) { apply("lost", most, mostBytes, lost) })
	t.Run("M7 one service changes", func(t *testing.T) { apply("one", 1, 512<<10, one) })
}
