package web

import (
	"cmp"
	"slices"
	"strings"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/explain"
	"github.com/federation-dns/federation/federation/snapshot"
)

// service is one service: who gets what, from where, and why.
type service struct {
	admin.ServiceStatus
	Federation string // its name and domain
	Good       bool
	Word       string // its state
	// Matrix has a row for each place from which a pod may ask.
	Matrix  []row
	Waiting []admin.Waiting
}

// row is the way of a question of a pod, from the local shard to global.
type row struct {
	Member, Region, Zone string
	Cells                []cell // one for each of places
	Answer               cell
}

type cell struct {
	// Class is good, bad, up, or none: the way did not come here.
	Class, Text, Detail string
}

// places are the columns of the matrix.
var places = []string{explain.PlaceLocal, explain.PlaceZone, explain.PlaceRegion, explain.PlaceGlobal}

// findService returns a service; nil if it is not known.
func (s *Server) findService(all []*snapshot.Federation, name, domain, namespace, svc string) *service {
	for _, f := range all {
		if string(f.Config.Name) != name || domainOf(f) != domain {
			continue
		}
		view := f.Views.Service(federation.ServiceName{Namespace: namespace, Name: svc})
		if view == nil {
			return nil
		}
		d := s.memo.details(f, view)
		out := &service{ServiceStatus: d.status, Federation: name + " in " + domain, Matrix: d.matrix}
		out.Word, out.Good = out.State()
		for _, w := range f.Waiting() {
			if w.Namespace == namespace && w.Service == svc || slices.Contains(w.Emptied, view.Name.String()) {
				out.Waiting = append(out.Waiting, w)
			}
		}
		return out
	}
	return nil
}

// matrix explains what a pod gets from each topology zone of each member.
func matrix(f *snapshot.Federation, s admin.ServiceStatus) (rows []row) {
	st := f.Status()
	st.Services = []admin.ServiceStatus{s}
	status := &admin.Status{Federations: []admin.FederationStatus{st}}
	name := s.ServiceName()
	for _, m := range st.Members {
		zones := m.Zones
		if len(zones) == 0 {
			zones = []string{""}
		}
		for _, zone := range zones {
			x, err := explain.Explain(status, explain.Question{
				Name: name.Name + "." + name.Namespace + "." + st.Name, Domain: st.Domain, Member: m.Name, Zone: zone,
			})
			r := row{Member: m.Name, Region: m.Region, Zone: zone, Cells: make([]cell, len(places))}
			if err != nil {
				r.Answer = cell{Class: "bad", Text: err.Error()}
			} else {
				r.fill(x)
			}
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		if (a.Region == "") != (b.Region == "") {
			return len(b.Region) - len(a.Region) // those without one are last
		}
		return cmp.Or(cmp.Compare(a.Region, b.Region), cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Member, b.Member))
	})
	return rows
}

// fill sets the cells from an explanation.
func (r *row) fill(x *explain.Explanation) {
	for _, step := range x.Steps {
		i := slices.Index(places, step.Place)
		if i < 0 {
			continue
		}
		c := &r.Cells[i]
		c.Text, c.Detail = step.Outcome, cmp.Or(step.Reason, step.Detail)
		switch step.Outcome {
		case explain.OutcomeHealthy, explain.OutcomeAnswer:
			c.Class = "good"
		case explain.OutcomeUp, explain.OutcomeOwn, explain.OutcomeNotHealthy:
			c.Class = "up"
		default:
			c.Class = "bad"
		}
	}
	if !x.Answered() {
		r.Answer = cell{Class: "bad", Text: cmp.Or(x.A.Rcode, x.AAAA.Rcode)}
		return
	}
	addresses := slices.Concat(x.A.Addresses, x.AAAA.Addresses)
	host := cmp.Or(x.A.Host, x.AAAA.Host)
	switch {
	case host != "" && len(addresses) == 0:
		addresses = []string{host}
	case len(addresses) == 0:
		addresses = []string{"the local Service's own address"}
	}
	r.Answer = cell{Class: "good", Text: strings.Join(addresses, ", ")}
}
