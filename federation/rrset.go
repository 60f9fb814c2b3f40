package federation

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// The types of RRsets that are written (O2).
const (
	TypeA     = "A"
	TypeAAAA  = "AAAA"
	TypeCNAME = "CNAME"
	TypeTXT   = "TXT"
)

// RRset is all records of one owner name and type.
//
// Data holds the record data in presentation form, each value once: addresses as netip.Addr prints them, a CNAME's
// target as an FQDN, a TXT record as one or more quoted strings separated by a space. It is sorted (addresses by value,
// TXT as text). An RRset never changes once made; its Data may be shared.
type RRset struct {
	Name FQDN
	Type string
	TTL  uint32
	Data []string
}

// Equal reports whether both have the same name, type, TTL and data.
func (r RRset) Equal(o RRset) bool {
	return r.TTL == o.TTL && r.SameData(o)
}

// SameData is Equal without the TTL, as the prerequisites of RFC 2136 compare (section 2.4.2).
func (r RRset) SameData(o RRset) bool {
	return r.Name == o.Name && r.Type == o.Type && slices.Equal(r.Data, o.Data)
}

// String returns the RRset as lines of a zone file, one for each record.
func (r RRset) String() string {
	var b strings.Builder
	for _, d := range r.Data {
		fmt.Fprintf(&b, "%s %d IN %s %s\n", r.Name, r.TTL, r.Type, d)
	}
	return b.String()
}

// CompareRRsets orders by owner name, then type.
func CompareRRsets(a, b RRset) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
}

// EqualRRsets reports whether two lists contain equal RRsets, in any order.
func EqualRRsets(a, b []RRset) bool {
	if len(a) != len(b) {
		return false
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, CompareRRsets)
	slices.SortFunc(b, CompareRRsets)
	return slices.EqualFunc(a, b, RRset.Equal)
}
