package cloud

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
)

// Zone is a zone of the account.
type Zone struct {
	ID   string // names the zone in requests
	Name federation.FQDN
	// Visibility is "public" or "private".
	Visibility string
	// Purpose is what a zone without records of its own is for, such as "forwarding"; "" for a zone with records.
	Purpose string
}

// Search says which zone is wanted, and how the service calls it in errors.
type Search struct {
	// Domain is a name that the zone holds.
	Domain federation.FQDN
	// Visibility is that of the zone; "" is either.
	Visibility string
	// Service is the name of the provider: "route53".
	Service string
	// Noun is what the service calls a zone, Named what it calls zones of a name: "hosted zone", "hosted zones named".
	Noun, Named string
	// Field is the field of the configuration that names the zone.
	Field string
	// None is the error if there is no such zone, NoneFits if there are only others.
	None, NoneFits string
}

// Find returns the zone with the longest name that holds the domain. named returns the zones of exactly a name. All
// errors wrap provider.ErrRefused, except those of named.
func (s Search) Find(ctx context.Context, named func(context.Context, federation.FQDN) ([]Zone, error)) (Zone, error) {
	var others []Zone // found on the way, but not wanted
	for name := s.Domain; name != "" && name != "."; name = name.Parent() {
		zones, err := named(ctx, name)
		if err != nil {
			return Zone{}, err
		}
		wanted := slices.DeleteFunc(slices.Clone(zones), func(z Zone) bool { return !s.visible(z) || z.Purpose != "" })
		switch len(wanted) {
		case 0:
			others = append(others, zones...)
		case 1:
			return wanted[0], nil
		default:
			return Zone{}, s.refused("there are several %s %q: %s: say which is meant by %s, or by visibility", s.Named,
				name, describe(wanted), s.Field)
		}
	}
	if len(others) > 0 {
		return Zone{}, s.refused("%s, only %s: check visibility", s.NoneFits, describe(others))
	}
	return Zone{}, s.refused("%s", s.None)
}

// Check returns the error of a zone that the configuration names but that is not the wanted one.
func (s Search) Check(z Zone) error {
	switch {
	case !s.Domain.In(z.Name):
		return s.refused("%s %s is %q, which does not hold domain %q: check %s and domain", s.Noun, z.ID, z.Name,
			s.Domain, s.Field)
	case !s.visible(z):
		return s.refused("%s %s is not %s: check %s and visibility", s.Noun, z.ID, s.Visibility, s.Field)
	case z.Purpose != "":
		return s.refused("%s %s holds no records, it is for %s: check %s", s.Noun, z.ID, z.Purpose, s.Field)
	}
	return nil
}

func (s Search) visible(z Zone) bool { return s.Visibility == "" || s.Visibility == z.Visibility }

func (s Search) refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", provider.ErrRefused, s.Service, fmt.Sprintf(format, args...))
}

// describe lists zones: "Z0123 (private), example-com (private, for peering)".
func describe(zones []Zone) string {
	texts := make([]string, len(zones))
	for i, z := range zones {
		purpose := ""
		if z.Purpose != "" {
			purpose = ", for " + z.Purpose
		}
		texts[i] = fmt.Sprintf("%s (%s%s)", z.ID, z.Visibility, purpose)
	}
	return strings.Join(texts, ", ")
}
