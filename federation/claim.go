package federation

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	heritage      = "federation-dns"
	formatVersion = 1
	claimTTL      = 60
)

// The leftmost labels of the TXT RRsets that say whose the names are. No
// Service can have such a name, as it begins with an underscore.
const (
	claimLabel  = "_claim"
	levelsLabel = "_levels"
)

// Claim is the mark of the syncer that holds the names of a federation (O1a).
type Claim struct {
	// Owner is the id of the syncer (O1d).
	Owner string
	// Generation grows with each leader, so that a former leader's writes fail
	// (O3b).
	Generation uint64
	Federation Label
	Naming     Naming
}

// ClaimName is the name of the claim on a level; that on the federation's
// Domain is the main claim.
func (f Federation) ClaimName(level FQDN) FQDN { return join(claimLabel, f.Suffix(level)) }

// LevelsName is the name of the TXT RRset that lists every level ever written
// (O1b).
func (f Federation) LevelsName() FQDN { return join(levelsLabel, f.Suffix(f.Domain)) }

// RRset returns the claim as the TXT RRset of the given name.
func (c Claim) RRset(name FQDN) RRset {
	return RRset{Name: name, Type: TypeTXT, TTL: claimTTL, Data: []string{txt(
		"heritage="+heritage, "version="+strconv.Itoa(formatVersion), "owner="+c.Owner,
		"generation="+strconv.FormatUint(c.Generation, 10), "federation="+string(c.Federation), "naming="+string(c.Naming),
	)}}
}

// ParseClaim is the inverse of Claim.RRset. It refuses what is not a claim of
// this format, naming the RRset and what is wrong.
func ParseClaim(set RRset) (Claim, error) {
	if set.Type != TypeTXT || len(set.Data) != 1 {
		return Claim{}, fmt.Errorf("claim %q: want one TXT record, have %d %s", set.Name, len(set.Data), set.Type)
	}
	fields, err := parseFields(set.Data[0])
	if err != nil {
		return Claim{}, fmt.Errorf("claim %q: %w", set.Name, err)
	}
	generation, err := strconv.ParseUint(fields["generation"], 10, 64)
	if err != nil {
		return Claim{}, fmt.Errorf("claim %q: generation %q is not a number", set.Name, fields["generation"])
	}
	return Claim{
		Owner:      fields["owner"],
		Generation: generation,
		Federation: Label(fields["federation"]),
		Naming:     Naming(fields["naming"]),
	}, nil
}

// ParseOwnerID checks the id of a syncer: printable ASCII without quotes and
// backslashes, 1 to 200 characters.
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

// LevelEntry is one level in the list of all levels ever written, with the
// members that have it (O1b). Name is the level's domain.
type LevelEntry struct {
	Name    FQDN
	Kind    Kind
	Region  Label
	Zone    Label
	Members []string
}

// LevelsRRset returns the entries as the list of levels, one record a level,
// sorted. With no entries the RRset has no data, and is not to be written.
func (f Federation) LevelsRRset(entries []LevelEntry) RRset {
	set := RRset{Name: f.LevelsName(), Type: TypeTXT, TTL: claimTTL}
	for _, e := range entries {
		fields := []string{
			"heritage=" + heritage, "version=" + strconv.Itoa(formatVersion),
			"level=" + string(e.Name), "kind=" + string(e.Kind), "region=" + string(e.Region), "zone=" + string(e.Zone),
		}
		for _, m := range slices.Sorted(slices.Values(e.Members)) {
			fields = append(fields, "member="+m)
		}
		set.Data = append(set.Data, txt(fields...))
	}
	slices.Sort(set.Data)
	return set
}

// ParseLevels is the inverse of LevelsRRset. A record that is not an entry of
// this federation is an error that names it: the list is not used in part.
func (f Federation) ParseLevels(set RRset) ([]LevelEntry, error) {
	entries := make([]LevelEntry, 0, len(set.Data))
	for _, d := range set.Data {
		fields, err := parseFields(d)
		if err != nil {
			return nil, fmt.Errorf("list of levels %q: %w", set.Name, err)
		}
		e := LevelEntry{
			Name: FQDN(fields["level"]), Kind: Kind(fields["kind"]),
			Region: Label(fields["region"]), Zone: Label(fields["zone"]),
		}
		if _, ok := f.ParseSuffix(f.Suffix(e.Name)); !ok || kindRank(e.Kind) < 0 {
			return nil, fmt.Errorf("list of levels %q: record %s names no level of federation %q", set.Name, d, f.Name)
		}
		if m := fields["member"]; m != "" {
			e.Members = strings.Split(m, "\n")
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b LevelEntry) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return entries, nil
}

// txt is one TXT record in presentation form, one character-string a field.
// The fields hold no character that the form escapes.
func txt(fields ...string) string { return `"` + strings.Join(fields, `" "`) + `"` }

// parseFields returns the key=value strings of one TXT record; values of a
// key that comes more than once are joined by a newline.
func parseFields(data string) (map[string]string, error) {
	body, ok := strings.CutPrefix(data, `"`)
	body, ok2 := strings.CutSuffix(body, `"`)
	if !ok || !ok2 || strings.ContainsAny(body, "\\\n") {
		return nil, fmt.Errorf("record %s is not of our format", data)
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(body, `" "`) {
		key, value, ok := strings.Cut(part, "=")
		if !ok || strings.Contains(value, `"`) {
			return nil, fmt.Errorf("record %s: %q is not key=value", data, part)
		}
		if before, again := fields[key]; again {
			if key != "member" {
				return nil, fmt.Errorf("record %s: %q stands twice", data, key)
			}
			value = before + "\n" + value
		}
		fields[key] = value
	}
	if fields["heritage"] != heritage {
		return nil, fmt.Errorf("record %s is not of our format: heritage is not %q", data, heritage)
	}
	if fields["version"] != strconv.Itoa(formatVersion) {
		return nil, fmt.Errorf("record %s has format version %q, %d is known here", data, fields["version"], formatVersion)
	}
	return fields, nil
}
