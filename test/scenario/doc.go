// Package scenario is the walk-through of the whole system, on real API
// servers: four clusters, one federated Service, and what happens when parts of
// it fail. It drives both the demo and its test.
//
// A World is everything that runs: the DNS server of example.com, four
// clusters, each with a CoreDNS of its own, and the syncer. It must be started
// inside a private network namespace (netns.Enter), where every address of it
// is local.
//
// A Step does something to the World and says what must come true. What it
// expects of the records stands in tables/, written by hand and not computed
// by the code that is tested.
package scenario
