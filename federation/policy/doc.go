// Package policy decides what may be published while members, or the syncer itself, are isolated: which members count
// as lost, whether their shards count as healthy, what is held, why and for how long (P3, X1, X2, X3), what has to wait
// because too much would be withdrawn at once (X4), and how often a name may change (X5c).
//
// It is pure: time is an argument, and nothing here waits, reads a clock or logs. A caller
//
//   - reports what it observes of members to the Roster, and calls Step after each observation and at the time that
//     Next returns;
//   - reports what is published of each service to the Brake;
//   - calls Brake.Publish for each service that may be affected, and again at the time in Outcome.Next. It decides on
//     the shards (Decide), applies the publishing rule and holds back what has to wait.
//
// The cases in testdata read as scenarios, and are named after the rules in docs/rules.md.
package policy
