package provider

import (
	"fmt"
	"slices"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
)

// Swap returns the RRsets at the change's name after it; now are those before it. It is for a provider that compares
// and writes what it holds itself. ErrConflict says that From is not what is there, ErrRefused that an RRset of
// somebody else allows no CNAME beside it.
func Swap(now []federation.RRset, c plan.Change) ([]federation.RRset, error) {
	var compared, kept []federation.RRset
	withTXT := HasTXT(c)
	for _, set := range now {
		if set.Type == federation.TypeTXT && !withTXT || !slices.Contains(Types, set.Type) {
			kept = append(kept, set)
		} else {
			compared = append(compared, set)
		}
	}
	if !federation.EqualRRsets(compared, c.From) {
		return nil, fmt.Errorf("%w: %q has %v", ErrConflict, c.Name, compared)
	}
	if Find(c.To, federation.TypeCNAME) != nil && len(kept) > 0 {
		return nil, fmt.Errorf("%w: %q has a foreign %s RRset, which allows no CNAME beside it", ErrRefused,
			c.Name, kept[0].Type)
	}
	return append(kept, c.To...), nil
}
