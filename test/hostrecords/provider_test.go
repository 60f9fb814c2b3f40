package hostrecords

import (
	"fmt"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider/providertest"
)

func TestProvider(t *testing.T) {
	c := start(t)
	t.Run("M7 the suite of all providers", func(t *testing.T) {
		n := 0
		providertest.Run(t, func(t *testing.T) providertest.Target {
			n++
			f := federation.Label(fmt.Sprintf("f%d", n))
			return providertest.Target{Provider: c.open(t, f), Zone: domain, Put: c.putting(t, f), Slow: true}
		})
	})
	t.Run("M7 figures", func(t *testing.T) { figures(t, c) })
}

// figures measures what docs/providers.md says.
func figures(t *testing.T, c *cluster) {
	const services = 2500 // at four levels
	p := c.open(t, "figures")
	claim := federation.RRset{Name: "_claim.figures.svc." + domain, Type: "TXT", TTL: 180, Data: []string{`"owner=us"`}}
	first := []plan.Change{{Name: claim.Name, To: []federation.RRset{claim}}}
	if err := p.Apply(t.Context(), nil, first)[0]; err != nil {
		t.Fatal(err)
	}
	var changes []plan.Change
	for i := range services {
		for _, level := range []string{"", "us.", "us1-a.", "eu."} {
			name := federation.FQDN(fmt.Sprintf("service-%d.namespace-%d.figures.svc.%s%s", i, i%50, level, domain))
			changes = append(changes, plan.Change{Name: name, To: []federation.RRset{
				{Name: name, Type: "A", TTL: 180, Data: []string{"192.0.2.1", "198.51.100.1"}}}})
		}
	}
	begin := time.Now()
	for len(changes) > 0 {
		n := min(800, len(changes)) // as the loop does: 200 services
		for i, err := range p.Apply(t.Context(), &claim, changes[:n]) {
			if err != nil {
				t.Fatal(changes[i].Name, err)
			}
		}
		changes = changes[n:]
	}
	t.Logf("%d names created in %s", 4*services, time.Since(begin))
	begin = time.Now()
	fresh := c.open(t, "figures")
	listed := 0
	if err := fresh.List(t.Context(), domain, func(federation.RRset) error { listed++; return nil }); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d RRsets listed in %s", listed, time.Since(begin))
}
