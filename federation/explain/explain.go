// Package explain predicts what a pod in a member gets for a federated name, and why: what the plugin there answers
// from the local shard, or finds at the levels of the pod's node. It is a pure function of a syncer's status.
//
// It knows what the syncer knows. A Service that has no label there, a Corefile with other options than the defaults,
// and what other servers have at a level that is not the syncer's, it cannot see; Notes say so where it matters.
package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
)

// DefaultTTL is the plugin's own limit of all TTLs, in seconds, unless its Corefile says otherwise (Q15).
const DefaultTTL = 5

// Question is what is asked, and from where.
type Question struct {
	// Name is the name as a pod writes it: see ParseName.
	Name string
	// Domain chooses the federation if several have the name; "" if only one has.
	Domain string
	// Member is the name of the member in which the pod runs.
	Member string
	// Zone is the topology zone of its node; "" for the member's first.
	Zone string
	// TTL is the plugin's limit of all TTLs there, in seconds; 0 for DefaultTTL.
	TTL uint32
}

// Explanation is the way of a question, step by step, and its end.
type Explanation struct {
	// Name is the name in its short form: S.N.F, with its prefix.
	Name    string `json:"name"`
	Domain  string `json:"domain"`
	Service string `json:"service"` // namespace/name
	Member  string `json:"member"`
	Region  string `json:"region,omitempty"`
	Zone    string `json:"zone,omitempty"`
	Steps   []Step `json:"steps"`
	A       Answer `json:"a"`
	AAAA    Answer `json:"aaaa"`
	// SRV is the port of the SRV record that a name of a port has; 0 if there is none.
	SRV uint16 `json:"srv,omitempty"`
	// Bound says how long the old answer can be seen after the next change.
	Bound Bound `json:"bound"`
	// Mirror is the member's; nil if it has none.
	Mirror *Mirror  `json:"mirror,omitempty"`
	Notes  []string `json:"notes,omitempty"`
}

// The places of a step: the local shard, and the kinds of levels.
const (
	PlaceLocal  = "local shard"
	PlaceZone   = "topology zone"
	PlaceRegion = "region"
	PlaceGlobal = "global"
)

// The outcomes of a step.
const (
	OutcomeHealthy    = "healthy"     // the local shard answers
	OutcomeNotHealthy = "not healthy" // it does not
	OutcomeAnswer     = "answer"      // the level has addresses, or a load balancer's host name
	OutcomeUp         = "up"          // the level is a CNAME to one further up
	OutcomeNoRecord   = "no record"   // the level's own name does not exist
	OutcomeOwn        = "own address" // the level has only addresses of the local Service, which are left out (Q8d)
	OutcomeTooLong    = "too long"    // the name would be longer than a name can be (N6)
)

// Step is one place on the way of a question.
type Step struct {
	Place   string `json:"place"`
	Outcome string `json:"outcome"`
	// Name is that of the record at a level.
	Name    string              `json:"name,omitempty"`
	Records []admin.RRsetStatus `json:"records,omitempty"`
	// Coming are the RRsets that the name is about to get.
	Coming []admin.RRsetStatus `json:"coming,omitempty"`
	// Reason is the local shard's or the RRset's, as docs/operations.md lists them.
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail"`
}

// The sources of an answer.
const (
	FromLocal   = "local"   // the local Service's own addresses or endpoints
	FromRecords = "records" // the federation's records
	FromMirror  = "mirror"  // what the syncer keeps of them in the member
)

// Answer is the plugin's answer for one type.
type Answer struct {
	From  string `json:"from"`
	Rcode string `json:"rcode"`
	// CNAMEs are the targets of the chain, beginning with the record of the level that is the answer. There is none if
	// the mirror says that the service does not exist, and without a DNS provider only the Host.
	CNAMEs    []string `json:"cnames,omitempty"`
	Addresses []string `json:"addresses,omitempty"`
	// Host is the load balancer's host name at which the chain ends; its addresses are what it resolves to.
	Host string `json:"host,omitempty"`
}

// Bound is how long the old answer can be seen after the next change: the sum of Plugin and Records, in seconds.
type Bound struct {
	// Plugin is how long a cache keeps what the plugin answers.
	Plugin uint32 `json:"plugin"`
	// Records is how long a resolver keeps the records of the chain; 0 for the local shard and for the mirror.
	Records uint32 `json:"records,omitempty"`
	// Negative is whether the negative TTL of the zone counts too: a name on the way does not exist.
	Negative bool `json:"negative,omitempty"`
}

// Explain predicts the answer to the question. An error says what is unknown: the name's form, its federation or its
// service, with the nearest ones, or the member or topology zone, with those known.
func Explain(status *admin.Status, q Question) (*Explanation, error) {
	name, err := ParseName(status, q.Name, q.Domain)
	if err != nil {
		return nil, err
	}
	fed, err := coreFederation(name.Federation)
	if err != nil {
		return nil, err
	}
	member, err := Member(name.Federation, q.Member)
	if err != nil {
		return nil, err
	}
	topology, err := place(member, q.Zone)
	if err != nil {
		return nil, err
	}
	service := findService(name.Federation, name.Service)
	if service == nil {
		return nil, unknownService(name.Federation, name.Service)
	}
	w := newWalk(fed, name, service, topology)
	x := &Explanation{
		Name: name.String(), Domain: name.Federation.Domain, Service: name.Service.String(), Member: member.Name,
		Region: string(topology.Region), Zone: string(topology.Zone), Mirror: mirrorOf(member),
	}
	if q.TTL == 0 {
		q.TTL = DefaultTTL
	}
	x.Bound.Plugin = q.TTL
	local := w.local(member)
	x.Steps = append(x.Steps, local)
	if q.Zone == "" && len(member.Zones) > 1 && local.Outcome != OutcomeHealthy {
		x.Notes = append(x.Notes, fmt.Sprintf("the nodes of %s are in %s: this is for %s (--zone asks for another)",
			member.Name, strings.Join(member.Zones, ", "), topology.Zone))
	}
	if local.Outcome == OutcomeHealthy {
		x.A, x.AAAA = Answer{From: FromLocal, Rcode: "NOERROR"}, Answer{From: FromLocal, Rcode: "NOERROR"}
		x.Notes = append(x.Notes, w.notes...)
		return x, nil
	}
	noProvider := name.Federation.NoProvider
	switch {
	case x.Mirror != nil && (x.Mirror.Fresh || noProvider && x.Mirror.Renewed != nil):
		x.Mirror.Answers = x.Mirror.Fresh
		w.useMirror(member.Name)
		w.byMirror(x, noProvider)
	default:
		if noProvider { // no zone has them
			w.records, w.coming = nil, nil
		}
		x.A, x.AAAA = w.closestLevel(federation.TypeA), w.closestLevel(federation.TypeAAAA)
	}
	w.noteMirror(x, member, noProvider)
	x.Steps = append(x.Steps, w.steps...)
	x.Notes = append(x.Notes, w.notes...)
	x.Bound.Records, x.Bound.Negative = w.ttl, w.negative
	return x, nil
}

// Answered reports whether the pod gets anything: an address of either family, a name that leads to one, or for a name
// of a port its number.
func (x *Explanation) Answered() bool {
	has := func(a Answer) bool { return a.From == FromLocal || len(a.Addresses) > 0 || a.Host != "" }
	return has(x.A) || has(x.AAAA) || x.SRV > 0
}

// coreFederation returns the federation of a status.
func coreFederation(st *admin.FederationStatus) (federation.Federation, error) {
	naming, err := federation.ParseNaming(st.Naming)
	if err != nil {
		return federation.Federation{}, err
	}
	return federation.Federation{
		Name: federation.Label(st.Name), Domain: federation.CanonicalName(st.Domain), Naming: naming,
	}, nil
}

// place returns the topology of a node of the member, in the topology zone or else in the first.
func place(m *admin.MemberStatus, zone string) (federation.Topology, error) {
	t := federation.Topology{Region: federation.Label(m.Region)}
	switch {
	case zone == "" && len(m.Zones) > 0:
		t.Zone = federation.Label(m.Zones[0])
	case zone == "":
	case slices.Contains(m.Zones, strings.ToLower(zone)):
		t.Zone = federation.Label(strings.ToLower(zone))
	case len(m.Zones) == 0:
		return t, fmt.Errorf("member %q has no topology zones: leave --zone out", m.Name)
	default:
		return t, fmt.Errorf("member %q has no node in topology zone %q: its zones are %s", m.Name, zone,
			strings.Join(m.Zones, ", "))
	}
	return t, nil
}
