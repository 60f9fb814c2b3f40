package corednscheck

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/federation-dns/federation/federation/check"
)

// stanza looks, in a cluster whose own DNS has not the plugin, for what forwards the names of each federation.
func stanza(_ context.Context, v *view) []check.Finding {
	member, f := v.member, v.facts
	var beside *server
	for _, s := range f.withPlugin() {
		if !s.beside {
			return nil // the plugin is in the cluster's own DNS
		}
		beside = s
	}
	if beside == nil {
		return nil
	}
	for _, err := range []error{f.unknown(), f.besideErr, f.stubsErr} {
		if err != nil {
			return check.One(check.Untested(member, err))
		}
	}
	var missing []string
	for _, d := range beside.directives() {
		for _, fed := range v.federations {
			if _, ok := d.Domains[fed.Name]; !ok {
				continue
			}
			for _, zone := range d.Zones {
				if name := fed.Name + ".svc." + strings.TrimSuffix(zone, "."); !f.forwarded(name) {
					missing = append(missing, name)
				}
			}
		}
	}
	unseen := f.unseen()
	switch {
	case len(missing) == 0:
		return check.One(check.Good(member, "the cluster's DNS forwards to %s", beside))
	case len(unseen) > 0:
		return check.One(check.Untested(member, fmt.Errorf("%s may be in what the Corefile imports: %s",
			strings.Join(missing, ", "), strings.Join(unseen, ", "))))
	}
	return check.One(check.Bad(member, "the cluster's DNS does not forward %s to %s (%s)", strings.Join(missing, ", "),
		beside, strings.Join(f.beside, ", ")).
		With("the notes of the chart have the stanza for the cluster's DNS:\n$ helm -n %s get notes %s",
			beside.namespace, beside.name))
}

// forwarded reports whether the cluster's own DNS forwards names below it to the chart's Service.
func (f *facts) forwarded(name string) bool {
	ours := func(to string) bool {
		to = strings.TrimPrefix(to, "dns://")
		return slices.ContainsFunc(f.beside, func(ip string) bool {
			return to == ip || to == ip+":53" || to == "["+ip+"]:53"
		})
	}
	if slices.ContainsFunc(f.stubs[name], ours) {
		return true
	}
	for _, s := range f.servers {
		if s.beside || s.nodeLocal || s.file == nil {
			continue
		}
		for i := range s.file.Servers {
			block := &s.file.Servers[i]
			for _, k := range block.Keys {
				if s.file.Route("x."+name, k.Port) == block && slices.ContainsFunc(block.Forwards("x."+name), ours) {
					return true
				}
			}
		}
	}
	return false
}

// unseen are the imports of the cluster's own DNS that are not known.
func (f *facts) unseen() (list []string) {
	for _, s := range f.servers {
		if s.file != nil && !s.beside && !s.nodeLocal {
			list = append(list, s.file.Unseen...)
		}
	}
	return list
}
