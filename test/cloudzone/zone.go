// Package cloudzone is the zone behind the stand-ins of Route 53 and Cloud DNS:
// RRsets in the order of the API, changed all or nothing, and served over DNS.
package cloudzone

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// Set is an RRset as the API has it.
type Set struct {
	// Name is canonical: lower case, with the trailing dot, in the presentation
	// form of DNS.
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

// Zone is a zone. Its methods may be called by several goroutines.
type Zone struct {
	name string
	sort func(name string) string
	rrs  func(Set) ([]dns.RR, error)

	mu    sync.RWMutex
	names map[string][]Set
	count int
	index []entry // sorted; may have keys that are gone
	fresh []entry // not yet in the index
	in    map[Key]bool
}

type entry struct {
	sort string
	key  Key
}

// New returns a zone without records. Sort turns a name into the text that it
// is listed by, rrs an RRset into the records that are served.
func New(name string, sort func(string) string, rrs func(Set) ([]dns.RR, error)) *Zone {
	return &Zone{name: name, sort: sort, rrs: rrs, names: map[string][]Set{}, in: map[Key]bool{}}
}

// Name returns the zone's name.
func (z *Zone) Name() string { return z.name }

// Tx is a change under way.
type Tx struct {
	z    *Zone
	undo map[string][]Set
}

// Do changes the zone by f; if f fails, nothing has changed. Nobody sees what
// is between.
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

// At returns what is at the name; it is not to be changed.
func (tx *Tx) At(name string) []Set { return tx.z.names[name] }

// Find returns the RRset of the key.
func (tx *Tx) Find(k Key) (Set, bool) { return find(tx.z.names[k.Name], k) }

// Count is how many RRsets the zone has.
func (tx *Tx) Count() int { return tx.z.count }

// Put adds the RRset, in place of the one of its key.
func (tx *Tx) Put(s Set) {
	tx.keep(s.Name)
	next := without(tx.z.names[s.Name], s.Key())
	tx.z.set(s.Name, append(next, s))
}

// Delete takes the RRset of the key away.
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

// set makes sets what is at the name. The lock is held.
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
			z.fresh = append(z.fresh, entry{z.sort(name) + "\x00" + s.Type + "\x00" + s.ID, k})
		}
	}
}

// List returns up to n RRsets from the key on, which need not be there, that
// keep accepts, and the key after these; its name is "" at the end. The zone
// itself begins with Key{}.
func (z *Zone) List(from Key, n int, keep func(Set) bool) (sets []Set, next Key) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.merge()
	at := 0
	if from.Name != "" {
		text := z.sort(from.Name) + "\x00" + from.Type
		if from.Type != "" {
			text += "\x00" + from.ID
		}
		at, _ = slices.BinarySearchFunc(z.index, text, func(e entry, text string) int { return strings.Compare(e.sort, text) })
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

// Load puts the RRsets, as somebody else would who writes to the zone, and
// whatever the API would say. A CNAME beside another RRset is an error.
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

// Remove takes the RRsets away, as somebody else would.
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
