// Package plugincases is what the federation plugin must answer: one table for
// the tests of its handler, on fakes, and for those of a whole CoreDNS with a
// real API server.
//
// The files of setups/ have a CoreDNS each "setup NAME node=NODE [refused]", its
// server blocks, and then cases: a heading that begins with the id of a rule,
// and below it questions with the reply wanted. What the cluster holds stands
// in objects.yaml, and what its pods and their EndpointSlices are in pods.yaml
// and slices.yaml; what is to be found beyond it in upstream.txt.
//
//	Q5 not ready only
//	    notready.ns.myfed CNAME -> NOERROR; @ CNAME @z
//
// A name without a trailing dot stands below svc.cluster.local. The reply is
// written as Text writes it, where @ is the name asked for, and @z, @r, @g are
// the names of its records at topology zone, region and global. After the type
// may stand +edns, +do, +ad (the bits of the question), +tcp, +slow (it takes
// seconds), and +real (fakes cannot show it).
package plugincases
