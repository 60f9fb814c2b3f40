package cloud

import (
	"fmt"
	"slices"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/internal/batch"
)

// RRset is an RRset as the service has it.
type RRset struct {
	Type string
	TTL  int64
	Data []string // in presentation form
	// Special is what the service makes of an RRset that it does not answer as it is, such as "alias"; "" for all
	// others.
	Special string
}

// State sorts the RRsets at a name into those that we handle and foreign ones.
func State(name federation.FQDN, all []RRset) batch.State {
	var state batch.State
	for _, set := range all {
		rrs, foreign := records(name, set)
		if foreign != "" {
			state.Foreign = append(state.Foreign, foreign)
			continue
		}
		state.Sets = append(state.Sets, provider.RRsets(rrs)...)
	}
	slices.SortFunc(state.Sets, federation.CompareRRsets)
	return state
}

// records returns the records of an RRset, or a description of a foreign one.
func records(name federation.FQDN, set RRset) (rrs []dns.RR, foreign string) {
	switch {
	case !slices.Contains(provider.Types, set.Type):
		return nil, set.Type
	case set.Special != "":
		return nil, set.Type + " (" + set.Special + ")"
	}
	out := federation.RRset{Name: name, Type: set.Type, TTL: uint32(set.TTL), Data: slices.Clone(set.Data)}
	if set.Type == federation.TypeCNAME {
		for i, target := range set.Data {
			canonical, err := provider.ParseName(target)
			if err != nil {
				return nil, set.Type + " (not understood)"
			}
			out.Data[i] = string(canonical)
		}
	}
	rrs, err := provider.ParseRRs(out)
	if err != nil || len(rrs) == 0 {
		return nil, set.Type + " (not understood)"
	}
	return rrs, ""
}

// NegativeTTL returns the negative TTL of a zone with this SOA record (RFC 2308, section 5).
func NegativeTTL(ttl int64, data string) (seconds uint32, ok bool) {
	rr, err := dns.NewRR(fmt.Sprintf(". %d IN SOA %s", ttl, data))
	soa, ok := rr.(*dns.SOA)
	if !ok || err != nil {
		return 0, false
	}
	return min(soa.Hdr.Ttl, soa.Minttl), true
}
