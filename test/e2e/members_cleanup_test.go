package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/federation-dns/federation/test/world"
)

func ofMyFederation(line string) bool {
	return strings.Contains(strings.Fields(line)[0]+".", "."+world.FederationName+".svc.")
}

// testCleanup removes the federation from the zone, in which there is another,
// and has a new start of the syncer write it again.
func testCleanup(t *testing.T, m *members) {
	before, err := m.Zone(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Syncer.Stop(); err != nil {
		t.Fatal(err)
	}
	out, err := m.Syncer.Cleanup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"LEVEL", "us-east1-b.example.com.",
		"nothing of federation myfederation is left in example.com."} {
		if !strings.Contains(out, want) {
			t.Errorf("it says\n%swithout %q", out, want)
		}
	}
	left, err := m.Zone(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	others := slices.DeleteFunc(slices.Clone(before), ofMyFederation)
	isMark := func(line string) bool { return ofMyFederation(line) && strings.Contains(line, `"state=removed"`) }
	if marks := len(left) - len(slices.DeleteFunc(slices.Clone(left), isMark)); marks != 1 {
		t.Errorf("O1e %d marks are left, want one that deposes a syncer that still runs: %v", marks, left)
	}
	if left = slices.DeleteFunc(left, isMark); len(others) == len(before) || !slices.Equal(left, others) {
		t.Errorf("left: %v", left)
	}
	if _, err := m.Syncer.Cleanup(t.Context(), "--forget"); err != nil {
		t.Fatal(err)
	}
	if left, err = m.Zone(t.Context()); err != nil || !slices.Equal(left, others) {
		t.Errorf("left with --forget: %v (%v)", left, err)
	}
	if err := m.Syncer.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, m.Play, func(*seen) error {
		now, err := m.Zone(t.Context())
		if err == nil && !slices.Equal(comparable(now), comparable(before)) {
			err = contains("zone", strings.Join(now, "\n"), strings.Join(before, "\n"))
		}
		return err
	})
}
