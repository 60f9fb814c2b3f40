package membercheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/check"
)

const (
	// maxOffset is how far clocks may be apart.
	maxOffset = 30 * time.Second
	// namedNodes is how many Nodes a finding names.
	namedNodes = 3
)

func clock(ctx context.Context, e *check.Env) []check.Finding {
	return e.EachMember(ctx, func(ctx context.Context, m *check.Member) []check.Finding {
		c, err := m.SyncerClient(ctx)
		if err != nil {
			return check.One(check.Untested(m.Name, err))
		}
		offset, err := c.ClockOffset(ctx)
		if err != nil {
			return check.One(check.Untested(m.Name, err))
		}
		than := "this machine's"
		if host, err := e.HostClient(); err == nil {
			if hosts, err := host.ClockOffset(ctx); err == nil {
				offset, than = offset-hosts, "the host's"
			}
		}
		if offset = offset.Round(time.Second); offset.Abs() > maxOffset {
			way := "ahead of"
			if offset < 0 {
				way = "behind"
			}
			return check.One(check.Bad(m.Name, "its clock is %s %s %s", offset.Abs(), way, than))
		}
		return check.One(check.Good(m.Name, "within %s of %s", max(offset.Abs(), time.Second), than))
	})
}

// topologyReasons are those of the syncer's problems that are of where a member is.
var topologyReasons = []federation.Reason{federation.ReasonLabelConflict, federation.ReasonBadLabel,
	federation.ReasonTooManyZones, federation.ReasonLabelsUnstable}

func topology(ctx context.Context, e *check.Env) []check.Finding {
	reported := map[string][]string{}
	if status, err := e.Status(ctx); err == nil {
		for _, f := range status.Federations {
			for _, p := range f.Problems {
				if p.Service == "" && slices.Contains(topologyReasons, federation.Reason(p.Reason)) {
					reported[p.Member] = append(reported[p.Member], p.Reason+": "+p.Detail)
				}
			}
		}
	}
	return e.EachMember(ctx, func(ctx context.Context, m *check.Member) []check.Finding {
		if list := reported[m.Name]; len(list) > 0 {
			slices.Sort(list)
			return check.One(check.Bad(m.Name, "%s", strings.Join(slices.Compact(list), "; ")))
		}
		switch {
		case m.Object != nil && m.Object.Spec.Topology != nil:
			t := m.Object.Spec.Topology
			return check.One(check.Good(m.Name, "%s, as its MemberCluster says", place(t.Region, t.Zones)))
		case m.Object == nil:
			return topologyInFile(m)
		}
		c, err := m.SyncerClient(ctx)
		if err != nil {
			return check.One(check.Untested(m.Name, err))
		}
		nodes, err := c.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return check.One(check.Untested(m.Name, err))
		}
		return check.One(labels(m.Name, nodes.Items))
	})
}

// topologyInFile is what the syncer knows of where a member of its file is.
func topologyInFile(m *check.Member) []check.Finding {
	for _, s := range m.Seen {
		switch {
		case s.Region != "" || len(s.Zones) > 0:
			return check.One(check.Good(m.Name, "%s", place(s.Region, s.Zones)))
		case s.Status == "present":
			return check.One(check.Bad(m.Name, "it has neither a region nor topology zones: it is in global only"))
		}
	}
	return check.One(check.Untested(m.Name, check.ErrInFile))
}

func place(region string, zones []string) string {
	return strings.TrimPrefix(region+": ", ": ") + strings.Join(zones, ", ")
}

// labels is what the topology labels of the Nodes are.
func labels(member string, nodes []corev1.Node) check.Finding {
	if len(nodes) == 0 {
		return check.Bad(member, "it has no Nodes, and its MemberCluster no topology")
	}
	var regions, zones []string
	lacks, bad := map[string][]string{}, []string{}
	for _, n := range nodes {
		for _, l := range []struct {
			what, label, old string
			into             *[]string
		}{
			{"region", corev1.LabelTopologyRegion, corev1.LabelFailureDomainBetaRegion, &regions},
			{"topology zone", corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaZone, &zones},
		} {
			value := cmp.Or(n.Labels[l.label], n.Labels[l.old])
			if value == "" {
				lacks[l.what] = append(lacks[l.what], n.Name)
			} else if _, err := federation.ParseLabel(value); err != nil {
				bad = append(bad, fmt.Sprintf("node %s: %s: %v", n.Name, l.what, err))
			} else {
				*l.into = append(*l.into, value)
			}
		}
	}
	slices.Sort(regions)
	slices.Sort(zones)
	regions, zones = slices.Compact(regions), slices.Compact(zones)
	var wrong []string
	for _, what := range []string{"region", "topology zone"} {
		if names := lacks[what]; len(names) > 0 {
			wrong = append(wrong, fmt.Sprintf("%d of %d Nodes have no %s (%s)", len(names), len(nodes), what,
				some(names)))
		}
	}
	if len(regions) > 1 {
		wrong = append(wrong, "its Nodes are in several regions: "+strings.Join(regions, ", "))
	}
	if wrong = append(wrong, bad...); len(wrong) > 0 {
		return check.Bad(member, "%s", strings.Join(wrong, "; "))
	}
	return check.Good(member, "%s", place(strings.Join(regions, ", "), zones))
}

func some(names []string) string {
	if len(names) > namedNodes {
		return strings.Join(names[:namedNodes], ", ") + ", ..."
	}
	return strings.Join(names, ", ")
}

// The minor versions of Kubernetes that are supported: docs/support.md.
const oldestMinor, newestMinor = 35, 37

var (
	kubernetesMinor = regexp.MustCompile(`^v1\.(\d+)\.`)
	errVersion      = errors.New("the syncer has not seen its version yet")
)

func version(ctx context.Context, e *check.Env) []check.Finding {
	return e.EachMember(ctx, func(_ context.Context, m *check.Member) []check.Finding {
		is := ""
		if m.Object != nil {
			is = m.Object.Status.Version
		}
		for _, s := range m.Seen {
			is = cmp.Or(is, s.Version)
		}
		digits := kubernetesMinor.FindStringSubmatch(is)
		if digits == nil {
			return check.One(check.Untested(m.Name, errVersion))
		}
		minor, _ := strconv.Atoi(digits[1]) // matched as digits; one out of range is the largest, and too new
		switch {
		case minor < oldestMinor:
			return check.One(check.Bad(m.Name, "%s is older than 1.%d, the oldest that is supported", is, oldestMinor))
		case minor > newestMinor:
			return check.One(check.Bad(m.Name, "%s is newer than 1.%d, the newest that is tested", is, newestMinor))
		}
		return check.One(check.Good(m.Name, "%s", is))
	})
}
