package member

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
)

const (
	// reportInterval is how often the topology and the problems of a member are compared with those sent, at most: the
	// problems may be many, and change all the time (H3e).
	reportInterval = time.Second
	// maxProblems bounds the problems of a member that belong to no shard.
	maxProblems = 50
)

// report is what was sent of a member besides its shards.
type report struct {
	topology federation.Member
	problems []federation.Problem
	checked  time.Time   // when it was last compared with the present
	timer    *time.Timer // the next scheduled check; nil if none is
	due      time.Time   // when timer fires
}

// schedule has check called after some time, unless it will be called earlier anyway. check must set timer to nil.
func (r *report) schedule(after time.Duration, check func()) {
	due := time.Now().Add(after)
	switch {
	case r.timer == nil:
		r.timer = time.AfterFunc(after, check)
	case due.Before(r.due):
		r.timer.Reset(after)
	default:
		return
	}
	r.due = due
}

// mislabeled holds the labels of Services that name no federation at all (X7), or none of ours.
type mislabeled map[federation.ServiceName]string

// set records a Service's label, and whether it is such a label; it reports whether this is a change.
func (m mislabeled) set(name federation.ServiceName, label string, is bool) (changed bool) {
	before, was := m[name]
	if was == is && before == label {
		return false
	}
	delete(m, name)
	if is {
		m[name] = label
	}
	return true
}

// problems returns one problem for each label that names no federation, and one for all that name none of ours: such a
// label may be mistyped, or another syncer's.
func (m mislabeled) problems(member string) (problems []federation.Problem) {
	var bad []federation.ServiceName
	others := map[string]int{}
	for name, label := range m {
		if isFederation(label) {
			others[label]++
		} else {
			bad = append(bad, name)
		}
	}
	slices.SortFunc(bad, federation.CompareServiceNames)
	for _, name := range bad {
		problems = append(problems, federation.Problem{
			Member: member, Service: name, Reason: federation.ReasonBadLabel,
			Detail: fmt.Sprintf("label %s: %q is not the name of a federation "+
				`(a lower-case DNS-1123 label, not "svc" or "pod")`, LabelFederation, m[name]),
		})
	}
	if len(others) > 0 {
		problems = append(problems, federation.Problem{
			Member: member, Reason: federation.ReasonOtherFederation, Detail: countOthers(others),
		})
	}
	return problems
}

// isFederation reports whether a federation may have that name.
func isFederation(label string) bool {
	parsed, err := federation.ParseName(label)
	return err == nil && string(parsed) == label
}

// countOthers says how many Services have which labels, the most frequent first.
func countOthers(others map[string]int) string {
	labels := slices.SortedFunc(maps.Keys(others), func(a, b string) int {
		return cmp.Or(others[b]-others[a], strings.Compare(a, b))
	})
	total := 0
	for _, n := range others {
		total += n
	}
	const shown = 5
	more := ""
	if len(labels) > shown {
		more = fmt.Sprintf(" and %d more", len(labels)-shown)
		labels = labels[:shown]
	}
	if total == 1 {
		return fmt.Sprintf("1 Service names a federation that is none of ours: %s", labels[0])
	}
	return fmt.Sprintf("%d Services name federations that are none of ours: %s%s",
		total, strings.Join(labels, ", "), more)
}

// boundProblems keeps maxProblems of the problems of a member; the last one then counts the rest.
func boundProblems(problems []federation.Problem) []federation.Problem {
	more := len(problems) - maxProblems
	if more <= 0 {
		return problems
	}
	last := problems[maxProblems-1]
	last.Service = federation.ServiceName{}
	last.Detail = fmt.Sprintf("%s; and %d more problems of this member", last.Detail, more)
	return append(problems[:maxProblems-1:maxProblems-1], last)
}
