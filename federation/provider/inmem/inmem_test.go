package inmem_test

import (
	"testing"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider/inmem"
	"github.com/federation-dns/federation/federation/provider/providertest"
)

func TestProvider(t *testing.T) {
	providertest.Run(t, func(*testing.T) providertest.Target {
		p := inmem.New("example.com.")
		return providertest.Target{
			Provider: p, Zone: "example.com.", Put: p.Put,
			Break: func(kind error, name federation.FQDN) func() {
				p.SetFaults(inmem.Faults{Fail: inmem.FailNames(inmem.Kind{Err: kind}, inmem.Apply|inmem.Reads, name)})
				return func() { p.SetFaults(inmem.Faults{}) }
			},
		}
	})
}
