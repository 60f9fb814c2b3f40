package policy

import "time"

// minFailedProbes is how many probes in a row must fail before silence counts as loss: one slow answer does not (X2a).
const minFailedProbes = 3

// probeInterval returns how often to probe a member that may be silent for unreachableAfter (X2a).
func probeInterval(unreachableAfter time.Duration) time.Duration {
	return min(5*time.Second, unreachableAfter/5)
}

// Contact is the result of a member's probes. Only an answered probe is a contact, whatever the member's watches seem
// to do (X2a).
type Contact struct {
	// Since is the last contact, or the start of probing.
	Since time.Time
	// Ever reports whether there was a contact.
	Ever bool
	// Failed is the number of probes that failed in a row since.
	Failed int
	// Probed is when the last probe was sent, answered or not.
	Probed time.Time
}

// Probe records the result of the probe sent at the given time.
func (c *Contact) Probe(at time.Time, ok bool) {
	c.Probed = at
	if !ok {
		c.Failed++
		return
	}
	c.Failed, c.Ever = 0, true
	if at.After(c.Since) {
		c.Since = at
	}
}

// Pause discounts a time in which no probe was sent though one was due: the program itself was suspended, so the
// silence says nothing about the member.
func (c *Contact) Pause(d time.Duration) { c.Since = c.Since.Add(d) }

// Answers reports whether the last probe was answered.
func (c Contact) Answers() bool { return c.Ever && c.Failed == 0 }

// Lost reports whether the member is unreachable: there was no contact for the duration after, and at least three
// probes failed (X2a).
func (c Contact) Lost(now time.Time, after time.Duration) bool {
	at := c.Deadline(after)
	return !at.IsZero() && !now.Before(at)
}

// Deadline returns when the member becomes unreachable unless a probe is answered before, or zero while more probes
// have to fail first.
func (c Contact) Deadline(after time.Duration) time.Time {
	if c.Failed < minFailedProbes {
		return time.Time{}
	}
	return c.Since.Add(after)
}
