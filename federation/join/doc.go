// Package join makes a cluster a member of the federations of a syncer, and ends that again. It works with the rights
// of the admin who runs it, in the host cluster and in the member.
//
// Everything is checked before the first write (J1). What is written is applied, so that a run that was cut short is
// continued by the next one (J2), and success is what the syncer says in the status of the MemberCluster (J4).
package join
