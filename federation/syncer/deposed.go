package syncer

// depose ends all writing: the claim is another syncer's, of a newer generation, or cleanup's (O1e).
func (l *loop) depose(why error) {
	l.deposed = why
	l.log.Error("deposed: nothing more is written until another replica has had the Lease, or this one is restarted", "error", why)
	if l.giveBack != nil {
		l.giveBack()
	}
}

// lostClaim has the main claim made again, by the rules of a start: it is gone, or an older one of ours, and nobody else
// has taken it (O1e).
func (l *loop) lostClaim(why error) {
	l.log.Error("the main claim was lost, and is made again: was the zone restored, or the TXT record deleted, or does the server show old data?",
		"error", why)
	l.metrics.drift.Inc()
	l.lost, l.held = l.held, nil
}
