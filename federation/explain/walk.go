package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
)

// typeAny is the type of a question for all of them.
const typeAny = "ANY"

// walk is the way of one question through the levels.
type walk struct {
	fed     federation.Federation
	name    Name
	service *admin.ServiceStatus
	path    []federation.FQDN // the levels of the node, the closest first (Q7a)
	own     []string          // addresses of the local Service, which is not healthy (Q8d)
	records []admin.RRsetStatus
	coming  []admin.RRsetStatus
	ownHost string // a host name that is the local Service's alone; known to the mirror only
	mirror  bool   // whether the records are the mirror's, which no resolver keeps

	steps    []Step
	notes    []string
	ttl      uint32
	negative bool
}

func newWalk(fed federation.Federation, name Name, service *admin.ServiceStatus, t federation.Topology) *walk {
	return &walk{fed: fed, name: name, service: service, path: fed.Path(t), records: service.Records,
		coming: service.Coming}
}

// setsAt returns those of the RRsets that have the name. A way has few names: it is cheaper to look through all than to
// sort them for each way.
func setsAt(all []admin.RRsetStatus, name string) (sets []admin.RRsetStatus) {
	for _, set := range all {
		if set.Name == name {
			sets = append(sets, set)
		}
	}
	return sets
}

// local returns the step of the local shard (Q5, Q6).
func (w *walk) local(m *admin.MemberStatus) Step {
	st := Step{Place: PlaceLocal, Outcome: OutcomeNotHealthy}
	if m.Status != "present" {
		w.notes = append(w.notes, fmt.Sprintf("%s is %s: its shard is shown as it was last seen", m.Name, m.Status))
	}
	i := slices.IndexFunc(w.service.Shards, func(s admin.ShardStatus) bool { return s.Member == m.Name })
	if i < 0 {
		st.Detail = "there is no Service with the federation's label"
		return st
	}
	shard := w.service.Shards[i]
	st.Reason = shard.Reason
	if shard.ReadyEndpoints > 0 {
		st.Outcome, st.Detail = OutcomeHealthy, readyEndpoints(shard.ReadyEndpoints)
		if w.name.Prefix != "" {
			w.notes = append(w.notes, "the name of a port or an endpoint exists there only if the local Service has it")
		}
		if m.Drained {
			w.notes = append(w.notes, m.Name+" is drained for the other members only: its own pods stay with it")
		}
		return st
	}
	st.Detail = "no endpoint is ready"
	if shard.Reason == string(federation.ReasonNoSlices) {
		w.notes = append(w.notes, "no EndpointSlice of the Service there has the label: if it has ready endpoints all "+
			"the same, the pod gets them")
	}
	if !shard.Resolved {
		w.own = shard.Addresses
	}
	return st
}

func readyEndpoints(n int) string {
	if n == 1 {
		return "1 endpoint is ready"
	}
	return fmt.Sprintf("%d endpoints are ready", n)
}

// from is where the answer comes from.
func (w *walk) from() string {
	if w.mirror {
		return FromMirror
	}
	return FromRecords
}

// chain is what follows from a name.
type chain struct {
	exists    bool // the first name does
	nxdomain  bool // the last name does not
	cnames    []string
	addresses []string
	host      string
	own       bool // the host name is the local Service's alone
}

// closestLevel goes up the levels as the plugin does (Q7b, Q8d): the first one whose own name exists is the answer, or
// else the first one asked.
func (w *walk) closestLevel(qtype string) Answer {
	var first, onlyOwn *chain
	for _, level := range w.path {
		name := w.name.Prefix + string(w.fed.OwnerName(w.name.Service, level))
		if federation.FQDN(name).WireOctets() > federation.MaxNameOctets {
			w.add(Step{Place: w.placeOf(level), Outcome: OutcomeTooLong, Name: name,
				Reason: string(federation.ReasonNameTooLong), Detail: "longer than 255 octets: SERVFAIL"})
			return Answer{From: w.from(), Rcode: "SERVFAIL"}
		}
		c := w.follow(name, qtype)
		if first == nil {
			first = c
		}
		if onlyOwn == nil && !c.exists {
			continue
		}
		others := slices.DeleteFunc(slices.Clone(c.addresses), func(a string) bool { return slices.Contains(w.own, a) })
		switch {
		case len(others) == len(c.addresses) && !c.own:
			return c.answer(w.from())
		case len(others) > 0:
			w.note("addresses of the local Service, which is not healthy, are left out")
			c.addresses = others
			return c.answer(w.from())
		case onlyOwn == nil:
			w.note("a level with no other address than the local Service's, which is not healthy, is passed over")
			onlyOwn = c
		}
	}
	if onlyOwn != nil {
		return onlyOwn.answer(w.from())
	}
	return first.answer(w.from())
}

func (c *chain) answer(from string) Answer {
	a := Answer{From: from, Rcode: "NOERROR", CNAMEs: c.cnames, Addresses: c.addresses, Host: c.host}
	if c.nxdomain {
		a.Rcode = "NXDOMAIN"
	}
	return a
}

// follow returns the chain from the name on, and notes each name on the way as a step.
func (w *walk) follow(name, qtype string) *chain {
	c := &chain{cnames: []string{name}}
	for links := 0; links <= federation.MaxLinks; links++ {
		sets := setsAt(w.records, name)
		target := w.step(name, sets)
		c.exists = c.exists || len(sets) > 0
		c.nxdomain = len(sets) == 0
		for _, set := range sets {
			if !w.mirror {
				w.ttl = max(w.ttl, set.TTL)
			}
			if set.Type == qtype || qtype == typeAny && set.Type != federation.TypeCNAME {
				c.addresses = slices.Concat(c.addresses, set.Data)
			}
		}
		if target == "" {
			break
		}
		c.cnames = append(c.cnames, target)
		if _, _, ours := w.fed.ParseOwner(federation.FQDN(target)); !ours {
			c.host, c.own = target, w.ownHost != "" && target == w.ownHost
			break
		}
		name = target
	}
	return c
}

// step notes a name as a step, and returns the target if it is a CNAME.
func (w *walk) step(name string, sets []admin.RRsetStatus) (target string) {
	_, level, _ := w.fed.ParseOwner(federation.FQDN(strings.TrimPrefix(name, w.name.Prefix)))
	st := Step{
		Place: w.placeOf(level), Name: name, Records: sets, Coming: setsAt(w.coming, name),
		Outcome: OutcomeAnswer,
	}
	for _, set := range sets {
		st.Reason = set.Reason
		if set.Type != federation.TypeCNAME {
			continue
		}
		target = set.Data[0]
		if _, _, ours := w.fed.ParseOwner(federation.FQDN(target)); ours {
			st.Outcome = OutcomeUp
		}
	}
	switch {
	case len(sets) == 0:
		st.Outcome, st.Detail = OutcomeNoRecord, w.whyAbsent(level)
		w.negative = w.negative || !w.mirror
	case st.Outcome == OutcomeUp:
		st.Detail = w.upFrom(level, target)
	case len(w.own) > 0 && onlyOwn(sets, w.own), target != "" && target == w.ownHost:
		st.Outcome, st.Detail = OutcomeOwn, "only the local Service's own addresses: the next level"
	case target != "":
		st.Detail = "the load balancer's host name"
	default:
		st.Detail = "the healthy shards of this level"
	}
	switch federation.Reason(st.Reason) {
	case federation.ReasonLabelConflict:
		st.Detail = "the label stands for more than one place: " + w.upFrom(level, target)
	case federation.ReasonRegionFallback:
		st.Detail = "a copy of the first region of regionFallback that has a healthy shard"
	}
	w.add(st)
	return target
}

// onlyOwn reports whether the sets have no other address than those.
func onlyOwn(sets []admin.RRsetStatus, own []string) bool {
	for _, set := range sets {
		for _, data := range set.Data {
			if !slices.Contains(own, data) {
				return false
			}
		}
	}
	return true
}

// upFrom says where a CNAME leads.
func (w *walk) upFrom(level federation.FQDN, target string) string {
	_, to, _ := w.fed.ParseOwner(federation.FQDN(target))
	if w.placeOf(level) == PlaceZone && w.placeOf(to) == PlaceGlobal {
		return "on to global"
	}
	return "one level up"
}

// whyAbsent says why a level has no record of the service.
func (w *walk) whyAbsent(level federation.FQDN) string {
	foreign := ""
	for _, lv := range w.name.Federation.Levels {
		if lv.Name == string(level) {
			foreign = lv.Foreign
		}
	}
	switch {
	case w.name.Prefix != "":
		return "only a cluster itself has names of ports and endpoints"
	case foreign != "" && !w.mirror:
		w.note(fmt.Sprintf("level %s is not this syncer's, and what others have there is not known", level))
		return "the level " + foreign
	case len(w.records) == 0:
		return "no shard has been healthy"
	case level == w.fed.Domain:
		return "no shard is healthy anywhere"
	}
	return "nothing is published for this level: the next one is asked"
}

func (w *walk) placeOf(level federation.FQDN) string {
	if level == w.fed.Domain {
		return PlaceGlobal
	}
	for _, lv := range w.name.Federation.Levels {
		if lv.Name == string(level) && lv.Kind == string(federation.KindRegion) {
			return PlaceRegion
		}
	}
	return PlaceZone
}

// add adds a step, unless the way has led over its name before.
func (w *walk) add(st Step) {
	if !slices.ContainsFunc(w.steps, func(s Step) bool { return s.Name == st.Name }) {
		w.steps = append(w.steps, st)
	}
}

// note adds a note once.
func (w *walk) note(text string) {
	if !slices.Contains(w.notes, text) {
		w.notes = append(w.notes, text)
	}
}
