// Package policy decides what may be published while members, or the syncer
// itself, are out of sight: which members count as lost, what their shards
// count as, what is held and for how long (sections 6 and 8 of the design: P3,
// X1, X2, X3). It is pure: the time is an argument, and nothing here waits.
package policy

import "time"

// minFailedProbes is how many probes must have failed in a row before silence
// counts as loss: one slow answer is none (X2a).
const minFailedProbes = 3

// Contact is what the probes of one member have shown.
type Contact struct {
	// Since is the last successful contact, or the start of probing.
	Since time.Time
	// Ever says that there was a successful contact.
	Ever bool
	// Failed counts the probes that failed since.
	Failed int
}

// Probe takes one result in.
func (c *Contact) Probe(at time.Time, ok bool) {
	if !ok {
		c.Failed++
		return
	}
	c.Failed, c.Ever = 0, true
	if at.After(c.Since) {
		c.Since = at
	}
}

// Lost reports whether the member is unreachable: nothing heard for the time
// after, and minFailedProbes probes failed (X2a).
func (c Contact) Lost(now time.Time, after time.Duration) bool {
	return c.Failed >= minFailedProbes && now.Sub(c.Since) >= after
}
