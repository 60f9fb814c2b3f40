package member

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"

	"github.com/federation-dns/federation/federation"
)

const (
	// MaxZones is the most topology zones of a member (H6).
	MaxZones = 16
	// LabelKept is how long a label outlives its last Node (H6).
	LabelKept = 24 * time.Hour
	// maxZonesKept and maxRegionsKept are how many labels are remembered: all Nodes may get other ones once in that time.
	// Each has been a level, with a claim of its own (H3e).
	maxZonesKept, maxRegionsKept = 2 * MaxZones, 8
	// So many changes of a member's place count at once, and then one in that time (H3e).
	changeBurst, changeEvery = 5, time.Minute
)

// nodeLabels are the labels of a Node as they stand there.
type nodeLabels struct{ region, zone string }

func trimLabels(labels map[string]string) nodeLabels {
	return nodeLabels{
		region: cmp.Or(labels[corev1.LabelTopologyRegion], labels[corev1.LabelFailureDomainBetaRegion]),
		zone:   cmp.Or(labels[corev1.LabelTopologyZone], labels[corev1.LabelFailureDomainBetaZone]),
	}
}

// Places remembers which labels the Nodes of a member have had, and when last. It outlives the Watcher that it is given
// to: a new kubeconfig is no reason to forget what was there an hour ago (H6).
type Places struct {
	mu      sync.Mutex
	cluster string // the UID of kube-system; "" if unknown
	regions map[federation.Label]time.Time
	zones   map[federation.Label]time.Time
	last    federation.Member // by the labels
	told    federation.Member // what the member counts as: last, but for changes that come too often
	changes *rate.Limiter
}

// NewPlaces returns the Places of a member of which nothing is known.
func NewPlaces(member string) *Places {
	p := &Places{}
	p.forget(member)
	return p
}

func (p *Places) forget(member string) {
	p.cluster = ""
	p.regions, p.zones = map[federation.Label]time.Time{}, map[federation.Label]time.Time{}
	p.last, p.told = federation.Member{Name: member}, federation.Member{Name: member}
	p.changes = rate.NewLimiter(rate.Every(changeEvery), changeBurst)
}

// of says which cluster the Nodes are of. Those of another one at the same
// address have nothing to do with those of before.
func (p *Places) of(cluster string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cluster != "" && cluster != "" && p.cluster != cluster {
		p.forget(p.last.Name)
	}
	p.cluster = cmp.Or(cluster, p.cluster)
}

// placed returns what the member counts as now.
func (p *Places) placed() federation.Member {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.told
}

// place returns what the member counts as by its Nodes, and what is wrong with their labels. A change of it has every
// service of every federation planned again: so one that comes too soon after others waits, and again is when for (H3e);
// zero if nothing waits.
func (p *Places) place(nodes map[string]nodeLabels, now time.Time) (m federation.Member, problems []federation.Problem, again time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m, problems = p.topology(nodes, now)
	unknown := p.told.Region == "" && len(p.told.Zones) == 0
	switch {
	case equalPlaces(m, p.told):
	case unknown || p.changes.AllowN(now, 1):
		p.told = m
	default:
		again = max(time.Duration((1-p.changes.TokensAt(now))*float64(changeEvery)), time.Second)
		problems = append(problems, federation.Problem{
			Member: m.Name, Reason: federation.ReasonLabelsUnstable,
			Detail: fmt.Sprintf("the topology labels of the Nodes change too often: a change counts once in %s now", changeEvery),
		})
	}
	return p.told, problems, again
}

func equalPlaces(a, b federation.Member) bool {
	return a.Region == b.Region && slices.Equal(a.Zones, b.Zones)
}

// topology returns the member's place by its Nodes: the region that most
// Nodes say (the first by name of equals), and all topology zones. Labels that
// are not DNS-1123 labels count as missing and are reported (N4). A label
// stays for LabelKept after its last Node (H6).
func (p *Places) topology(nodes map[string]nodeLabels, now time.Time) (federation.Member, []federation.Problem) {
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
	for _, left := range []struct {
		kind string
		n    int
	}{{"regions", remember(p.regions, regions, now, maxRegionsKept)}, {"topology zones", remember(p.zones, zones, now, maxZonesKept)}} {
		if left.n > 0 {
			report(federation.ReasonTooManyZones, "%d more %s than are remembered for 24 h do not count", left.n, left.kind)
		}
	}

	out := federation.Member{Name: p.last.Name, Region: p.region(regions), Zones: slices.Sorted(maps.Keys(p.zones))}
	if len(regions) > 1 {
		report(federation.ReasonLabelConflict, "the Nodes say %d regions (%s): %q, which most say, is used",
			len(regions), joinLabels(slices.Sorted(maps.Keys(regions))), out.Region)
	}
	if len(out.Zones) > MaxZones {
		report(federation.ReasonTooManyZones, "%d topology zones, at most %d are used: those that Nodes have now, by name, come first", len(out.Zones), MaxZones)
		slices.SortStableFunc(out.Zones, func(a, b federation.Label) int { return cmp.Compare(min(zones[b], 1), min(zones[a], 1)) })
		out.Zones = slices.Clone(out.Zones[:MaxZones])
		slices.Sort(out.Zones)
	}
	p.last = out
	return out, problems
}

// remember notes the labels that Nodes have now, and forgets those that none has had for LabelKept. Those for which
// there is no room are taken out of now; it returns their number.
func remember(labels map[federation.Label]time.Time, now map[federation.Label]int, at time.Time, most int) (left int) {
	maps.DeleteFunc(labels, func(l federation.Label, last time.Time) bool { return now[l] == 0 && at.Sub(last) >= LabelKept })
	for _, l := range slices.Sorted(maps.Keys(now)) {
		if _, known := labels[l]; !known && len(labels) >= most {
			delete(now, l)
			left++
			continue
		}
		labels[l] = at
	}
	return left
}

// region chooses by the Nodes of now; without any it is the one chosen last,
// as long as that is remembered.
func (p *Places) region(count map[federation.Label]int) federation.Label {
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
