// Package scenario is the walk-through of the whole system, on real API servers: four clusters, one federated Service,
// and what happens when parts of it fail. It drives both the demo and its test.
//
// A Play is a World with a Watch, which asks for every name all the time. A Step does something to it and says what
// must come true. What it expects of the records is in tables/, written by hand and not computed by the code that is
// tested.
package scenario
