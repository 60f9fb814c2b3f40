package federation

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	heritage      = "federation-dns"
	formatVersion = 1
	claimTTL      = 60
)

// The first labels of the TXT RRsets that say who holds the names. No Service can have such a name, as it begins with
// an underscore.
const (
	claimLabel  = "_claim"
	levelsLabel = "_levels"
)

// Claim marks the syncer that holds the names of a federation (O1a).
type Claim struct {
	// Owner is the id of the syncer (O1d), as accepted by ParseOwnerID.
	Owner string
	// Generation increases with each leader, so that writes of an earlier leader fail (O3b).
	Generation uint64
	Federation Label
	Naming     Naming
	// Instance is random, and distinguishes two syncers with the same owner id (O1e). The claims of levels and of
	// earlier releases have none.
	Instance string
	// Removed reports that cleanup has removed the federation. Such a claim deposes every syncer, and keeps others from
	// starting.
	Removed bool
}

// ClaimName returns the name of the claim on a level; that on the federation's Domain is the main claim.
func (f Federation) ClaimName(level FQDN) FQDN { return join(claimLabel, f.Suffix(level)) }

// ParseClaimName is the inverse of ClaimName.
func (f Federation) ParseClaimName(name FQDN) (level FQDN, ok bool) {
	suffix, ok := strings.CutPrefix(string(name), claimLabel+".")
	if !ok {
		return "", false
	}
	return f.ParseSuffix(FQDN(suffix))
}

// LevelsName returns the name below which every level ever written is listed, one TXT RRset for each (O1b). Earlier
// releases list them in the TXT RRset of this name itself.
func (f Federation) LevelsName() FQDN { return join(levelsLabel, f.Suffix(f.Domain)) }

// RRset returns the claim as the TXT RRset of the given name.
func (c Claim) RRset(name FQDN) RRset {
	strs := []string{
		heritageField, versionField, "owner=" + c.Owner, "generation=" + strconv.FormatUint(c.Generation, 10),
		"federation=" + string(c.Federation), "naming=" + string(c.Naming),
	}
	if c.Instance != "" {
		strs = append(strs, "instance="+c.Instance)
	}
	if c.Removed {
		strs = append(strs, "state="+stateRemoved)
	}
	return RRset{Name: name, Type: TypeTXT, TTL: claimTTL, Data: []string{printTXT(strs...)}}
}

// stateRemoved is the state of a claim that cleanup leaves.
const stateRemoved = "removed"

// ParseClaim is the inverse of Claim.RRset. It refuses an RRset that is not a claim of this format, which is someone
// else's; the error names the RRset and what is wrong with it.
func ParseClaim(set RRset) (Claim, error) {
	c, err := parseClaim(set)
	if err != nil {
		return Claim{}, fmt.Errorf("claim %q: %w", set.Name, err)
	}
	return c, nil
}

func parseClaim(set RRset) (c Claim, err error) {
	if set.Type != TypeTXT || len(set.Data) != 1 {
		return c, fmt.Errorf("want one TXT record, have %d of type %q", len(set.Data), set.Type)
	}
	fields, err := parseFields(set.Data[0])
	if err != nil {
		return c, err
	}
	if c.Owner, err = fields.one("owner"); err != nil {
		return c, err
	}
	if _, err = ParseOwnerID(c.Owner); err != nil {
		return c, err
	}
	generation, err := fields.one("generation")
	if err != nil {
		return c, err
	}
	if c.Generation, err = strconv.ParseUint(generation, 10, 64); err != nil {
		return c, fmt.Errorf("generation %q is not a whole number", generation)
	}
	name, err := fields.one("federation")
	if err != nil {
		return c, err
	}
	if c.Federation, err = ParseName(name); err != nil {
		return c, err
	}
	naming, err := fields.one("naming")
	if err != nil {
		return c, err
	}
	if c.Naming, err = ParseNaming(naming); err != nil {
		return c, err
	}
	if c.Instance, err = fields.optional("instance"); err != nil {
		return c, err
	}
	state, err := fields.optional("state")
	if err == nil && state != "" && state != stateRemoved {
		err = fmt.Errorf("record %s: state %q is not known here", set.Data[0], state)
	}
	c.Removed = state == stateRemoved
	return c, err
}

// ParseOwnerID checks the id of a syncer: 1 to 200 characters of printable ASCII without blanks, quotes and
// backslashes.
func ParseOwnerID(s string) (string, error) {
	if s == "" || len(s) > 200 {
		return "", fmt.Errorf("owner %q has %d characters, 1 to 200 are allowed", s, len(s))
	}
	for _, c := range s {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return "", fmt.Errorf("owner %q: only printable ASCII without blanks, quotes and backslashes is allowed", s)
		}
	}
	return s, nil
}
