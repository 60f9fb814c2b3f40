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
	// maxZonesKept and maxRegionsKept bound the labels that are remembered: all Nodes may be relabeled once in that
	// time. Each label has been a level, with a claim of its own (H3e).
	maxZonesKept, maxRegionsKept = 2 * MaxZones, 8
	// changeBurst changes of a member's topology count at once, and then one per changeEvery (H3e).
	changeBurst, changeEvery = 5, time.Minute
)

// nodes says where a member is: by the configuration, or else by the labels of its Nodes (H6).
type nodes struct {
	configured *federation.Member // nil: by the labels
	labels     map[string]nodeLabels
	history    *TopologyHistory
}

func newNodes(configured *federation.Member, history *TopologyHistory) nodes {
	return nodes{configured: configured, labels: map[string]nodeLabels{}, history: history}
}

// put adds or replaces a Node, and reports whether this changes its labels.
func (n *nodes) put(name string, labels nodeLabels) (changed bool) {
	before, had := n.labels[name]
	n.labels[name] = labels
	return !had || before != labels
}

func (n *nodes) remove(name string) { delete(n.labels, name) }

func (n *nodes) clear() { clear(n.labels) }

// known returns the topology that the member counts as, whatever its Nodes have now.
func (n *nodes) known() federation.Member {
	if n.configured != nil {
		return *n.configured
	}
	return n.history.current()
}

// topology returns what the member counts as now, see TopologyHistory.update. Before all Nodes are listed, it is what
// is known.
func (n *nodes) topology(listed bool, now time.Time) (federation.Member, []federation.Problem, time.Duration) {
	switch {
	case n.configured != nil:
		return *n.configured, nil, 0
	case listed:
		return n.history.update(n.labels, now)
	default:
		return n.history.current(), nil, 0
	}
}

// nodeLabels are the topology labels of a Node, unchecked.
type nodeLabels struct{ region, zone string }

func trimLabels(labels map[string]string) nodeLabels {
	return nodeLabels{
		region: cmp.Or(labels[corev1.LabelTopologyRegion], labels[corev1.LabelFailureDomainBetaRegion]),
		zone:   cmp.Or(labels[corev1.LabelTopologyZone], labels[corev1.LabelFailureDomainBetaZone]),
	}
}

// TopologyHistory remembers which topology labels the Nodes of a member have had, and when last. It outlives the
// Watcher that uses it: a new kubeconfig is no reason to forget what was there an hour ago (H6). It may be used
// concurrently.
type TopologyHistory struct {
	mu        sync.Mutex
	cluster   string // the UID of kube-system; "" if unknown
	regions   map[federation.Label]time.Time
	zones     map[federation.Label]time.Time
	labeled   federation.Member // by the labels
	effective federation.Member // what the member counts as: labeled, but without changes that come too often
	changes   *rate.Limiter
}

// NewTopologyHistory returns an empty history of the member.
func NewTopologyHistory(member string) *TopologyHistory {
	h := &TopologyHistory{}
	h.reset(member)
	return h
}

func (h *TopologyHistory) reset(member string) {
	h.cluster = ""
	h.regions, h.zones = map[federation.Label]time.Time{}, map[federation.Label]time.Time{}
	h.labeled, h.effective = federation.Member{Name: member}, federation.Member{Name: member}
	h.changes = rate.NewLimiter(rate.Every(changeEvery), changeBurst)
}

// setCluster says which cluster the Nodes belong to. The history of another cluster at the same address is dropped.
func (h *TopologyHistory) setCluster(uid string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cluster != "" && uid != "" && h.cluster != uid {
		h.reset(h.labeled.Name)
	}
	h.cluster = cmp.Or(uid, h.cluster)
}

// current returns what the member counts as now.
func (h *TopologyHistory) current() federation.Member {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.effective
}

// update returns what the member counts as by its Nodes, and what is wrong with their labels. As a change replans every
// service of every federation, one that follows others too soon is delayed (H3e); delay is zero if none is.
func (h *TopologyHistory) update(nodes map[string]nodeLabels, now time.Time) (
	m federation.Member, problems []federation.Problem, delay time.Duration,
) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m, problems = h.topology(nodes, now)
	unknown := h.effective.Region == "" && len(h.effective.Zones) == 0
	switch {
	case sameTopology(m, h.effective):
	case unknown || h.changes.AllowN(now, 1):
		h.effective = m
	default:
		delay = max(time.Duration((1-h.changes.TokensAt(now))*float64(changeEvery)), time.Second)
		problems = append(problems, federation.Problem{
			Member: m.Name, Reason: federation.ReasonLabelsUnstable,
			Detail: fmt.Sprintf("the topology labels of the Nodes change too often: one change in %s counts now",
				changeEvery),
		})
	}
	return h.effective, problems, delay
}

func sameTopology(a, b federation.Member) bool {
	return a.Region == b.Region && slices.Equal(a.Zones, b.Zones)
}

// topology returns the member's topology by its Nodes: the region of most Nodes (of a tie, the first by name), and all
// topology zones. Labels that are not DNS-1123 labels count as missing and are reported (N4). A label is kept for
// LabelKept after its last Node (H6).
func (h *TopologyHistory) topology(nodes map[string]nodeLabels, now time.Time) (
	federation.Member, []federation.Problem,
) {
	var problems []federation.Problem
	report := func(reason federation.Reason, format string, args ...any) {
		problems = append(problems, federation.Problem{
			Member: h.labeled.Name, Reason: reason, Detail: fmt.Sprintf(format, args...),
		})
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
	for _, dropped := range []struct {
		kind string
		n    int
	}{
		{"regions", remember(h.regions, regions, now, maxRegionsKept)},
		{"topology zones", remember(h.zones, zones, now, maxZonesKept)},
	} {
		if dropped.n > 0 {
			report(federation.ReasonTooManyZones, "%d more %s than are remembered for 24 h do not count",
				dropped.n, dropped.kind)
		}
	}

	out := federation.Member{
		Name: h.labeled.Name, Region: h.region(regions), Zones: slices.Sorted(maps.Keys(h.zones)),
	}
	if len(regions) > 1 {
		report(federation.ReasonLabelConflict, "the Nodes are in %d regions (%s): %q, that of most Nodes, is used",
			len(regions), joinLabels(slices.Sorted(maps.Keys(regions))), out.Region)
	}
	if len(out.Zones) > MaxZones {
		report(federation.ReasonTooManyZones,
			"%d topology zones, at most %d are used: those that Nodes have now, by name, come first",
			len(out.Zones), MaxZones)
		slices.SortStableFunc(out.Zones, func(a, b federation.Label) int {
			return cmp.Compare(min(zones[b], 1), min(zones[a], 1))
		})
		out.Zones = slices.Clone(out.Zones[:MaxZones])
		slices.Sort(out.Zones)
	}
	h.labeled = out
	return out, problems
}

// remember records the labels that Nodes have now, counted in current, and forgets those that none has had for
// LabelKept. It removes those from current for which there is no room, and returns their number.
func remember(labels map[federation.Label]time.Time, current map[federation.Label]int, now time.Time, limit int) (
	dropped int,
) {
	maps.DeleteFunc(labels, func(l federation.Label, last time.Time) bool {
		return current[l] == 0 && now.Sub(last) >= LabelKept
	})
	for _, l := range slices.Sorted(maps.Keys(current)) {
		if _, known := labels[l]; !known && len(labels) >= limit {
			delete(current, l)
			dropped++
			continue
		}
		labels[l] = now
	}
	return dropped
}

// region returns the region of most Nodes. Without one it is the one chosen last, for as long as that is remembered.
func (h *TopologyHistory) region(count map[federation.Label]int) federation.Label {
	var best federation.Label
	for _, r := range slices.Sorted(maps.Keys(count)) {
		if best == "" || count[r] > count[best] {
			best = r
		}
	}
	if _, kept := h.regions[h.labeled.Region]; best == "" && kept {
		best = h.labeled.Region
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
