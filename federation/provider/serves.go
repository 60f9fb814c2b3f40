package provider

import (
	"context"
	"fmt"
	"slices"

	"github.com/federation-dns/federation/federation"
)

// ClientView is implemented by the providers that can say what a client is told
// of names below a suffix, as opposed to what was written there (O5).
type ClientView interface {
	// Serves looks at a name directly below the suffix that nobody has written. An
	// error says that this could not be found out, and nothing else.
	Serves(ctx context.Context, suffix federation.FQDN) (Served, error)
}

// Served is what a client is told of names that do not exist below a suffix. The
// zero value is right: the zone says that they do not exist.
type Served struct {
	// Delegated is where the zone hands names over that the suffix lies below: the
	// owner of NS or DNAME records, or the apex of another zone; "" if it does not.
	Delegated federation.FQDN
	// Elsewhere says that the server is not authoritative for the name, and shows
	// no delegation either.
	Elsewhere bool
	// Wildcard is the type of the records that a wildcard answers with: A, AAAA or
	// CNAME; "" if none does.
	Wildcard string
}

// Problem says what is wrong with it and what to do; "" is nothing.
func (s Served) Problem() string {
	switch {
	case s.Delegated != "":
		return fmt.Sprintf("names there are delegated at %q: clients are led away from the zone; "+
			"remove the delegation, host the federation in that zone, or call the level otherwise", s.Delegated)
	case s.Elsewhere:
		return "the server is not authoritative for names there: check that it is the primary of the zone"
	case s.Wildcard != "":
		return fmt.Sprintf("a wildcard answers with %s for names that do not exist there: remove it", s.Wildcard)
	}
	return ""
}

// View is Serves for a provider that shows the records of a zone instead of
// answering as its name servers do. The suffix has to exist, as it does where a
// claim stands: no wildcard further up then applies below it. typesAt returns the
// types at a name, delegations among them.
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
