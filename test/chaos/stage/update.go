package stage

import (
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
)

// Update is a change of some names that a host has answered.
type Update struct {
	Syncer int
	// Made: it was made, all of it; else nothing was.
	Made bool
	// Asserts: it depends on what the main claim is.
	Asserts bool
	// Names are those that it changes.
	Names map[string]Change
}

// Change is what an Update does at one name.
type Change struct {
	// Switches: addresses become a CNAME, or back.
	Switches bool
	// Uncompared are the types that it changes whatever is there.
	Uncompared []string
}

// Marks reports whether the name is one of a claim, or of the list of levels or a
// part of it (O1).
func (z Zone) Marks(name string) bool {
	list := string(z.LevelsName())
	return strings.HasPrefix(name, "_claim."+string(z.Name)+".svc.") || name == list ||
		strings.HasSuffix(name, "."+list)
}

// comparable are the types that a change of the name has to compare (O3a).
func (z Zone) comparable(name string) []string {
	if z.Marks(name) {
		return []string{"TXT"}
	}
	return []string{federation.TypeA, federation.TypeAAAA, federation.TypeCNAME}
}

// dnsUpdate is a dynamic update that a DNS server has answered.
type dnsUpdate struct {
	syncer  int
	message *dns.Msg
	rcode   int
}

func (u dnsUpdate) update(z Zone) Update {
	out := Update{
		Syncer: u.syncer, Made: u.rcode == dns.RcodeSuccess, Names: map[string]Change{},
		Asserts: u.asserts(string(z.ClaimName(z.Domain)), "TXT"),
	}
	for _, rr := range u.message.Ns {
		name := strings.ToLower(rr.Header().Name)
		if _, ok := out.Names[name]; ok {
			continue
		}
		c := Change{Switches: u.switches(name)}
		for _, typ := range z.comparable(name) {
			if !u.asserts(name, typ) {
				c.Uncompared = append(c.Uncompared, typ)
			}
		}
		out.Names[name] = c
	}
	return out
}

// asserts reports whether there is a prerequisite for the RRset.
func (u dnsUpdate) asserts(name, typ string) bool {
	return slices.ContainsFunc(u.message.Answer, func(rr dns.RR) bool {
		return strings.EqualFold(rr.Header().Name, name) && dns.TypeToString[rr.Header().Rrtype] == typ
	})
}

// switches reports whether the update turns addresses into a CNAME or back.
func (u dnsUpdate) switches(name string) bool {
	of := func(rrs []dns.RR, types ...uint16) bool {
		return slices.ContainsFunc(rrs, func(rr dns.RR) bool {
			h := rr.Header()
			return h.Class == dns.ClassINET && strings.EqualFold(h.Name, name) && slices.Contains(types, h.Rrtype)
		})
	}
	had, gets := u.message.Answer, u.message.Ns
	return of(gets, dns.TypeCNAME) && of(had, dns.TypeA, dns.TypeAAAA) ||
		of(had, dns.TypeCNAME) && of(gets, dns.TypeA, dns.TypeAAAA)
}
