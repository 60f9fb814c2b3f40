package display

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/federation-dns/federation/federation/admin"
)

// Clusters prints the members of each federation, and how many services have something held because of each. The status
// has the services.
func Clusters(w io.Writer, status *admin.Status, o Options) {
	for i := range status.Federations {
		f := &status.Federations[i]
		if i > 0 {
			fmt.Fprintln(w)
		}
		heading(w, f, o)
		held := map[string]int{}
		for _, s := range f.Services {
			for _, h := range s.Held {
				held[h.Member]++
			}
		}
		headings := []string{"NAME", "STATUS", "FOR", "HEALTHY", "HELD", "REGION", "ZONES"}
		mirrors := slices.ContainsFunc(f.Members, func(m admin.MemberStatus) bool { return m.Mirror != nil })
		if mirrors {
			headings = append(headings, "MIRROR")
		}
		if o.Wide {
			headings = append(headings, "VERSION", "CONTACT", "WHY")
		}
		t := o.newTable(headings...)
		for _, m := range f.Members {
			zones := fmt.Sprint(len(m.Zones))
			if o.Wide {
				zones = strings.Join(m.Zones, ",")
			}
			row := []any{m.Name, memberState(m), o.age(m.Since), fmt.Sprintf("%d/%d", m.Healthy, m.Shards),
				held[m.Name], m.Region, zones}
			if mirrors {
				row = append(row, o.mirrorState(m.Mirror))
			}
			if o.Wide {
				contact := "never"
				if m.LastContact != nil {
					contact = o.age(*m.LastContact) + " ago"
				}
				row = append(row, m.Version, contact, whyOf(m))
			}
			t.add(row...)
		}
		t.print(w, "")
		if len(f.Members) == 0 {
			fmt.Fprintln(w, "no members")
		}
	}
}

// mirrorState is how a member's mirror is: fresh, or the reason why not, in a word that leaves room for the others, and
// with Wide in full, with when it was renewed.
func (o Options) mirrorState(m *admin.MirrorStatus) cell {
	if m == nil {
		return cell{}
	}
	reason := m.Reason
	if !o.Wide {
		reason = strings.ToLower(strings.TrimPrefix(reason, "Mirror"))
	}
	c := cell{reason, Bad}
	switch {
	case m.Fresh && m.Reason == "":
		c = cell{"fresh", Good}
	case m.Fresh:
		c.text = "fresh," + reason
	case m.Reason == "" && m.Renewed == nil:
		c = cell{"starting", Faint}
	case m.Reason == "":
		c.text = "stale"
	}
	if o.Wide && m.Renewed != nil {
		c.text += " " + o.age(*m.Renewed) + " ago"
	}
	return c
}

// whyOf is what is wrong with a member, or with its mirror.
func whyOf(m admin.MemberStatus) string {
	if m.Error == "" && m.Mirror != nil {
		return m.Mirror.Detail
	}
	return m.Error
}

func memberState(m admin.MemberStatus) cell {
	switch {
	case m.Drained:
		return cell{m.Status + ",drained", Bad}
	case m.Status == "present":
		return cell{m.Status, Good}
	case m.Status == "starting":
		return cell{m.Status, Faint}
	}
	return cell{m.Status, Bad}
}

// heading prints what is to be said of a federation as a whole.
func heading(w io.Writer, f *admin.FederationStatus, o Options) {
	state := cell{f.State, Bad}
	if f.State == "writing" {
		state.style = Good
	}
	fmt.Fprintf(w, "federation %s in %s: %s\n", f.Name, f.Domain, o.Paint(state.text, state.style))
	if f.Error != "" {
		fmt.Fprintf(w, "the DNS server: %s\n", f.Error)
	}
	if f.PanicSince != nil {
		fmt.Fprintf(w, "everything is held for %s: most members were lost at once\n", o.age(*f.PanicSince))
	}
	if n := len(f.Waiting); n > 0 {
		fmt.Fprintf(w, "changes that wait: %d (kubectl federation confirm)\n", n)
	}
}
