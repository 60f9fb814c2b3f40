package hostrecords

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
)

// Label is the label of the ConfigMaps; its value is the name of the federation.
const Label = "federation-dns.io/records"

// format is the version of the form.
const format = 1

// The keys of a ConfigMap's data.
const (
	stateKey   = "state"
	recordsKey = "records"
	removedKey = "removed"
)

// records has the RRsets of each name, as lines of a zone file. In the head, "" is a name that has been removed.
type records map[federation.FQDN]string

// size is the size of the records in a ConfigMap.
func (r records) size() (n int) {
	for name, text := range r {
		n += entrySize(name, text)
	}
	return n
}

func entrySize(name federation.FQDN, text string) int {
	if text == "" {
		return len(name) + 1
	}
	return len(text)
}

// HeadName is the name of the head. Those of the buckets begin with it.
func (c Config) HeadName() string {
	h := fnv.New32a()
	fmt.Fprintf(h, "%s %s", c.Federation, c.Domain)
	return fmt.Sprintf("federation-records.%s.%08x", c.Federation, h.Sum32())
}

// bucketName is the name of bucket i of count. The count is in the name, so that the buckets of a set that has doubled
// stand beside those before.
func (c Config) bucketName(i, count int) string {
	return fmt.Sprintf("%s.%d-%d", c.HeadName(), count, i)
}

// bucketOf returns which of count buckets, a power of two, has the name.
func bucketOf(name federation.FQDN, count int) int {
	h := fnv.New64a()
	h.Write([]byte(name))
	sum := h.Sum64()
	sum ^= sum >> 32 // the low bits of FNV alone spread short names badly
	return int(sum % uint64(count))
}

// identity is what each ConfigMap says of itself.
type identity struct {
	Format     int              `json:"format"`
	Federation federation.Label `json:"federation"`
	Domain     federation.FQDN  `json:"domain"`
	// Serial counts the updates of the head. A bucket has the one up to which it has taken the head in.
	Serial uint64 `json:"serial"`
	// Buckets is the number of buckets, 0 or a power of two.
	Buckets int `json:"buckets"`
}

func (c Config) identity(serial uint64, buckets int) identity {
	return identity{Format: format, Federation: c.Federation, Domain: c.Domain, Serial: serial, Buckets: buckets}
}

// encode returns the data of a ConfigMap: the head, or a bucket.
func encode(id identity, r records) map[string]string {
	state, err := json.Marshal(id)
	if err != nil {
		panic(err) // it has no value that JSON lacks
	}
	var text, removed strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r)) {
		if r[name] == "" {
			fmt.Fprintln(&removed, name)
		} else {
			text.WriteString(r[name])
		}
	}
	data := map[string]string{stateKey: string(state) + "\n", recordsKey: text.String()}
	if removed.Len() > 0 {
		data[removedKey] = removed.String()
	}
	return data
}

// decode is the inverse of encode. Records that somebody has written by hand count, if they are a zone file.
func (c Config) decode(data map[string]string) (identity, records, error) {
	var id identity
	if err := json.Unmarshal([]byte(data[stateKey]), &id); err != nil {
		return id, nil, fmt.Errorf("%s: %w", stateKey, err)
	}
	switch {
	case id.Format != format:
		return id, nil, fmt.Errorf("%s: format %d, this release knows %d", stateKey, id.Format, format)
	case id.Federation != c.Federation || id.Domain != c.Domain:
		return id, nil, fmt.Errorf("%s: it is federation %q in %q", stateKey, id.Federation, id.Domain)
	case id.Buckets < 0 || id.Buckets&(id.Buckets-1) != 0:
		return id, nil, fmt.Errorf("%s: %d buckets: 0 or a power of two is allowed", stateKey, id.Buckets)
	}
	lines := map[federation.FQDN][]string{}
	z := dns.NewZoneParser(strings.NewReader(data[recordsKey]), ".", "")
	for rr, ok := z.Next(); ok; rr, ok = z.Next() {
		name := federation.CanonicalName(rr.Header().Name)
		if !name.In(c.Domain) || rr.Header().Class != dns.ClassINET {
			return id, nil, fmt.Errorf("%s: %q is no record of domain %q", recordsKey, rr, c.Domain)
		}
		lines[name] = append(lines[name], line(rr))
	}
	if err := z.Err(); err != nil {
		return id, nil, fmt.Errorf("%s: %w", recordsKey, err)
	}
	r := records{}
	for line := range strings.Lines(data[removedKey]) {
		r[federation.FQDN(strings.TrimSpace(line))] = ""
	}
	for name, of := range lines {
		r[name] = strings.Join(of, "")
	}
	return id, r, nil
}

// line returns a record as RRset.String does.
func line(rr dns.RR) string {
	h := rr.Header()
	return fmt.Sprintf("%s %d IN %s %s\n",
		federation.CanonicalName(h.Name), h.Ttl, dns.TypeToString[h.Rrtype], data(rr))
}

// data returns a record's data in presentation form.
func data(rr dns.RR) string { return strings.TrimPrefix(rr.String(), rr.Header().String()) }

// encodeSets returns the RRsets of a name.
func encodeSets(sets []federation.RRset) string {
	var b strings.Builder
	for _, s := range slices.SortedFunc(slices.Values(sets), federation.CompareRRsets) {
		b.WriteString(s.String())
	}
	return b.String()
}

// decodeSets is the inverse of encodeSets. RRsets of other types than ours have their data as a zone file has it.
func decodeSets(text string) ([]federation.RRset, error) {
	var rrs []dns.RR
	var others []federation.RRset
	z := dns.NewZoneParser(strings.NewReader(text), ".", "")
	for rr, ok := z.Next(); ok; rr, ok = z.Next() {
		h := rr.Header()
		typ := dns.TypeToString[h.Rrtype]
		if slices.Contains(provider.Types, typ) {
			rrs = append(rrs, rr)
			continue
		}
		i := slices.IndexFunc(others, func(s federation.RRset) bool { return s.Type == typ })
		if i < 0 {
			i = len(others)
			others = append(others, federation.RRset{Name: federation.CanonicalName(h.Name), Type: typ, TTL: h.Ttl})
		}
		others[i].Data = append(others[i].Data, data(rr))
	}
	if err := z.Err(); err != nil {
		return nil, err
	}
	return slices.SortedFunc(slices.Values(append(provider.RRsets(rrs), others...)), federation.CompareRRsets), nil
}
