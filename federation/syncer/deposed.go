package syncer

// depose stops all writing: the claim is another syncer's, of a newer generation, or cleanup's (O1e).
func (z *zone) depose(why error) {
	z.deposed = why
	z.log.Error("deposed: nothing more is written until another replica has had the Lease, or this one is restarted", "error", why)
	if z.giveBack != nil {
		z.giveBack()
	}
}

// lostClaim has the main claim made again, by the rules of a start: it is gone, or an older one of ours, and nobody else
// has taken it (O1e).
func (z *zone) lostClaim(why error) {
	z.log.Error("the main claim was lost, and is made again: was the zone restored, or the TXT record deleted, or does the server show old data?",
		"error", why)
	z.metrics.drift.Inc()
	z.lost, z.held = z.held, nil
}
