package syncer

import (
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/policy"
)

// The backoff of a change that the provider refuses (X5a).
const minRefused, maxRefused = 10 * time.Second, 5 * time.Minute

// nameState is what is remembered of a name that was changed or refused.
type nameState struct {
	pace         policy.Pace
	refusal      error // nil: it was not refused
	refused      []federation.RRset
	refusedUntil time.Time
	backoff      time.Duration
}

func (l *loop) name(n federation.FQDN) *nameState {
	s := l.names[n]
	if s == nil {
		s = &nameState{}
		l.names[n] = s
	}
	return s
}

// refuse notes that the provider does not take these RRsets at the name.
func (n *nameState) refuse(at time.Time, err error, to []federation.RRset) {
	n.backoff = min(max(2*n.backoff, minRefused), maxRefused)
	n.refusal, n.refused, n.refusedUntil = err, to, at.Add(n.backoff)
}

// notBefore is when the change may be made: a refused one slowly, all others
// as X5c says. n may be nil.
func (n *nameState) notBefore(now time.Time, c plan.Change, withdraws bool) time.Time {
	if n == nil {
		return time.Time{}
	}
	at := n.pace.NotBefore(now, withdraws)
	if n.refusal != nil && federation.EqualRRsets(n.refused, c.To) && n.refusedUntil.After(at) {
		at = n.refusedUntil
	}
	return at
}
