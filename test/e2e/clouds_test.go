package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/test/programs"
	"github.com/federation-dns/federation/test/scenario"
	"github.com/federation-dns/federation/test/world"
)

// TestClouds makes the first steps of the demo, from joining to the first failure,
// with the zone at the stand-in of a cloud, served by CoreDNS's plugin for it.
func TestClouds(t *testing.T) {
	for _, provider := range []string{world.Route53, world.CloudDNS} {
		t.Run(provider, func(t *testing.T) {
			w := newWorld(t, func(o *world.Options) {
				o.Provider, o.Host, o.Plugin = provider, scenario.Host, programs.Kubectl()
			})
			all := scenario.DemoSteps(provider, "")
			kill := slices.IndexFunc(all, func(s scenario.Step) bool { return s.Name == scenario.KillCentral().Name })
			run(t, w, all[:kill]...)
			awaitQuiet(t, w)
			run(t, w, all[kill])
			watched(t, w)
			requests := strings.Join(w.Requests(), "\n")
			t.Run("P6 addresses become a CNAME in one request", func(t *testing.T) {
				for _, level := range []string{"us-central1-b", "us-central1"} {
					if want := "svc." + level + ": -A -AAAA +CNAME\n"; strings.Count(requests, want) != 1 {
						t.Errorf("no %q in\n%s", want, requests)
					}
				}
			})
			t.Run("X6 nothing is read, and a name is changed once", func(t *testing.T) {
				// The global name may have changed within the last second, and waits
				// then (X5c).
				changes := strings.Count(requests, "granted")
				if changes < 1 || changes > 2 || !onlyChanges(requests) {
					t.Errorf("requests:\n%s", requests)
				}
			})
		})
	}
}

// awaitQuiet waits until the syncer has asked how each level that it has just
// claimed is served (O5): it has sent nothing for 35 seconds. It asks once a
// second, but such a question may wait for its share of the budget until it is
// given up, after five seconds, and is then asked again half a minute later (X5b).
func awaitQuiet(t *testing.T, w *scenario.Play) {
	t.Helper()
	quiet := time.Now()
	for end := quiet.Add(3 * time.Minute); time.Since(quiet) < 35*time.Second; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the syncer has been asking for three minutes")
		}
		for _, line := range w.Requests() {
			if strings.Contains(line, "octets") {
				quiet = time.Now()
			}
		}
	}
}

// onlyChanges reports whether each granted request changed something.
func onlyChanges(requests string) bool {
	for line := range strings.Lines(requests) {
		if strings.Contains(line, "octets") && !strings.Contains(line, "ChangeResourceRecordSets") &&
			!strings.Contains(line, "changes.create") {
			return false
		}
	}
	return true
}
