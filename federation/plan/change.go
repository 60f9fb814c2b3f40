// Package plan computes the changes that turn the current RRsets of a federation into the desired ones, in the order in
// which a provider must apply them (P6, X5b). It is pure: Diff and Apply work on lists of RRsets, and Apply also serves
// as the model of a zone in tests.
package plan

import "github.com/federation-dns/federation/federation"

// Change is the full change of one owner name, and what a provider applies atomically (P6, O3).
//
// From holds every RRset of type A, AAAA or CNAME (TXT for claims) that we expect at Name; it is empty if we expect
// none. To holds the RRsets that replace them; it is empty to delete them. A provider applies the change as a
// compare-and-swap: if the name does not have exactly From, nothing changes and the error of the change is a conflict.
type Change struct {
	Name federation.FQDN
	From []federation.RRset
	To   []federation.RRset
}
