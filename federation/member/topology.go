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

func trimLabels(labels map[string]string) nodeLabels {
	return nodeLabels{
		region: cmp.Or(labels[corev1.LabelTopologyRegion], labels[corev1.LabelFailureDomainBetaRegion]),
		zone:   cmp.Or(labels[corev1.LabelTopologyZone], labels[corev1.LabelFailureDomainBetaZone]),
	}
}

// places remembers which labels the Nodes of a member have had, and when last.
// It outlives a Relist.
type places struct {
	cluster string // the UID of kube-system; "" if unknown
	regions map[federation.Label]time.Time
	zones   map[federation.Label]time.Time
	last    federation.Member // what topology returned
}

func newPlaces(member string) *places {
	return &places{
		regions: map[federation.Label]time.Time{}, zones: map[federation.Label]time.Time{},
		last: federation.Member{Name: member},
	}
}

// of says which cluster the Nodes are of. Those of another one at the same
// address have nothing to do with those of before.
func (p *places) of(cluster string) {
	if p.cluster != "" && cluster != "" && p.cluster != cluster {
		*p = *newPlaces(p.last.Name)
	}
	p.cluster = cmp.Or(cluster, p.cluster)
}

// topology returns the member's place by its Nodes: the region that most
// Nodes say (the first by name of equals), and all topology zones. Labels that
// are not DNS-1123 labels count as missing and are reported (N4). A label
// stays for labelKept after its last Node (H6).
func (p *places) topology(nodes map[string]nodeLabels, now time.Time) (federation.Member, []federation.Problem) {
	var problems []federation.Problem
	report := func(reason federation.Reason, format string, args ...any) {
		problems = append(problems, federation.Problem{Member: p.last.Name, Reason: reason, Detail: fmt.Sprintf(format, args...)})
	}
	regions, zones := map[federation.Label]int{}, map[federation.Label]int{}
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		count := func(kind, value string, into map[federation.Label]int) {
			if value == "" {
				return
			}
			label, err := federation.ParseLabel(value)
			if err != nil {
				report(federation.ReasonBadLabel, "node %q: %s: %v", name, kind, err)
				return
			}
			into[label]++
		}
		count("region", nodes[name].region, regions)
		count("topology zone", nodes[name].zone, zones)
	}
	remember(p.regions, regions, now)
	remember(p.zones, zones, now)

	out := federation.Member{Name: p.last.Name, Region: p.region(regions), Zones: slices.Sorted(maps.Keys(p.zones))}
	if len(regions) > 1 {
		report(federation.ReasonLabelConflict, "the Nodes say %d regions (%s): %q, which most say, is used",
			len(regions), joinLabels(slices.Sorted(maps.Keys(regions))), out.Region)
	}
	if len(out.Zones) > maxZones {
		report(federation.ReasonTooManyZones, "%d topology zones, at most %d are used: those that Nodes have now, by name, come first", len(out.Zones), maxZones)
		slices.SortStableFunc(out.Zones, func(a, b federation.Label) int { return cmp.Compare(min(zones[b], 1), min(zones[a], 1)) })
		out.Zones = slices.Clone(out.Zones[:maxZones])
		slices.Sort(out.Zones)
	}
	p.last = out
	return out, problems
}

// remember notes the labels that Nodes have now, and forgets those that none
// has had for labelKept.
func remember(labels map[federation.Label]time.Time, now map[federation.Label]int, at time.Time) {
	for l := range now {
		labels[l] = at
	}
	maps.DeleteFunc(labels, func(_ federation.Label, last time.Time) bool { return at.Sub(last) >= labelKept })
}

// region chooses by the Nodes of now; without any it is the one chosen last,
// as long as that is remembered.
func (p *places) region(count map[federation.Label]int) federation.Label {
	var best federation.Label
	for _, r := range slices.Sorted(maps.Keys(count)) {
		if best == "" || count[r] > count[best] {
			best = r
		}
	}
	if _, kept := p.regions[p.last.Region]; best == "" && kept {
		best = p.last.Region
	}
	return best
}

func joinLabels(labels []federation.Label) string {
	text := ""
	for i, l := range labels {
		if i > 0 {
			text += ", "
		}
		text += string(l)
	}
	return text
}
