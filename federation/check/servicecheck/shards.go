package servicecheck

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/federation/member"
)

// shown is how many names of Services a finding has.
const shown = 3

// group collects Services by what is wrong with them.
type group struct {
	names map[groupKey]map[string]bool
}

type groupKey struct{ member, what string }

func (g *group) add(member, what, service string) {
	if g.names == nil {
		g.names = map[groupKey]map[string]bool{}
	}
	key := groupKey{member, what}
	if g.names[key] == nil {
		g.names[key] = map[string]bool{}
	}
	g.names[key][service] = true
}

// findings are one for each member and what is wrong, with what to do about its first Service; good if there are none.
func (g *group) findings(good check.Finding, remedy func(member string, s federation.ServiceName) string,
) []check.Finding {
	if len(g.names) == 0 {
		return check.One(good)
	}
	keys := slices.SortedFunc(maps.Keys(g.names), func(a, b groupKey) int {
		return cmp.Or(cmp.Compare(a.member, b.member), cmp.Compare(a.what, b.what))
	})
	findings := make([]check.Finding, 0, len(keys))
	for _, k := range keys {
		first := slices.Min(slices.Collect(maps.Keys(g.names[k])))
		findings = append(findings, check.Bad(k.member, "%s: %s", k.what, some(g.names[k])).
			With("%s", remedy(k.member, serviceName(first))))
	}
	return findings
}

// some is the first names of a set, and how many more there are.
func some(names map[string]bool) string {
	list := slices.Sorted(maps.Keys(names))
	more := ""
	if len(list) > shown {
		more = fmt.Sprintf(" and %d more", len(list)-shown)
		list = list[:shown]
	}
	return strings.Join(list, ", ") + more
}

// unsliced reports the shards of which no EndpointSlice is seen.
func unsliced(status *admin.Status) []check.Finding {
	var g group
	n := 0
	federations := map[string]string{}
	eachShard(status, func(fed, service string, s *admin.ShardStatus) {
		if n++; s.Reason == string(federation.ReasonNoSlices) {
			g.add(s.Member, "NoSlices", service)
			federations[service] = fed
		}
	})
	return g.findings(good(n), func(m string, s federation.ServiceName) string {
		return fmt.Sprintf("label the slices:\n$ kubectl --context <%s> label endpointslices -n %s -l %s=%s %s=%s", m,
			s.Namespace, discoveryv1.LabelServiceName, s.Name, member.LabelFederation, federations[s.String()])
	})
}

func good(shards int) check.Finding { return check.Good("", "shards looked at: %d", shards) }

func serviceName(text string) federation.ServiceName {
	namespace, name, _ := strings.Cut(text, "/")
	return federation.ServiceName{Namespace: namespace, Name: name}
}

// addresses reports what keeps the addresses of shards from being published.
func addresses(status *admin.Status) []check.Finding {
	var g group
	n := 0
	eachShard(status, func(_, service string, s *admin.ShardStatus) {
		n++
		switch r := federation.Reason(s.Reason); r {
		case federation.ReasonNoAddress, federation.ReasonHostUnresolved:
			g.add(s.Member, s.Reason, service)
		}
	})
	for _, f := range status.Federations {
		for _, p := range f.Problems {
			switch federation.Reason(p.Reason) {
			case federation.ReasonAddressRefused, federation.ReasonHostRefused, federation.ReasonHostUnresolved:
				g.add(p.Member, p.Reason, p.Service)
			}
		}
	}
	return g.findings(good(n), func(m string, s federation.ServiceName) string {
		return fmt.Sprintf("look at the load balancer of the Service; a private address needs a prefix in the "+
			"member's addressCIDRs:\n$ kubectl --context <%s> describe service %s -n %s", m, s.Name, s.Namespace)
	})
}

// eachShard calls look with each shard, the name of its federation, and that of its Service.
func eachShard(status *admin.Status, look func(fed, service string, s *admin.ShardStatus)) {
	for i := range status.Federations {
		for j := range status.Federations[i].Services {
			service := &status.Federations[i].Services[j]
			for k := range service.Shards {
				look(status.Federations[i].Name, service.Name, &service.Shards[k])
			}
		}
	}
}

// lone reports the Services that have a shard in one member only, of federations with several members.
func lone(status *admin.Status) []check.Finding {
	var findings []check.Finding
	for _, f := range status.Federations {
		if len(f.Members) < 2 {
			continue
		}
		names := map[string]bool{}
		for _, s := range f.Services {
			if len(s.Shards) == 1 {
				names[fmt.Sprintf("%s (%s)", s.Name, s.Shards[0].Member)] = true
			}
		}
		if len(names) > 0 {
			findings = append(findings, check.Bad(f.Name, "Services with a shard in one member only: %s", some(names)).
				With("label the Service in another member too, if it is there"))
		}
	}
	return findings
}
