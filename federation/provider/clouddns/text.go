package clouddns

import (
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
	sdk "google.golang.org/api/dns/v1"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/internal/batch"
)

// Cloud DNS has names and data in the presentation form of DNS (RFC 1035,
// section 5), which is ours too: it is sent as it is, and put into canonical
// form when it comes back.

// parseName returns a name in canonical form.
func parseName(s string) (federation.FQDN, error) {
	wire := make([]byte, 256)
	n, err := dns.PackDomainName(dns.Fqdn(s), wire, 0, nil, false)
	if err != nil {
		return "", fmt.Errorf("name %q: %w", s, err)
	}
	name, _, err := dns.UnpackDomainName(wire[:n], 0)
	if err != nil {
		return "", fmt.Errorf("name %q: %w", s, err)
	}
	return federation.CanonicalName(name), nil
}

// stateOf sorts what is at a name into what we handle and what we do not.
func stateOf(name federation.FQDN, all []*sdk.ResourceRecordSet) batch.State {
	var state batch.State
	for _, set := range all {
		rrs, why := records(name, set)
		if why != "" {
			state.Foreign = append(state.Foreign, why)
			continue
		}
		state.Sets = append(state.Sets, provider.RRsets(rrs)...)
	}
	slices.SortFunc(state.Sets, federation.CompareRRsets)
	return state
}

// records returns the records of an RRset, or says what else it is.
func records(name federation.FQDN, set *sdk.ResourceRecordSet) (rrs []dns.RR, foreign string) {
	switch {
	case !slices.Contains(provider.Types, set.Type):
		return nil, set.Type
	case set.RoutingPolicy != nil:
		return nil, set.Type + " (routing policy)"
	}
	one := federation.RRset{Name: name, Type: set.Type, TTL: uint32(set.Ttl)}
	for _, data := range set.Rrdatas {
		switch set.Type {
		case federation.TypeCNAME:
			target, err := parseName(data)
			if err != nil {
				return nil, set.Type + " (not understood)"
			}
			data = string(target)
		case federation.TypeTXT:
			data = quoted(data)
		}
		one.Data = append(one.Data, data)
	}
	rrs, err := provider.ParseRRs(one)
	if err != nil || len(rrs) == 0 {
		return nil, set.Type + " (not understood)"
	}
	return rrs, ""
}

// quoted returns text with quotation marks. Without them, each word is a string
// of its own.
func quoted(data string) string {
	if strings.HasPrefix(data, `"`) {
		return data
	}
	return `"` + strings.Join(strings.Fields(data), `" "`) + `"`
}
