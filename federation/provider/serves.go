package provider

import (
	"context"
	"fmt"
	"slices"

	"github.com/federation-dns/federation/federation"
)

// ClientView is implemented by providers that can say how clients see names below a suffix, as opposed to what was
// written there (O5).
type ClientView interface {
	// Serves checks a name directly below the suffix that does not exist. An error means that the check failed, and
	// nothing else.
	Serves(ctx context.Context, suffix federation.FQDN) (Served, error)
}

// Served is how clients see names that do not exist below a suffix. The zero value is correct: the zone denies them.
type Served struct {
	// Delegated is the name above the suffix at which the zone delegates: the owner of NS or DNAME records, or the apex
	// of another zone; "" if there is none.
	Delegated federation.FQDN
	// Elsewhere: the server is not authoritative for the name, and shows no delegation.
	Elsewhere bool
	// Wildcard is the type of the records that a wildcard answers with: A, AAAA or CNAME; "" if none does.
	Wildcard string
}

// Problem returns what is wrong and what to do about it, or "".
func (s Served) Problem() string {
	switch {
	case s.Delegated != "":
		return fmt.Sprintf("names there are delegated at %q: queries do not reach this zone; "+
			"remove the delegation, host the federation in that zone, or rename the level", s.Delegated)
	case s.Elsewhere:
		return "the server is not authoritative for names there: check that it is the primary of the zone"
	case s.Wildcard != "":
		return fmt.Sprintf("a wildcard answers with %s for names that do not exist there: remove it", s.Wildcard)
	}
	return ""
}

// View is Serves for a provider that shows the records of a zone instead of answering as its name servers do. The
// suffix has to exist, as it does once it has a claim: no wildcard further up then applies below it. typesAt returns
// the types at a name, delegations among them.
func View(zone, suffix federation.FQDN, typesAt func(federation.FQDN) ([]string, error)) (Served, error) {
	if !suffix.In(zone) {
		return Served{}, fmt.Errorf("%w: suffix %q is not in zone %q", ErrRefused, suffix, zone)
	}
	var s Served
	for name := suffix; name.In(zone); name = name.Parent() {
		types, err := typesAt(name)
		if err != nil {
			return Served{}, err
		}
		if slices.Contains(types, "DNAME") || name != zone && slices.Contains(types, "NS") {
			s.Delegated = name // the highest one counts
		}
	}
	if s.Delegated != "" {
		return s, nil
	}
	types, err := typesAt("*." + suffix)
	if err != nil {
		return Served{}, err
	}
	for _, typ := range []string{federation.TypeA, federation.TypeAAAA, federation.TypeCNAME} {
		if slices.Contains(types, typ) {
			s.Wildcard = typ
			break
		}
	}
	return s, nil
}
