package propagate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/federation-dns/federation/api/v1alpha1"
)

const (
	// contestWithin and contestLimit are how often somebody may take a field back before it is left alone (G4): the
	// first change is drift, and twice more is a contest.
	contestWithin = time.Minute
	contestLimit  = 3
)

// Contest remembers how often a Service that is ours was changed by others. The zero value has seen nothing.
type Contest struct {
	by map[string][]time.Time // by manager; "" if it is not known
}

// Drift notes that at now a Service was not as it had been applied, because of these conflicts, or none that are known.
// It returns why the Service is left alone, or false if it is to be applied by force.
func (c *Contest) Drift(now time.Time, conflicts []Conflict) (Failure, bool) {
	if c.by == nil {
		c.by = map[string][]time.Time{}
	}
	managers := []string{""}
	if len(conflicts) > 0 {
		managers = nil
		for _, x := range conflicts {
			managers = append(managers, x.Manager)
		}
		slices.Sort(managers)
		managers = slices.Compact(managers)
	}
	for _, m := range managers {
		old := func(at time.Time) bool { return now.Sub(at) > contestWithin }
		c.by[m] = append(slices.DeleteFunc(c.by[m], old), now)
		if len(c.by[m]) >= contestLimit {
			return Failure{Reason: v1alpha1.ReasonConflict, Message: contested(m, conflicts), Retry: OnEvent}, true
		}
	}
	return Failure{}, false
}

func contested(manager string, conflicts []Conflict) string {
	const advice = "let it leave the Service alone, or change the FederatedService"
	if manager == "" {
		return "somebody undoes what is applied, again and again: " + advice
	}
	var fields []string
	for _, x := range conflicts {
		if x.Manager == manager {
			fields = append(fields, x.Field)
		}
	}
	return fmt.Sprintf("%s takes %s back, again and again: %s", manager, strings.Join(fields, ", "), advice)
}
