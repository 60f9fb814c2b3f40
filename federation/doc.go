// Package federation is the pure core of federated name expansion: names,
// topology levels, shards, RRsets and the rule that turns the shards of a
// service into the RRsets that stand in the domain of the federation.
//
// Values go in and values come out. Nothing here reads a clock, a network, a
// log or an API server; the same input always yields the same output, in the
// same order. Time and failure are the business of package policy below this
// one, and the difference between two states that of package plan.
//
// The rules cited as N1, P2a and so on are those of docs/rules.md.
package federation
