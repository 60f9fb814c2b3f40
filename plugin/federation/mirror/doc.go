// Package mirror reads a federation's mirrors from the cluster that CoreDNS runs in: what the syncer tells this
// member's pods, kept in memory so that a question costs no lookup (M4-M6).
//
// A Reader has one watch on one namespace, and keeps a Mirror for each federation of the Corefile. A Mirror is read by
// questions, and never waits: what was read last stands in an immutable view. Whether that is fresh is decided by
// pulse, without I/O and with the times that it is given.
//
// The form of what is read is that of package federation/mirror, which is imported as form.
package mirror
