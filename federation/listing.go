package federation

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	// globalLabel stands for global in the name of a listing: no level begins with an underscore.
	globalLabel = "_global"
	// pastKey is the key of the strings with the last members of a level.
	pastKey = "p"
	// maxMemberOctets and maxPastOctets bound the names of members in one RRset, so that each takes at most half of the
	// 4,000 characters that Route 53 allows.
	maxMemberOctets, maxPastOctets = 2000, 500
	// maxParts is more than any federation needs; a part with a higher number is not ours.
	maxParts = 1000
)

// Listing is a level in the list of all levels ever written (O1b): a TXT RRset of its own, or several if the names of
// its members do not fit into one.
type Listing struct {
	LevelEntry
	// Owner is the id of the syncer that lists the level.
	Owner string
	// Past are the last members of a level that has none now, as far as they fit.
	Past []string
}

// ListingName returns the name of one part of a level's listing, counted from 1.
func (f Federation) ListingName(level FQDN, part int) FQDN {
	above := globalLabel
	if level != f.Domain {
		above = strings.TrimSuffix(string(level), "."+string(f.Domain))
	}
	if part > 1 {
		above = "_" + strconv.Itoa(part) + "." + above
	}
	return join(above, f.LevelsName())
}

// ParseListingName is the inverse of ListingName.
func (f Federation) ParseListingName(name FQDN) (level FQDN, part int, ok bool) {
	above, ok := strings.CutSuffix(string(name), "."+string(f.LevelsName()))
	if !ok {
		return "", 0, false
	}
	part = 1
	if first, rest, more := strings.Cut(above, "."); more && strings.HasPrefix(first, "_") {
		n, err := strconv.ParseUint(first[1:], 10, 16)
		if err != nil || n < 2 || strconv.FormatUint(n, 10) != first[1:] {
			return "", 0, false
		}
		part, above = int(n), rest
	}
	if above == globalLabel {
		return f.Domain, part, true
	}
	level, ok = f.ParseSuffix(f.Suffix(join(above, f.Domain)))
	return level, part, ok
}

// RRsets returns the listing as RRsets, given those that exist now: a member stays in its part, so that adding or
// removing one changes one RRset.
func (l Listing) RRsets(f Federation, have []RRset) []RRset {
	parts := layOut(slices.Compact(slices.Sorted(slices.Values(l.Members))), f.membersByPart(have))
	sets := make([]RRset, len(parts))
	for i, members := range parts {
		strs := append([]string{heritageField, versionField, "owner=" + l.Owner}, l.strings()...)
		strs = append(strs, memberStrings(membersKey, members)...)
		if i == 0 {
			strs = append(strs, memberStrings(pastKey, fitting(l.Past))...)
		}
		sets[i] = RRset{Name: f.ListingName(l.Name, i+1), Type: TypeTXT, TTL: claimTTL,
			Data: []string{printTXT(strs...)}}
	}
	return sets
}

// layOut distributes the members over parts, of which there is at least one.
func layOut(members []string, have [][]string) [][]string {
	parts := make([][]string, max(len(have), 1))
	room := make([]int, len(parts))
	left := map[string]bool{}
	for _, m := range members {
		left[m] = true
	}
	put := func(i int, m string) bool {
		if room[i]+len(m)+1 > maxMemberOctets {
			return false
		}
		room[i] += len(m) + 1
		parts[i] = append(parts[i], m)
		delete(left, m)
		return true
	}
	for i, part := range have {
		for _, m := range part {
			if left[m] {
				put(i, m)
			}
		}
	}
	for i := 0; len(left) > 0; i++ {
		if i == len(parts) {
			parts, room = append(parts, nil), append(room, 0)
		}
		for _, m := range members {
			if left[m] && !put(i, m) {
				break
			}
		}
	}
	for len(parts) > 1 && len(parts[len(parts)-1]) == 0 {
		parts = parts[:len(parts)-1]
	}
	return parts
}

// membersByPart returns the members of each part that exists and is readable.
func (f Federation) membersByPart(sets []RRset) (parts [][]string) {
	for _, set := range sets {
		l, part, err := f.parsePart(set)
		if err != nil {
			continue
		}
		for len(parts) < part {
			parts = append(parts, nil)
		}
		parts[part-1] = l.Members
	}
	return parts
}

// fitting returns as many of the names as fit into maxPastOctets.
func fitting(names []string) []string {
	octets := 0
	for i, n := range names {
		if octets += len(n) + 1; octets > maxPastOctets {
			return names[:i]
		}
	}
	return names
}

// ParseListing is the inverse of Listing.RRsets, given the parts of one level in any order; if one is missing, only its
// members are. A part that is not of this format, or that disagrees with the others, is an error that names it.
func (f Federation) ParseListing(sets []RRset) (l Listing, err error) {
	for i, set := range sets {
		one, _, err := f.parsePart(set)
		switch {
		case err != nil:
			return Listing{}, fmt.Errorf("listing %q: %w", set.Name, err)
		case i == 0:
			l = one
		case one.Name != l.Name || one.Owner != l.Owner:
			return Listing{}, fmt.Errorf("listing %q: level or owner is not that of %q", set.Name, sets[0].Name)
		default:
			l.Members, l.Past = append(l.Members, one.Members...), append(l.Past, one.Past...)
		}
	}
	slices.Sort(l.Members)
	l.Members = slices.Compact(l.Members)
	return l, nil
}

func (f Federation) parsePart(set RRset) (l Listing, part int, err error) {
	level, part, ok := f.ParseListingName(set.Name)
	if !ok || part > maxParts || set.Type != TypeTXT || len(set.Data) != 1 {
		return l, 0, fmt.Errorf("want one TXT record at the name of a level, have %d of type %q", len(set.Data),
			set.Type)
	}
	fields, err := parseFields(set.Data[0])
	if err != nil {
		return l, 0, err
	}
	if l.LevelEntry, err = f.parseEntry(fields); err != nil {
		return l, 0, err
	}
	if l.Name != level {
		return l, 0, fmt.Errorf("it is of level %q", l.Name)
	}
	if l.Owner, err = fields.one("owner"); err != nil {
		return l, 0, err
	}
	if _, err = ParseOwnerID(l.Owner); err != nil {
		return l, 0, err
	}
	l.Past, err = fields.names(pastKey)
	return l, part, err
}
