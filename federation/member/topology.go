package member

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/federation-dns/federation/federation"
)

const (
	// maxZones is the most topology zones of a member (H6).
	maxZones = 16
	// labelKept is how long a label outlives its last Node (H6).
	labelKept = 24 * time.Hour
)

// nodeLabels are the labels of a Node as they stand there.
type nodeLabels struct{ region, zone string }

func trimNode(n *corev1.Node) nodeLabels {
	return nodeLabels{
		region: cmp.Or(n.Labels[corev1.LabelTopologyRegion], n.Labels[corev1.LabelFailureDomainBetaRegion]),
		zone:   cmp.Or(n.Labels[corev1.LabelTopologyZone], n.Labels[corev1.LabelFailureDomainBetaZone]),
	}
}

// places remembers which labels the Nodes of a member have had, and when last.
type places struct {
	regions map[federation.Label]time.Time
	zones   map[federation.Label]time.Time
}

func newPlaces() *places {
	return &places{regions: map[federation.Label]time.Time{}, zones: map[federation.Label]time.Time{}}
}

// topology returns the member's place by its Nodes: the region that most
// Nodes say (the first by name of equals), and all topology zones. Labels that
// are not DNS-1123 labels count as missing and are reported (N4). While there
// are no Nodes, what was known stays for labelKept (H6).
func (p *places) topology(member string, nodes map[string]nodeLabels, now time.Time) (federation.Member, []federation.Problem) {
	var problems []federation.Problem
	report := func(reason federation.Reason, format string, args ...any) {
		problems = append(problems, federation.Problem{Member: member, Reason: reason, Detail: fmt.Sprintf(format, args...)})
	}
	count := map[federation.Label]int{}
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		for _, l := range []struct {
			kind, value string
			into        map[federation.Label]time.Time
		}{{"region", nodes[name].region, p.regions}, {"topology zone", nodes[name].zone, p.zones}} {
			if l.value == "" {
				continue
			}
			label, err := federation.ParseLabel(l.value)
			if err != nil {
				report(federation.ReasonBadLabel, "node %q: %s: %v", name, l.kind, err)
				continue
			}
			l.into[label] = now
			if l.kind == "region" {
				count[label]++
			}
		}
	}
	for _, labels := range []map[federation.Label]time.Time{p.regions, p.zones} {
		maps.DeleteFunc(labels, func(_ federation.Label, last time.Time) bool { return now.Sub(last) >= labelKept })
	}
	out := federation.Member{Name: member, Zones: slices.Sorted(maps.Keys(p.zones))}
	for _, r := range slices.Sorted(maps.Keys(p.regions)) {
		if out.Region == "" || count[r] > count[out.Region] {
			out.Region = r
		}
	}
	if len(count) > 1 {
		report(federation.ReasonLabelConflict, "the nodes say %d regions; %q is used", len(count), out.Region)
	}
	if len(out.Zones) > maxZones {
		report(federation.ReasonTooManyZones, "%d topology zones, the first %d by name are used", len(out.Zones), maxZones)
		out.Zones = out.Zones[:maxZones]
	}
	return out, problems
}
