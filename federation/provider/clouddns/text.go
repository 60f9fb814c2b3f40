package clouddns

import (
	"strings"

	sdk "google.golang.org/api/dns/v1"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider/internal/batch"
	"github.com/federation-dns/federation/federation/provider/internal/cloud"
)

// Cloud DNS has names and data in the presentation form of DNS (RFC 1035, section 5), as we do: they are sent as they
// are, and put into canonical form when they come back.

// stateOf sorts the RRsets at a name into ours and foreign ones.
func stateOf(name federation.FQDN, all []*sdk.ResourceRecordSet) batch.State {
	sets := make([]cloud.RRset, len(all))
	for i, set := range all {
		sets[i] = cloud.RRset{Type: set.Type, TTL: set.Ttl}
		if set.RoutingPolicy != nil {
			sets[i].Special = "routing policy"
		}
		for _, data := range set.Rrdatas {
			if set.Type == federation.TypeTXT {
				data = quoted(data)
			}
			sets[i].Data = append(sets[i].Data, data)
		}
	}
	return cloud.State(name, sets)
}

// quoted returns text with quotation marks. Without them, each word is a string of its own.
func quoted(data string) string {
	if strings.HasPrefix(data, `"`) {
		return data
	}
	return `"` + strings.Join(strings.Fields(data), `" "`) + `"`
}
