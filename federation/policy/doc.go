// Package policy decides what may be published while members, or the syncer
// itself, are out of sight: which members count as lost, what their shards
// count as, what is held, why and for how long, and how often a name may change
// (sections 6 and 8 of the design: P3, X1, X2, X3, X5c).
//
// It is pure: the time is an argument, nothing here waits, reads a clock or
// logs. The caller takes events in with the methods of Members, calls Step
// after each and at the time that Next says, and Decide for each service that
// may be affected.
package policy
