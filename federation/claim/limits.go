package claim

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/federation-dns/federation/federation"
)

// The most levels that are listed: of a federation, and of those that one member has,
// or had last. A member that keeps changing its labels costs itself only.
const (
	MaxLevels       = 1000
	MaxMemberLevels = 64
)

// ErrTooMany says that a level is not listed, as there are too many.
var ErrTooMany = errors.New("too many levels")

// limits counts levels.
type limits struct {
	listed map[federation.FQDN]bool
	of     map[string]int // the members
}

func newLimits(h *Holding) limits {
	l := limits{listed: map[federation.FQDN]bool{}, of: map[string]int{}}
	for _, e := range h.Entries {
		l.count(e, h.listed[e.Name].Past)
	}
	return l
}

func (l limits) count(e federation.LevelEntry, past []string) {
	l.listed[e.Name] = true
	for _, m := range slices.Concat(e.Members, past) {
		l.of[m]++
	}
}

// add counts a level that is to be listed; the error says why it must not be.
// One that is listed already stays.
func (l limits) add(e federation.LevelEntry) error {
	if l.listed[e.Name] {
		return nil
	}
	if len(l.listed) >= MaxLevels {
		return fmt.Errorf("%w: the federation has %d already, those of the past included", ErrTooMany, MaxLevels)
	}
	crowded := func(m string) bool { return l.of[m] >= MaxMemberLevels }
	if len(e.Members) > 0 && !slices.ContainsFunc(e.Members, func(m string) bool { return !crowded(m) }) {
		return fmt.Errorf("%w: member %q has, or had, %d already: do its Nodes change their labels all the time?", ErrTooMany, e.Members[0], MaxMemberLevels)
	}
	l.count(e, nil)
	return nil
}

// Warnings say which bound on levels is close: four fifths of it are reached.
func (h *Holding) Warnings() (texts []string) {
	l := newLimits(h)
	if n := len(l.listed); n*5 >= MaxLevels*4 {
		texts = append(texts, fmt.Sprintf("the federation has %d levels, those of the past included: more than %d are not written", n, MaxLevels))
	}
	for _, m := range slices.Sorted(maps.Keys(l.of)) {
		if l.of[m]*5 >= MaxMemberLevels*4 {
			texts = append(texts, fmt.Sprintf("member %q has, or had, %d levels: more than %d are not written; do its Nodes change their labels all the time?",
				m, l.of[m], MaxMemberLevels))
		}
	}
	return texts
}
