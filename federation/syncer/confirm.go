package syncer

import (
	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
)

// waiting is what waits in a loop; called in its goroutine.
func (l *loop) waiting() (list []admin.Waiting) {
	for _, b := range l.brake.Waiting() {
		w := admin.Waiting{
			Federation: string(l.config.Name), Domain: string(l.config.Domain), Namespace: b.Service.Namespace, Service: b.Service.Name,
			Empties: b.Empties, Names: len(b.Names), Deletes: b.Names, Watched: b.Watched,
		}
		if b.Watched {
			w.Until = &b.Until
		}
		list = append(list, w)
	}
	return append(list, l.waitingMembers()...)
}

// confirmAll confirms those of the list that are this loop's, and counts them: what has grown since it was shown waits
// again (X4c).
func (l *loop) confirmAll(list []admin.Waiting) (n int) {
	for _, w := range list {
		if w.Federation != string(l.config.Name) || w.Domain != string(l.config.Domain) {
			continue
		}
		if w.Member != "" && l.confirmDeparture(w) || w.Member == "" && l.confirm(federation.ServiceName{Namespace: w.Namespace, Name: w.Service}, w.Deletes) {
			n++
		}
	}
	return n
}
