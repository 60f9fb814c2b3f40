// Package plan computes the changes that turn the current RRsets of a
// federation into the desired ones, in the order in which a provider is to
// make them. It is pure.
package plan

import "github.com/federation-dns/federation/federation"

// Change is all that happens at one owner name, and the atomic unit of a
// provider (P6, O3).
//
// From is every RRset of the types A, AAAA and CNAME (TXT for claims) that we
// believe to be at Name; empty means that the name has none. To is what shall
// be there; empty means that all of From goes. A provider makes the change as
// a compare-and-swap: if From is not what is there, nothing happens and the
// change's error is a conflict.
type Change struct {
	Name federation.FQDN
	From []federation.RRset
	To   []federation.RRset
}
