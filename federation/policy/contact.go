package policy

import "time"

// minFailedProbes is how many probes must have failed in a row before silence
// counts as loss: one slow answer is none (X2a).
const minFailedProbes = 3

// probeInterval is how often a member is probed that may be silent for that long (X2a).
func probeInterval(unreachableAfter time.Duration) time.Duration {
	return min(5*time.Second, unreachableAfter/5)
}

// Contact is what the probes of one member have shown. Only a probe that was
// answered is a contact, whatever the member's watches seem to do (X2a).
type Contact struct {
	// Since is the last contact, or the start of probing.
	Since time.Time
	// Ever says that there was a contact.
	Ever bool
	// Failed counts the probes in a row that failed since.
	Failed int
	// Probed is when the last probe was sent, answered or not.
	Probed time.Time
}

// Probe takes the result of the probe that was sent at that time in.
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

// Pause takes in that no probe was sent for that long though it was time to: the
// program itself stood still, so that the silence says nothing of the member.
func (c *Contact) Pause(d time.Duration) { c.Since = c.Since.Add(d) }

// Answers reports whether the last probe was answered.
func (c Contact) Answers() bool { return c.Ever && c.Failed == 0 }

// Lost reports whether the member is unreachable: no contact for the time
// after, and at least three failed probes (X2a).
func (c Contact) Lost(now time.Time, after time.Duration) bool {
	at := c.Deadline(after)
	return !at.IsZero() && !now.Before(at)
}

// Deadline is when the member will be unreachable if no probe is answered
// before; zero while that takes more failed probes.
func (c Contact) Deadline(after time.Duration) time.Time {
	if c.Failed < minFailedProbes {
		return time.Time{}
	}
	return c.Since.Add(after)
}
