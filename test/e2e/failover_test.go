package e2e

import (
	"testing"
	"time"

	"github.com/federation-dns/federation/test/scenario"
)

// testFailover makes three rounds of what `make bench-failover` measures, and
// judges no time: a round ends when the plugin and the records are as they have
// to be, and fails if an answer is empty on the way.
func testFailover(t *testing.T, w *scenario.Play) {
	f, err := w.MeasureFailover(t.Context(), "gce-us-central1", "gce-us-east1", 3, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	for name, times := range map[string][]time.Duration{"CNAME": f.CNAME, "Record": f.Record, "ClusterIP": f.ClusterIP,
		"Addresses": f.Addresses} {
		if len(times) != 3 {
			t.Errorf("%s: %d times", name, len(times))
		}
		t.Logf("%s: %v", name, times)
	}
	watched(t, w)
}
