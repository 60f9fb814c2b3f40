package rfc2136

import (
	"slices"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

const (
	// maxRecords is the most records in the prerequisite and update sections together: CoreDNS's dynupdate refuses more
	// than 1024.
	maxRecords = 1000
	// maxOctets leaves room for header, zone section, claim and TSIG in the 65,535 octets of a message over TCP.
	maxOctets = 60000
)

// job is a change in progress: its index in the caller's list and what it adds to an UPDATE message.
type job struct {
	index         int
	change        plan.Change
	prerequisites []dns.RR
	updates       []dns.RR
	sets          int  // RRsets deleted or added
	octets        int  // without compression
	putsBack      bool // adds the old RRsets again
}

// newJob translates a change that provider.Check has passed. With putBack, a switch to CNAME ends by adding the old
// RRsets again: the server ignores these if it has made the CNAME; if it has ignored the CNAME because of a foreign
// RRset, they restore the name. No query sees it empty (RFC 2136, section 3.4.2.2: additions are made in order).
func newJob(index int, c plan.Change, putBack bool) (job, error) {
	j := job{index: index, change: c}
	var add, restore []dns.RR
	for _, typ := range typesOf(c) {
		from, to := provider.Find(c.From, typ), provider.Find(c.To, typ)
		old, err := records(from)
		if err != nil {
			return j, err
		}
		if from == nil {
			j.prerequisites = append(j.prerequisites, emptyRR(c.Name, typ, dns.ClassNONE))
		} else {
			j.prerequisites = append(j.prerequisites, asPrerequisites(old)...)
		}
		if from == nil && to == nil || from != nil && to != nil && from.Equal(*to) {
			continue
		}
		if from != nil {
			// The whole RRset is replaced even if some addresses stay: this repairs a TTL that has drifted, and never
			// mixes TTLs.
			j.updates = append(j.updates, emptyRR(c.Name, typ, dns.ClassANY))
			restore = append(restore, old...)
			j.sets++
		}
		if to != nil {
			added, err := records(to)
			if err != nil {
				return j, err
			}
			add = append(add, added...)
			j.sets++
		}
	}
	j.updates = append(j.updates, add...)
	if putBack && j.switches() {
		j.updates = append(j.updates, restore...)
		j.putsBack = len(restore) > 0
	}
	for _, rr := range slices.Concat(j.prerequisites, j.updates) {
		j.octets += dns.Len(rr)
	}
	return j, nil
}

// switches reports whether the change turns other RRsets, or none, into a CNAME, which the server ignores beside a
// foreign RRset (P6r).
func (j job) switches() bool {
	return provider.Find(j.change.To, federation.TypeCNAME) != nil &&
		provider.Find(j.change.From, federation.TypeCNAME) == nil
}

// typesOf are the types whose absence or content the change asserts (P6r).
func typesOf(c plan.Change) []string {
	if provider.HasTXT(c) {
		return provider.Types
	}
	return []string{federation.TypeA, federation.TypeAAAA, federation.TypeCNAME}
}

func records(set *federation.RRset) ([]dns.RR, error) {
	if set == nil {
		return nil, nil
	}
	return provider.ParseRRs(*set)
}

// asPrerequisites returns prerequisites for exactly these records (RFC 2136, section 2.4.2).
func asPrerequisites(rrs []dns.RR) []dns.RR {
	out := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		out[i] = dns.Copy(rr)
		out[i].Header().Ttl = 0
	}
	return out
}

// emptyRR has no data: with class ANY it deletes the RRset, with NONE in the prerequisites it demands that there is
// none.
func emptyRR(name federation.FQDN, typ string, class uint16) dns.RR {
	return &dns.ANY{Hdr: dns.RR_Header{Name: string(name), Rrtype: dns.StringToType[typ], Class: class}}
}

// message returns one UPDATE of the jobs under the claim. Without jobs it only checks whether the claim holds.
func message(zone federation.FQDN, claim *federation.RRset, jobs []job) (*dns.Msg, error) {
	m := new(dns.Msg).SetUpdate(string(zone))
	m.Compress = true
	if claim != nil && !slices.ContainsFunc(jobs, func(j job) bool { return j.asserts(*claim) }) {
		rrs, err := provider.ParseRRs(*claim)
		if err != nil {
			return nil, err
		}
		m.Answer = asPrerequisites(rrs)
	}
	for _, j := range jobs {
		m.Answer = append(m.Answer, j.prerequisites...)
		m.Ns = append(m.Ns, j.updates...)
	}
	return m, nil
}

// asserts reports whether the job's own prerequisites hold the claim already: a record that is there twice is another
// RRset to some servers.
func (j job) asserts(claim federation.RRset) bool {
	from := provider.Find(j.change.From, federation.TypeTXT)
	return from != nil && from.SameData(claim)
}

// split divides the jobs into messages within all limits. No message has a name twice, and a change of the claim's own
// name is alone: the server checks the prerequisites before it makes the first update.
func split(jobs []job, claim *federation.RRset, maxSets int) [][]job {
	var batches [][]job
	var batch []job
	var sets, rrs, octets int
	names := map[federation.FQDN]bool{}
	flush := func() {
		if len(batch) > 0 {
			batches = append(batches, batch)
		}
		batch, sets, rrs, octets = nil, 0, 0, 0
		clear(names)
	}
	for _, j := range jobs {
		n := len(j.prerequisites) + len(j.updates)
		alone := claim != nil && j.change.Name == claim.Name
		if alone || names[j.change.Name] || sets+j.sets > maxSets || rrs+n > maxRecords || octets+j.octets > maxOctets {
			flush()
		}
		batch = append(batch, j)
		names[j.change.Name] = true
		sets, rrs, octets = sets+j.sets, rrs+n, octets+j.octets
		if alone {
			flush()
		}
	}
	flush()
	return batches
}
