package provider

import (
	"fmt"
	"strings"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
)

// Check returns why no provider that hosts the zone could make the change; the error wraps ErrRefused. Providers call
// it before they send anything, so that they all refuse the same changes: names outside the zone, longer than 255
// octets or with a label longer than 63 (N6), RRsets of another name, type or form than federation.RRset has, TXT
// outside of claims and lists of levels (O2), duplicate RRsets, a CNAME beside another RRset.
func Check(zone federation.FQDN, c plan.Change) error {
	if !c.Name.In(zone) {
		return fmt.Errorf("%w: name %q is not in zone %q", ErrRefused, c.Name, zone)
	}
	if n := c.Name.WireOctets(); n > federation.MaxNameOctets {
		return fmt.Errorf("%w: name %q has %d octets in wire form, at most %d are allowed", ErrRefused, c.Name, n,
			federation.MaxNameOctets)
	}
	if !isName(string(c.Name)) {
		return fmt.Errorf("%w: %q is not a domain name in canonical form with labels of at most 63 octets", ErrRefused,
			c.Name)
	}
	for _, sets := range [][]federation.RRset{c.From, c.To} {
		if err := checkSets(c.Name, sets); err != nil {
			return fmt.Errorf("%w: change of %q: %w", ErrRefused, c.Name, err)
		}
	}
	return nil
}

// CheckClaim is Check for the claim of a batch; nil is no claim.
func CheckClaim(zone federation.FQDN, claim *federation.RRset) error {
	if claim == nil {
		return nil
	}
	if claim.Type != federation.TypeTXT {
		return fmt.Errorf("%w: claim %q has type %q, it must be TXT", ErrRefused, claim.Name, claim.Type)
	}
	return Check(zone, plan.Change{Name: claim.Name, From: []federation.RRset{*claim}})
}

func checkSets(name federation.FQDN, sets []federation.RRset) error {
	seen := map[string]bool{}
	for _, set := range sets {
		if err := checkSet(name, set); err != nil {
			return err
		}
		if seen[set.Type] {
			return fmt.Errorf("the RRset of type %s is there twice", set.Type)
		}
		seen[set.Type] = true
	}
	if seen[federation.TypeCNAME] && len(seen) > 1 {
		return fmt.Errorf("a CNAME allows no other RRset at its name (RFC 1034, section 3.6.2)")
	}
	return nil
}

func checkSet(name federation.FQDN, set federation.RRset) error {
	if set.Name != name {
		return fmt.Errorf("RRset of type %s has another name, %q", set.Type, set.Name)
	}
	if set.Type == federation.TypeTXT && !ofOwnership(name) {
		return fmt.Errorf("TXT RRsets are for claims and lists of levels only: names that begin with _claim, or with " +
			"_levels in them")
	}
	if len(set.Data) == 0 {
		return fmt.Errorf("RRset of type %q has no data", set.Type)
	}
	if set.Type == federation.TypeCNAME {
		if len(set.Data) != 1 {
			return fmt.Errorf("a CNAME RRset has one target, not %d", len(set.Data))
		}
		if n := federation.FQDN(set.Data[0]).WireOctets(); n > federation.MaxNameOctets {
			return fmt.Errorf("CNAME target %q has %d octets in wire form, at most %d are allowed", set.Data[0], n,
				federation.MaxNameOctets)
		}
	}
	rrs, err := ParseRRs(set)
	if err != nil {
		return err
	}
	if canonical := RRsets(rrs); len(canonical) != 1 || !canonical[0].Equal(set) {
		return fmt.Errorf("RRset of type %s is not in canonical form (lower case, sorted, no doubles): %q", set.Type,
			set.Data)
	}
	return nil
}

// ofOwnership reports whether a claim, or a part of the list of levels, can be at the name.
func ofOwnership(name federation.FQDN) bool {
	return strings.HasPrefix(string(name), "_claim.") || strings.Contains("."+string(name), "._levels.")
}

// HasTXT reports whether the change has TXT RRsets, so that From says all about TXT at the name too.
func HasTXT(c plan.Change) bool {
	return Find(c.From, federation.TypeTXT) != nil || Find(c.To, federation.TypeTXT) != nil
}

// Find returns the RRset of the type among the RRsets of one name, nil if there is none.
func Find(sets []federation.RRset, typ string) *federation.RRset {
	for i := range sets {
		if sets[i].Type == typ {
			return &sets[i]
		}
	}
	return nil
}
