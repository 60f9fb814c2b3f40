package federation

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// membersKey is the key of the strings with a level's members. It is this short because a member's name of 253
// characters leaves no room for more.
const membersKey = "m"

// LevelEntry is one level in the list of all levels ever written, with its members (O1b). Name is the level's domain;
// Members are sorted.
type LevelEntry struct {
	Name    FQDN
	Kind    LevelKind
	Region  Label
	Zone    Label
	Members []string
}

// Equal reports whether both have the same content.
func (e LevelEntry) Equal(o LevelEntry) bool {
	return e.Name == o.Name && e.Kind == o.Kind && e.Region == o.Region && e.Zone == o.Zone &&
		slices.Equal(e.Members, o.Members)
}

// Entry returns the level's entry in the list of levels.
func (lv Level) Entry() LevelEntry {
	return LevelEntry{Name: lv.Name, Kind: lv.Kind, Region: lv.Region, Zone: lv.Zone, Members: lv.Members}
}

// LevelsRRset returns the entries as the list of earlier releases, one record for each level, sorted. The order of the
// entries and of their members does not matter. Without entries the RRset has no data, and must not be written.
func (f Federation) LevelsRRset(entries []LevelEntry) RRset {
	set := RRset{Name: f.LevelsName(), Type: TypeTXT, TTL: claimTTL}
	for _, e := range entries {
		strs := append([]string{heritageField, versionField}, e.strings()...)
		set.Data = append(set.Data, printTXT(append(strs, memberStrings(membersKey, e.Members)...)...))
	}
	slices.Sort(set.Data)
	return set
}

// strings returns the character-strings that identify the level.
func (e LevelEntry) strings() []string {
	strs := []string{"level=" + string(e.Name), "kind=" + string(e.Kind)}
	if e.Region != "" {
		strs = append(strs, "region="+string(e.Region))
	}
	if e.Zone != "" {
		strs = append(strs, "zone="+string(e.Zone))
	}
	return strs
}

// memberStrings packs the names of members into as few character-strings as possible.
func memberStrings(key string, members []string) []string {
	var strs []string
	for _, m := range slices.Compact(slices.Sorted(slices.Values(members))) {
		if last := len(strs) - 1; last >= 0 && len(strs[last])+1+len(m) <= maxTXTOctets {
			strs[last] += "," + m
		} else {
			strs = append(strs, key+"="+m)
		}
	}
	return strs
}

// ParseLevels is the inverse of LevelsRRset; the entries are sorted by name. A record that is not an entry of this
// federation is an error that names it: the list is never used in part. Levels of the other naming are accepted, as
// their records have to be found after the naming has changed (P4).
func (f Federation) ParseLevels(set RRset) ([]LevelEntry, error) {
	if set.Name != f.LevelsName() || set.Type != TypeTXT {
		return nil, fmt.Errorf("list of levels: want TXT of %q, have %s of %q", f.LevelsName(), set.Type, set.Name)
	}
	entries := make([]LevelEntry, 0, len(set.Data))
	for _, d := range set.Data {
		fields, err := parseFields(d)
		if err == nil {
			var e LevelEntry
			e, err = f.parseEntry(fields)
			entries = append(entries, e)
		}
		if err != nil {
			return nil, fmt.Errorf("list of levels %q: %w", set.Name, err)
		}
	}
	slices.SortFunc(entries, func(a, b LevelEntry) int { return cmp.Compare(a.Name, b.Name) })
	for i := 1; i < len(entries); i++ {
		if entries[i].Name == entries[i-1].Name {
			return nil, fmt.Errorf("list of levels %q: level %q stands twice", set.Name, entries[i].Name)
		}
	}
	return entries, nil
}

func (f Federation) parseEntry(fields fields) (e LevelEntry, err error) {
	name, err := fields.one("level")
	if err != nil {
		return e, err
	}
	kind, err := fields.one("kind")
	if err != nil {
		return e, err
	}
	region, err := fields.optional("region")
	if err != nil {
		return e, err
	}
	zone, err := fields.optional("zone")
	if err != nil {
		return e, err
	}
	e = LevelEntry{Name: FQDN(name), Kind: LevelKind(kind), Region: Label(region), Zone: Label(zone)}
	if !f.isLevel(e) {
		return e, fmt.Errorf("record %s is no level of federation %q in domain %q", fields.record, f.Name, f.Domain)
	}
	e.Members, err = fields.names(membersKey)
	return e, err
}

// names returns the names of members in all strings with the key, sorted.
func (f fields) names(key string) (members []string, err error) {
	for _, v := range f.values[key] {
		members = append(members, strings.Split(v, ",")...)
	}
	slices.Sort(members)
	if slices.Contains(members, "") {
		return nil, fmt.Errorf("record %s: a member has no name", f.record)
	}
	return slices.Compact(members), nil
}

// isLevel reports whether kind, labels and name of an entry match under either naming.
func (f Federation) isLevel(e LevelEntry) bool {
	for _, l := range []Label{e.Region, e.Zone} {
		if l != "" && checkLabel(string(l)) != nil {
			return false
		}
	}
	var kind LevelKind
	switch {
	case e.Zone != "":
		kind = KindTopologyZone
	case e.Region != "":
		kind = KindRegion
	default:
		kind = KindGlobal
	}
	if e.Kind != kind {
		return false
	}
	flat, nested := f, f
	flat.Naming, nested.Naming = Flat, Nested
	t := Topology{Region: e.Region, Zone: e.Zone}
	return e.Name == flat.LevelName(t) || e.Name == nested.LevelName(t)
}
