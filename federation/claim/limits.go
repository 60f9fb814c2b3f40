package claim

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/federation-dns/federation/federation"
)

// The bounds on listed levels: of a federation, and of those that one member has, or had last. A member that keeps
// changing its labels affects only itself.
const (
	MaxLevels       = 1000
	MaxMemberLevels = 64
)

// ErrTooMany means that a level is not listed because there are too many.
var ErrTooMany = errors.New("too many levels")

// limits counts levels against the bounds.
type limits struct {
	listed   map[federation.FQDN]bool
	byMember map[string]int // the members
}

func newLimits(h *Holding) limits {
	l := limits{listed: map[federation.FQDN]bool{}, byMember: map[string]int{}}
	for _, e := range h.Entries {
		l.count(e, h.listed[e.Name].Past)
	}
	return l
}

func (l limits) count(e federation.LevelEntry, past []string) {
	l.listed[e.Name] = true
	for _, m := range slices.Concat(e.Members, past) {
		l.byMember[m]++
	}
}

// add counts a level to be listed, or returns an error if it must not be. One that is listed already stays.
func (l limits) add(e federation.LevelEntry) error {
	if l.listed[e.Name] {
		return nil
	}
	if len(l.listed) >= MaxLevels {
		return fmt.Errorf("%w: the federation has %d already, those of the past included", ErrTooMany, MaxLevels)
	}
	crowded := func(m string) bool { return l.byMember[m] >= MaxMemberLevels }
	if len(e.Members) > 0 && !slices.ContainsFunc(e.Members, func(m string) bool { return !crowded(m) }) {
		return fmt.Errorf("%w: member %q has, or had, %d already: do its Nodes change their labels all the time?",
			ErrTooMany, e.Members[0], MaxMemberLevels)
	}
	l.count(e, nil)
	return nil
}

// Warnings returns a text for each bound on levels that is close: four fifths are reached.
func (h *Holding) Warnings() (texts []string) {
	l := newLimits(h)
	if n := len(l.listed); n*5 >= MaxLevels*4 {
		texts = append(texts,
			fmt.Sprintf("the federation has %d levels, those of the past included: more than %d are not written", n,
				MaxLevels))
	}
	for _, m := range slices.Sorted(maps.Keys(l.byMember)) {
		if l.byMember[m]*5 >= MaxMemberLevels*4 {
			texts = append(texts, fmt.Sprintf("member %q has, or had, %d levels: more than %d are not written; "+
				"do its Nodes change their labels all the time?", m, l.byMember[m], MaxMemberLevels))
		}
	}
	return texts
}
