package member

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/federation-dns/federation/federation"
)

func TestTopology(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	nodes := func(list ...nodeLabels) map[string]nodeLabels {
		out := map[string]nodeLabels{}
		for i, l := range list {
			out[fmt.Sprintf("n%02d", i)] = l
		}
		return out
	}
	labels := func(list ...federation.Label) []federation.Label { return list }

	t.Run("H6 region and zones", func(t *testing.T) {
		m, problems := NewTopologyHistory("gce").topology(nodes(nodeLabels{"r", "b"}, nodeLabels{"r", "a"},
			nodeLabels{"r", "b"}, nodeLabels{}), now)
		equal(t, "member", m, federation.Member{Name: "gce", Region: "r", Zones: labels("a", "b")})
		equal(t, "problems", len(problems), 0)
	})
	t.Run("H6 the old labels", func(t *testing.T) {
		got := trimLabels(map[string]string{
			corev1.LabelFailureDomainBetaRegion: "old", corev1.LabelFailureDomainBetaZone: "old-a",
			corev1.LabelTopologyZone: "new-a",
		})
		equal(t, "region", got.region, "old")
		equal(t, "topology zone", got.zone, "new-a")
	})
	t.Run("H6 the most frequent region", func(t *testing.T) {
		m, problems := NewTopologyHistory("gce").topology(nodes(nodeLabels{"a", "z"}, nodeLabels{"b", "z"},
			nodeLabels{"b", "z"}), now)
		equal(t, "region", m.Region, federation.Label("b"))
		equal(t, "problems", reasons(problems), []federation.Reason{federation.ReasonLabelConflict})
	})
	t.Run("H6 ties by name", func(t *testing.T) {
		m, _ := NewTopologyHistory("gce").topology(nodes(nodeLabels{"b", ""}, nodeLabels{"a", ""}), now)
		equal(t, "region", m.Region, federation.Label("a"))
	})
	t.Run("N4 lower case and bad labels", func(t *testing.T) {
		m, problems := NewTopologyHistory("gce").topology(nodes(nodeLabels{"US-Central1", "bad_zone"},
			nodeLabels{"us-central1", "A"}), now)
		equal(t, "member", m, federation.Member{Name: "gce", Region: "us-central1", Zones: labels("a")})
		equal(t, "problems", reasons(problems), []federation.Reason{federation.ReasonBadLabel})
	})
	t.Run("H6 a label is forgotten after 24 h", func(t *testing.T) {
		p := NewTopologyHistory("gce")
		p.topology(nodes(nodeLabels{"r", "a"}, nodeLabels{"r", "b"}), now)
		m, _ := p.topology(nodes(nodeLabels{"r", "b"}), now.Add(23*time.Hour))
		equal(t, "before", m.Zones, labels("a", "b"))
		m, _ = p.topology(nodes(nodeLabels{"r", "b"}), now.Add(24*time.Hour))
		equal(t, "after", m.Zones, labels("b"))
	})
	t.Run("H6 without Nodes the place stays", func(t *testing.T) {
		p := NewTopologyHistory("gce")
		p.topology(nodes(nodeLabels{"a", "z"}, nodeLabels{"b", "z"}, nodeLabels{"b", "z"}), now)
		m, _ := p.topology(nil, now.Add(time.Hour))
		equal(t, "member", m, federation.Member{Name: "gce", Region: "b", Zones: labels("z")})
	})
	t.Run("H6 at most 16 zones, those of Nodes first", func(t *testing.T) {
		p := NewTopologyHistory("gce")
		p.topology(nodes(nodeLabels{"r", "a-old"}), now)
		var list []nodeLabels
		for i := range 16 {
			list = append(list, nodeLabels{"r", fmt.Sprintf("z%02d", i)})
		}
		m, problems := p.topology(nodes(list...), now.Add(time.Hour))
		equal(t, "zones", len(m.Zones), 16)
		equal(t, "first", m.Zones[0], federation.Label("z00"))
		equal(t, "problems", reasons(problems), []federation.Reason{federation.ReasonTooManyZones})
	})
}
