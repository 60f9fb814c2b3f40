package batch

import (
	"fmt"
	"slices"
	"strings"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// State is what a server has at a name.
type State struct {
	// Sets are the RRsets of provider.Types.
	Sets []federation.RRset
	// Foreign names everything else, as "MX" or "A (alias)".
	Foreign []string
}

// Types are all types at the name.
func (s State) Types() (types []string) {
	for _, set := range s.Sets {
		types = append(types, set.Type)
	}
	for _, foreign := range s.Foreign {
		typ, _, _ := strings.Cut(foreign, " ")
		types = append(types, typ)
	}
	return types
}

// compared separates the RRsets that a change's From and To cover from the others.
func compared(c plan.Change, sets []federation.RRset) (in, out []federation.RRset) {
	for _, set := range sets {
		if set.Type == federation.TypeTXT && !provider.HasTXT(c) {
			out = append(out, set)
		} else {
			in = append(in, set)
		}
	}
	return in, out
}

// conflict is the error of a change whose From is not the current state.
func conflict(c plan.Change, state State) error {
	if is, _ := compared(c, state.Sets); !federation.EqualRRsets(is, c.From) {
		return fmt.Errorf("%w: %s", provider.ErrConflict, describe(state))
	}
	return nil
}

// blocked is the error of a change that foreign records at its name forbid.
func blocked(c plan.Change, state State) error {
	_, text := compared(c, state.Sets)
	foreign := slices.Clone(state.Foreign)
	for _, set := range text {
		foreign = append(foreign, set.Type)
	}
	for _, to := range c.To {
		for _, f := range foreign {
			if to.Type == federation.TypeCNAME || strings.HasPrefix(f, to.Type+" ") {
				return fmt.Errorf("%w: the name has a foreign RRset, %s, which allows no %s: remove it, or the service",
					provider.ErrRefused, f, to.Type)
			}
		}
	}
	return nil
}

func describe(state State) string {
	var parts []string
	for _, set := range state.Sets {
		parts = append(parts, fmt.Sprintf("%s %d %s", set.Type, set.TTL, strings.Join(set.Data, ", ")))
	}
	parts = append(parts, state.Foreign...)
	if len(parts) == 0 {
		return "the name has no records"
	}
	return "the name has " + strings.Join(parts, "; ")
}
