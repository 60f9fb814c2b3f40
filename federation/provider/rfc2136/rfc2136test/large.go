package rfc2136test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// TooLarge makes changes at a server that takes RRsets of at most that many records: names with more, in front of the
// others, cost only themselves.
func TooLarge(t *testing.T, s Server, limit int) {
	p := s.Provider(t, nil)
	large := func(label string) plan.Change {
		set := federation.RRset{Name: name(label), Type: "A", TTL: 180}
		for i := range limit + 1 {
			set.Data = append(set.Data, fmt.Sprintf("192.0.2.%d", i+1))
		}
		slices.SortFunc(set.Data, func(a, b string) int { return len(a)*1000 - len(b)*1000 + strings.Compare(a, b) })
		return plan.Change{Name: set.Name, To: []federation.RRset{set}}
	}
	var changes []plan.Change
	const bad = 6
	for i := range bad {
		changes = append(changes, large(fmt.Sprintf("large%d", i)))
	}
	for i := range 20 {
		changes = append(changes, change(nil, addresses(fmt.Sprintf("s%d", i), "192.0.2.1", "2001:db8::1")))
	}
	for i, err := range p.Apply(t.Context(), nil, changes) {
		if i >= bad {
			if err != nil {
				t.Errorf("change %d: %v", i, err)
			}
			continue
		}
		if !errors.Is(provider.KindOf(err), provider.ErrUnavailable) ||
			!strings.Contains(err.Error(), "max-records-per-type") {
			t.Errorf("change %d: %v", i, err)
		}
	}
}
