package e2e

import (
	"testing"

	"github.com/federation-dns/federation/test/programs"
	"github.com/federation-dns/federation/test/scenario"
	"github.com/federation-dns/federation/test/world"
)

// TestZoneless makes the whole demo without a DNS zone: what pods are answered comes from the mirrors alone.
func TestZoneless(t *testing.T) {
	w := newWorld(t, func(o *world.Options) {
		o.Provider, o.Host, o.Plugin = world.None, scenario.Host, programs.Kubectl()
	})
	t.Run("M7 the demo comes true without a DNS zone", func(t *testing.T) {
		run(t, w, scenario.DemoSteps(world.None, "")...)
		watched(t, w)
	})
}
