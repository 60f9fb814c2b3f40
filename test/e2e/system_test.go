package e2e

import (
	"testing"

	"github.com/federation-dns/federation/test/scenario"
)

// TestSystem has one World for all its parts, as its start is what takes long.
// Each part leaves all shards healthy.
func TestSystem(t *testing.T) {
	w := newWorld(t)
	if !t.Run("the walk-through", func(t *testing.T) { testScenario(t, w) }) {
		return // nothing else can come true
	}
	t.Run("a pod's view", func(t *testing.T) { testResolvers(t, w) })
	t.Run("explicit names and clients outside", func(t *testing.T) { testOutside(t, w) })
	t.Run("killing the syncer", func(t *testing.T) { testKillSyncer(t, w) })
	t.Run("cutting clusters off", func(t *testing.T) { testCut(t, w) })
	t.Run("X7 bad input", func(t *testing.T) { testBadInput(t, w) })
	t.Run("failover figures", func(t *testing.T) { testFailover(t, w) })
}

func testScenario(t *testing.T, w *scenario.Play) {
	run(t, w, scenario.Steps()...)
	watched(t, w)
}
