package member

import (
	"fmt"
	"maps"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/federation-dns/federation/federation"
)

const (
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

// hear notes a sign of life of a watch.
func (t *content) hear(k kind) {
	t.heard[k] = time.Now()
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
		f.since = before.since
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

// misfit notes whether a Service's label names no federation at all (X7).
func (t *content) misfit(name federation.ServiceName, label string, bad bool) {
	_, had := t.misfits[name]
	delete(t.misfits, name)
	if bad {
		t.misfits[name] = label
	}
	if bad || had {
		t.tellTopology()
	}
}

// isFederation reports whether some federation may have that name.
func isFederation(label federation.Label) bool {
	parsed, err := federation.ParseName(string(label))
	return err == nil && parsed == label
}

// place returns the topology of now, and the problems that belong to no shard.
func (t *content) place() (federation.Member, []federation.Problem) {
	var topology federation.Member
	var problems []federation.Problem
	report := func(s federation.ServiceName, reason federation.Reason, format string, args ...any) {
		problems = append(problems, federation.Problem{Member: t.config.Name, Service: s, Reason: reason, Detail: fmt.Sprintf(format, args...)})
	}
	for k := range kinds {
		if err := t.failures[k].err; err != nil {
			report(federation.ServiceName{}, ReasonWatchFailed, "%s of member %q cannot be %s: %v", k, t.config.Name, t.failures[k].verb(), err)
		}
	}
	for _, name := range slices.SortedFunc(maps.Keys(t.misfits), federation.CompareServiceNames) {
		report(name, federation.ReasonBadLabel, "label %s: %q is not the name of a federation (a lower-case DNS-1123 label, not \"svc\" or \"pod\")", LabelFederation, t.misfits[name])
	}
	switch {
	case t.config.Topology != nil:
		topology = *t.config.Topology
	case t.listed[kindNodes]:
		var more []federation.Problem
		topology, more = t.places.topology(t.nodes, time.Now())
		problems = append(problems, more...)
	default:
		topology = t.places.last
	}
	if more := len(problems) - maxProblems; more > 0 {
		last := problems[maxProblems-1]
		last.Service, last.Detail = federation.ServiceName{}, fmt.Sprintf("%s; and %d more problems of this member", last.Detail, more)
		problems = append(problems[:maxProblems-1:maxProblems-1], last)
	}
	return topology, problems
}

// tellTopology sends the topology and the member's problems if they changed.
// While a list is under way it tells of problems only.
func (t *content) tellTopology() {
	listing := slices.Contains(t.listed[:], false)
	if t.replacing || !t.complete && !listing {
		return // finish tells
	}
	topology, problems := t.place()
	if listing {
		topology = t.topology
	}
	same := topology.Region == t.topology.Region && slices.Equal(topology.Zones, t.topology.Zones)
	if same && slices.Equal(problems, t.problems) {
		return
	}
	t.topology, t.problems = topology, problems
	t.emit(TopologyEvent{Member: t.config.Name, Topology: topology, Problems: problems})
}
