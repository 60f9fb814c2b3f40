// Package federation is the pure core of federated name expansion: names, topology levels, shards, RRsets and the rule
// that turns the shards of a service into the RRsets of the federation's domain.
//
// # Names and levels
//
// A service has the same name everywhere, SERVICE.NAMESPACE.FEDERATION, and one owner name at each level of the
// federation. The levels form a hierarchy; each has its own domain, here with flat naming in example.com:
//
//	global          example.com                        one per federation
//	region          europe-west1.example.com           the members of a region
//	topology zone   europe-west1-b.example.com         the members of a topology zone
//
//	nginx.mynamespace.myfederation.svc.europe-west1-b.example.com
//	└ service └ namespace └ federation  └ level
//
// A client starts at the topology zone of its Node ([Federation.Path]). A level with a healthy shard has the addresses
// of its shards; one without is a CNAME to the next level up, so that every name ends at the closest healthy shards.
//
// # One service
//
// nginx has a shard in each of two members. The one in Europe is not healthy, so clients there go one level up, twice,
// and end at the shard in the United States:
//
//	…svc.europe-west1-b.example.com   CNAME  …svc.europe-west1.example.com
//	…svc.europe-west1.example.com     CNAME  …svc.example.com
//	…svc.example.com                  A      203.0.113.4
//	…svc.us-east1.example.com         A      203.0.113.4
//	…svc.us-east1-b.example.com       A      203.0.113.4
//
// The package example computes these records: describe the members with [NewLevels], and pass the shards of the service
// to [Levels.RRsets]. [Levels.Explain] also says why each RRset is as it is, here NoHealthyShard for the first two and
// HealthyShards for the others, and from which members' shards.
//
// # Ownership
//
// TXT records beside these names say which syncer writes them: a [Claim] at each level, and below the global one a
// [Listing] of every level ever written, so that nothing is left behind. Package claim reads and writes them.
//
// # Pure
//
// Values go in and values come out. Nothing here reads a clock, a network, a log or an API server; the same input
// always yields the same output, in the same order. Package policy decides what shards count as when members fail or
// time passes, and package plan computes the changes from one set of RRsets to another.
//
// The rules cited as N1, P2a and so on are those of docs/rules.md. Every clause has a test that is named after it; the
// cases in testdata show each clause of the publishing rule with its input and the resulting zone.
package federation
