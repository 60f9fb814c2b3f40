package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/test/chaos/stage"
)

// wire sees the changes that a host has answered: each is a
// compare-and-swap under the claim (O3a), of our own names only (O2), and none of
// a syncer that has been taken over from is made (O3c, O4).
type wire struct {
	zone   stage.Zone
	report *report

	mu     sync.Mutex
	leader int // which syncer has written the main claim last
	taken  bool
}

// see is called for one change after the other.
func (w *wire) see(u stage.Update) {
	if len(u.Names) == 0 {
		return // only a question whether the claim holds
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	claim := string(w.zone.ClaimName(w.zone.Domain))
	if _, takes := u.Names[claim]; takes && u.Made {
		w.leader, w.taken = u.Syncer, true
	}
	if u.Made && w.taken && u.Syncer != w.leader {
		w.wrong("unfenced", claim, fmt.Sprintf("syncer %d has changed %v after syncer %d had taken over",
			u.Syncer, some(u.Names), w.leader))
	}
	if !u.Asserts {
		w.wrong("unasserted", claim, fmt.Sprintf("an update of %v does not assert the main claim", some(u.Names)))
	}
	switched := 0
	for name, c := range u.Names {
		w.judge(name, c)
		if c.Switches {
			switched++
		}
	}
	if u.Made {
		w.report.updated(len(u.Names), switched)
	}
}

// judge looks at what is changed at one name.
func (w *wire) judge(name string, c stage.Change) {
	_, _, ours := w.zone.ParseOwner(federation.FQDN(name))
	if !ours && !w.zone.Marks(name) {
		w.wrong("touched", name, "an update changes a name that is not ours")
	}
	if len(c.Uncompared) > 0 {
		w.wrong("uncompared", name, fmt.Sprintf("an update changes it whatever its RRsets of the types %v are",
			c.Uncompared))
	}
}

func (w *wire) wrong(kind, name, why string) {
	w.report.violation(violation{Kind: kind, Name: name, Service: strings.Split(name, ".")[0], Why: why})
}

// some are up to three of the names.
func some(names map[string]stage.Change) []string {
	all := slices.Sorted(maps.Keys(names))
	return all[:min(len(all), 3)]
}
