package member

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/federation-dns/federation/federation"
)

const (
	// tellEvery is how often the topology and the problems of a member are looked at.
	tellEvery = time.Second
	// unansweredFor is how long requests without an answer are no problem of their own: the probes tell.
	unansweredFor = 10 * time.Second
	// nodesRefused is how long Nodes may be refused before the member counts as
	// one without topology: a server that has just started may refuse what it
	// grants a moment later.
	nodesRefused = 20 * time.Second
	// maxProblems bounds the problems of a member that belong to no shard.
	maxProblems = 50
)

// failure is the last error of a watch that does not work now.
type failure struct {
	err   error // nil: it works
	watch bool  // the watch failed; else the list did
	at    time.Time
	since time.Time // it fails for this reason
}

func (f failure) verb() string {
	if f.watch {
		return "watched"
	}
	return "listed"
}

// answered reports whether it was the API server that refused. A request that had no answer is the probes' to report,
// unless they are answered, and it was none for some time.
func (f failure) answered() bool {
	var status apierrors.APIStatus
	return errors.As(f.err, &status)
}

// hear notes a sign of life of a watch.
func (t *content) hear(k kind) {
	t.heard[k], t.seen[k] = time.Now(), time.Now()
	t.works(k)
}

// works notes that a watch works, which is less than a sign of life, and
// reports whether it had failed.
func (t *content) works(k kind) (news bool) {
	if t.failures[k].err == nil {
		return false
	}
	t.failures[k] = failure{at: t.failures[k].at}
	t.tellTopology()
	return true
}

// failed notes that a list or a watch failed, and reports whether it is the
// first time in a row, or for another reason. It will be tried again.
func (t *content) failed(k kind, watch bool, err error) (news bool) {
	now := time.Now()
	f := failure{err: err, watch: watch, at: now, since: now}
	before := t.failures[k]
	news = before.err == nil || apierrors.ReasonForError(before.err) != apierrors.ReasonForError(err)
	if !news {
		f.since, f.watch = before.since, before.watch
		f.err = before.err // no event for every port that a connection came from
	}
	t.failures[k] = f
	if k == kindNodes && !t.listed[k] && apierrors.IsForbidden(err) && now.Sub(f.since) >= nodesRefused {
		t.listed[k] = true // the shards must not suffer for it
		t.finish()
	}
	t.tellTopology()
	return news
}

// unwatched returns since when nothing has been seen of Services or EndpointSlices that cannot be listed or watched;
// zero if both can (X2d). Without Nodes only a place is old.
func (t *content) unwatched() (since time.Time) {
	for _, k := range []kind{kindServices, kindSlices} {
		if t.failures[k].err != nil && (since.IsZero() || t.seen[k].Before(since)) {
			since = t.seen[k]
		}
	}
	return since
}

// overdue reports whether a kind has shown nothing for longer than bookmarks take.
func (t *content) overdue(k kind) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Since(t.heard[k]) > silence/3
}

// silent returns the kind that has shown nothing for longer than that, not
// even a failure, if there is one.
func (t *content) silent(now time.Time, longer time.Duration) (kind, bool) {
	for k := range kinds {
		if k == kindNodes && t.config.Topology != nil {
			continue
		}
		if now.Sub(t.heard[k]) > longer && now.Sub(t.failures[k].at) > longer {
			return k, true
		}
	}
	return 0, false
}

// misfit notes whether a Service's label names no federation at all (X7), or none of ours.
func (t *content) misfit(name federation.ServiceName, label string, bad bool) {
	before, had := t.misfits[name]
	if had == bad && before == label {
		return
	}
	delete(t.misfits, name)
	if bad {
		t.misfits[name] = label
	}
	t.tellTopology()
}

// isFederation reports whether some federation may have that name.
func isFederation(label string) bool {
	parsed, err := federation.ParseName(label)
	return err == nil && string(parsed) == label
}

// place returns the topology of now, the problems that belong to no shard, and when to look again; zero for nothing.
func (t *content) place() (topology federation.Member, problems []federation.Problem, again time.Duration) {
	problems, again = t.failing(time.Now())
	problems = append(problems, t.misfitProblems()...)
	switch {
	case t.config.Topology != nil:
		topology = *t.config.Topology
	case t.listed[kindNodes]:
		var more []federation.Problem
		var wait time.Duration
		topology, more, wait = t.places.place(t.nodes, time.Now())
		problems = append(problems, more...)
		if again == 0 || wait > 0 && wait < again {
			again = wait
		}
	default:
		topology = t.places.placed()
	}
	if more := len(problems) - maxProblems; more > 0 {
		last := problems[maxProblems-1]
		last.Service, last.Detail = federation.ServiceName{}, fmt.Sprintf("%s; and %d more problems of this member", last.Detail, more)
		problems = append(problems[:maxProblems-1:maxProblems-1], last)
	}
	return topology, problems, again
}

// failing returns the problems of watches, one for all kinds that fail in the same way, and when one more may be due.
func (t *content) failing(now time.Time) (problems []federation.Problem, again time.Duration) {
	var of [kinds][]string // by the first kind that fails so
	for k := range kinds {
		f := t.failures[k]
		if f.err == nil {
			continue
		}
		if wait := f.since.Add(unansweredFor).Sub(now); !f.answered() && (wait > 0 || !t.alive()) {
			if wait <= 0 {
				wait = unansweredFor // the probes have to be answered
			}
			again = wait
			continue
		}
		first := k
		for o := range k {
			if of[o] != nil && t.failures[o].verb() == f.verb() && t.failures[o].err.Error() == f.err.Error() {
				first = o
			}
		}
		of[first] = append(of[first], k.String())
	}
	for k, names := range of {
		if names != nil {
			problems = append(problems, federation.Problem{
				Member: t.config.Name, Reason: federation.ReasonWatchFailed,
				Detail: fmt.Sprintf("%s of member %q cannot be %s: %v", strings.Join(names, ", "), t.config.Name, t.failures[k].verb(), t.failures[k].err),
			})
		}
	}
	return problems, again
}

// misfitProblems are those of labels, one each for those that name no federation, and one for those that name none of
// ours: another syncer may have that one, or somebody mistyped it.
func (t *content) misfitProblems() (problems []federation.Problem) {
	var bad []federation.ServiceName
	others := map[string]int{}
	for name, label := range t.misfits {
		if isFederation(label) {
			others[label]++
		} else {
			bad = append(bad, name)
		}
	}
	slices.SortFunc(bad, federation.CompareServiceNames)
	for _, name := range bad {
		problems = append(problems, federation.Problem{
			Member: t.config.Name, Service: name, Reason: federation.ReasonBadLabel,
			Detail: fmt.Sprintf("label %s: %q is not the name of a federation (a lower-case DNS-1123 label, not \"svc\" or \"pod\")", LabelFederation, t.misfits[name]),
		})
	}
	if len(others) > 0 {
		problems = append(problems, federation.Problem{
			Member: t.config.Name, Reason: federation.ReasonOtherFederation, Detail: countOthers(others),
		})
	}
	return problems
}

// countOthers says how many Services have which labels, the most frequent first.
func countOthers(others map[string]int) string {
	labels := slices.SortedFunc(maps.Keys(others), func(a, b string) int { return cmp.Or(others[b]-others[a], strings.Compare(a, b)) })
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
	return fmt.Sprintf("%d Services name federations that are none of ours: %s%s", total, strings.Join(labels, ", "), more)
}

// tellTopology sends the topology and the member's problems if they changed.
// While a list is under way it tells of problems only. It looks at them at most
// once in tellEvery: they may be many, and change all the time (H3e).
func (t *content) tellTopology() {
	listing := slices.Contains(t.listed[:], false)
	if t.replacing || !t.complete && !listing {
		return // finish tells
	}
	now := time.Now()
	if wait := t.toldAt.Add(tellEvery).Sub(now); wait > 0 {
		t.lookAgain(wait)
		return
	}
	t.toldAt = now
	topology, problems, again := t.place()
	if again > 0 {
		t.lookAgain(again)
	}
	if listing {
		topology = t.topology
	}
	if equalPlaces(topology, t.topology) && slices.Equal(problems, t.problems) {
		return
	}
	t.topology, t.problems = topology, problems
	t.emit(TopologyEvent{Member: t.config.Name, Topology: topology, Problems: problems})
}

// lookAgain has tellTopology called after some time at the latest.
func (t *content) lookAgain(after time.Duration) {
	at := time.Now().Add(after)
	switch {
	case t.look == nil:
		t.look = time.AfterFunc(after, func() {
			_ = t.locked(func() { t.look = nil; t.tellTopology() })
		})
	case at.Before(t.lookAt):
		t.look.Reset(after)
	default:
		return
	}
	t.lookAt = at
}
