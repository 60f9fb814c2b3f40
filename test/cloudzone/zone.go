// Package cloudzone is the zone behind the fakes of Route 53 and Cloud DNS: RRsets in the order of the API, changed all
// or nothing, and served over DNS.
package cloudzone

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// Set is an RRset as the API has it.
type Set struct {
	// Name is canonical: lower case, with the trailing dot, in the presentation form of DNS.
	Name string
	Type string
	// ID tells RRsets with a routing policy apart; "" is the ordinary one.
	ID  string
	TTL uint32
	// Data is in the form of the API.
	Data []string
	// Special says what the RRset has instead of data: "alias", "policy".
	Special string
}

// Key is what identifies an RRset.
type Key struct{ Name, Type, ID string }

// Key of the set.
func (s Set) Key() Key { return Key{s.Name, s.Type, s.ID} }

// Same reports whether both have the same TTL and, in any order, data.
func (s Set) Same(o Set) bool {
	a, b := slices.Sorted(slices.Values(s.Data)), slices.Sorted(slices.Values(o.Data))
	return s.TTL == o.TTL && s.Special == o.Special && slices.Equal(a, b)
}

// Header returns the header of the RRset's records.
func (s Set) Header() dns.RR_Header {
	return dns.RR_Header{Name: s.Name, Rrtype: dns.StringToType[s.Type], Class: dns.ClassINET, Ttl: s.TTL}
}

// Address returns the A or AAAA record of data. ok is false if the RRset has another type, or data another form.
func (s Set) Address(data string) (rr dns.RR, ok bool) {
	addr, err := netip.ParseAddr(data)
	switch {
	case err == nil && s.Type == "A" && addr.Is4():
		return &dns.A{Hdr: s.Header(), A: addr.AsSlice()}, true
	case err == nil && s.Type == "AAAA" && addr.Is6():
		return &dns.AAAA{Hdr: s.Header(), AAAA: addr.AsSlice()}, true
	}
	return nil, false
}

// CanonicalName returns a name in presentation form as a Set has it.
func CanonicalName(s string) (string, error) {
	wire := make([]byte, 256)
	n, err := dns.PackDomainName(s, wire, 0, nil, false)
	if err != nil {
		return "", err
	}
	name, _, err := dns.UnpackDomainName(wire[:n], 0)
	return dns.CanonicalName(name), err
}

// Zone is a zone. Its methods may be called by several goroutines.
type Zone struct {
	name   string
	order  func(name string) string
	record func(set Set, data string) (dns.RR, error)

	mu    sync.RWMutex
	names map[string][]Set
	count int
	index []entry // sorted; may have deleted keys
	fresh []entry // not yet in the index
	in    map[Key]bool
}

type entry struct {
	sort string
	key  Key
}

// New returns a zone without records. order turns a name into the text by which names are sorted, record turns data
// into the record that is served.
func New(name string, order func(string) string, record func(set Set, data string) (dns.RR, error)) *Zone {
	return &Zone{name: name, order: order, record: record, names: map[string][]Set{}, in: map[Key]bool{}}
}

// Name returns the zone's name.
func (z *Zone) Name() string { return z.name }

// Tx is a change under way.
type Tx struct {
	z    *Zone
	undo map[string][]Set
}

// Do changes the zone by f, and undoes that if f fails. No reader sees an intermediate state.
func (z *Zone) Do(f func(*Tx) error) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	tx := &Tx{z: z, undo: map[string][]Set{}}
	err := f(tx)
	if err != nil {
		for name, sets := range tx.undo {
			z.set(name, sets)
		}
	}
	return err
}

// At returns the RRsets at the name. Do not modify them.
func (tx *Tx) At(name string) []Set { return tx.z.names[name] }

// Find returns the RRset of the key.
func (tx *Tx) Find(k Key) (Set, bool) { return find(tx.z.names[k.Name], k) }

// Count is how many RRsets the zone has.
func (tx *Tx) Count() int { return tx.z.count }

// Put adds the RRset, or replaces the one with its key.
func (tx *Tx) Put(s Set) {
	tx.keep(s.Name)
	next := without(tx.z.names[s.Name], s.Key())
	tx.z.set(s.Name, append(next, s))
}

// Delete deletes the RRset with the key.
func (tx *Tx) Delete(k Key) {
	tx.keep(k.Name)
	tx.z.set(k.Name, without(tx.z.names[k.Name], k))
}

func (tx *Tx) keep(name string) {
	if _, kept := tx.undo[name]; !kept {
		tx.undo[name] = tx.z.names[name]
	}
}

func find(sets []Set, k Key) (Set, bool) {
	for _, s := range sets {
		if s.Key() == k {
			return s, true
		}
	}
	return Set{}, false
}

func without(sets []Set, k Key) []Set {
	next := make([]Set, 0, len(sets)+1)
	for _, s := range sets {
		if s.Key() != k {
			next = append(next, s)
		}
	}
	return next
}

// set replaces the RRsets at the name. The lock is held.
func (z *Zone) set(name string, sets []Set) {
	z.count += len(sets) - len(z.names[name])
	if len(sets) == 0 {
		delete(z.names, name)
		return
	}
	z.names[name] = sets
	for _, s := range sets {
		if k := s.Key(); !z.in[k] {
			z.in[k] = true
			z.fresh = append(z.fresh, entry{z.order(name) + "\x00" + s.Type + "\x00" + s.ID, k})
		}
	}
}

// List returns up to n RRsets that keep accepts, starting at the key, which need not exist, and the key that follows
// them; its name is "" at the end. Key{} is the start of the zone.
func (z *Zone) List(from Key, n int, keep func(Set) bool) (sets []Set, next Key) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.merge()
	at := 0
	if from.Name != "" {
		text := z.order(from.Name) + "\x00" + from.Type
		if from.Type != "" {
			text += "\x00" + from.ID
		}
		at, _ = slices.BinarySearchFunc(z.index, text, func(e entry, text string) int {
			return strings.Compare(e.sort,
				text)
		})
	}
	for ; at < len(z.index); at++ {
		k := z.index[at].key
		s, there := find(z.names[k.Name], k)
		if !there || keep != nil && !keep(s) {
			continue
		}
		if len(sets) == n {
			return sets, k
		}
		sets = append(sets, s)
	}
	return sets, Key{}
}

// merge brings the index up to date. The lock is held.
func (z *Zone) merge() {
	if len(z.fresh) == 0 {
		return
	}
	byText := func(a, b entry) int { return strings.Compare(a.sort, b.sort) }
	slices.SortFunc(z.fresh, byText)
	all := make([]entry, 0, len(z.index)+len(z.fresh))
	old := z.index
	for _, e := range z.fresh {
		for len(old) > 0 && byText(old[0], e) < 0 {
			all, old = append(all, old[0]), old[1:]
		}
		all = append(all, e)
	}
	z.index, z.fresh = append(all, old...), nil
}

// Load puts the RRsets without the checks of the API, as another client would. A CNAME beside another RRset is an
// error.
func (z *Zone) Load(sets ...Set) error {
	return z.Do(func(tx *Tx) error {
		for _, s := range sets {
			tx.Put(s)
			if at := tx.At(s.Name); len(at) > 1 && Exclusive(at) {
				return fmt.Errorf("%s: a CNAME beside another RRset", s.Name)
			}
		}
		return nil
	})
}

// Remove deletes the RRsets, as another client would.
func (z *Zone) Remove(keys ...Key) {
	_ = z.Do(func(tx *Tx) error { // it cannot fail
		for _, k := range keys {
			tx.Delete(k)
		}
		return nil
	})
}

// Exclusive reports whether there is a CNAME among RRsets of other types.
func Exclusive(at []Set) bool {
	cname := slices.ContainsFunc(at, func(s Set) bool { return s.Type == "CNAME" })
	return cname && slices.ContainsFunc(at, func(s Set) bool { return s.Type != "CNAME" })
}
