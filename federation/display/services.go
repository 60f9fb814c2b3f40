package display

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/explain"
)

// Services prints one line for each service.
func Services(w io.Writer, list []explain.Found, o Options) {
	servicesTable(list, o).print(w, "")
}

// ServiceLines are the lines of Services, without the headings, by the names of the services: those that differ from
// what was printed before are news.
func ServiceLines(list []explain.Found, o Options) (lines []string) {
	return servicesTable(list, o).lines()[1:]
}

func servicesTable(list []explain.Found, o Options) *table {
	headings := []string{"NAMESPACE", "NAME", "STATE", "HEALTHY", "ADDRESSES"}
	if o.Wide {
		headings = append(headings, "FEDERATION", "MEMBERS", "HELD", "PROPAGATED")
	}
	t := o.newTable(headings...)
	for _, f := range list {
		name, shards := f.Service.ServiceName(), f.Shards()
		healthy, members := 0, []string{}
		for _, sh := range shards {
			members = append(members, sh.Member)
			if sh.Healthy {
				healthy++
			}
		}
		row := []any{name.Namespace, name.Name, serviceState(f), fmt.Sprintf("%d/%d", healthy, len(shards)),
			o.Some(Published(f))}
		if o.Wide {
			propagated := ""
			if f.Object != nil {
				propagated, _ = f.Condition(v1alpha1.ConditionPropagated)
			}
			row = append(row, f.Federation.Name, o.Some(members), len(f.Service.Held), propagated)
		}
		t.add(row...)
	}
	return t
}

// serviceState says in one word how a service is.
func serviceState(f explain.Found) cell {
	if f.ByStatus() {
		reason, _ := f.Condition(v1alpha1.ConditionPublished)
		switch reason {
		case v1alpha1.ReasonPublished:
			return cell{admin.StatePublished, Good}
		case v1alpha1.ReasonPending:
			return cell{"pending", Plain}
		}
		return cell{reason, Bad}
	}
	state, good := f.Service.State()
	switch {
	case state == admin.StateChanging:
		return cell{state, Plain}
	case good:
		return cell{state, Good}
	}
	return cell{state, Bad}
}

// Published are the addresses of a service at the global level, or the load balancer's host name.
func Published(f explain.Found) (data []string) {
	if f.ByStatus() {
		for _, i := range f.Object.Status.LoadBalancer.Ingress {
			data = append(data, cmp.Or(i.IP, i.Hostname))
		}
		return data
	}
	core := federation.Federation{
		Name: federation.Label(f.Federation.Name), Domain: federation.CanonicalName(f.Federation.Domain),
	}
	global := core.OwnerName(f.Service.ServiceName(), core.Domain)
	for _, r := range f.Service.Records {
		if r.Name == string(global) {
			data = append(data, r.Data...)
		}
	}
	return data
}

// Service prints one service: its name, its addresses, and what each member has.
func Service(w io.Writer, f explain.Found, o Options) {
	s, name, shards := f.Service, f.Service.ServiceName(), f.Shards()
	healthy := 0
	for _, sh := range shards {
		if sh.Healthy {
			healthy++
		}
	}
	state := serviceState(f)
	fmt.Fprintf(w, "%-36s %s, %d of %d shards healthy\n", name.Name+"."+name.Namespace+"."+f.Federation.Name,
		o.Paint(state.text, state.style), healthy, len(shards))
	addresses := "none"
	if list := Published(f); len(list) > 0 {
		addresses = strings.Join(list, ", ")
	}
	Wrap(w, "LoadBalancer Ingress:  ", addresses)
	t := o.newTable("MEMBER", "SHARD", "READY", "ADDRESSES", "REASON")
	for _, sh := range shards {
		shard := cell{strings.ToLower(string(sh.State)), Bad}
		if sh.Healthy {
			shard.style = Good
		}
		reason := sh.Reason
		if sh.Since != nil {
			reason += " for " + o.age(*sh.Since)
		}
		t.add(sh.Member, shard, sh.ReadyEndpoints, o.Some(sh.Addresses), reason)
	}
	for _, h := range s.Held {
		t.add(h.Member, cell{"held", Bad}, "", "", h.Reason+" for "+o.age(h.Since))
	}
	if len(t.rows) > 1 {
		fmt.Fprintln(w)
		t.print(w, "")
	}
	for _, r := range s.Refused {
		fmt.Fprintf(w, "\nrefused: %s: %s (tried again in %s)\n", r.Name, r.Error,
			max(0, r.Retry.Sub(o.Now)).Round(time.Second))
	}
	if n := len(s.Coming); n > 0 {
		fmt.Fprintf(w, "\nchanges under way: %d (kubectl federation records %s.%s shows them)\n", n,
			name.Name, name.Namespace)
	}
	problems(w, f)
	ofObject(w, f, shards)
}

// ofObject prints what the status of the FederatedService says beyond the table.
func ofObject(w io.Writer, f explain.Found, shards []explain.Shard) {
	if f.Object == nil {
		return
	}
	for _, sh := range shards {
		if sh.Message != "" {
			fmt.Fprintln(w)
			Wrap(w, sh.Reason+" in "+sh.Member+": ", sh.Message)
		}
	}
	if reason, message := f.Condition(v1alpha1.ConditionPropagated); len(shards) == 0 && message != "" {
		fmt.Fprintln(w)
		Wrap(w, "Propagated: "+reason+": ", message)
	}
	if reason, message := f.Condition(v1alpha1.ConditionPublished); f.ByStatus() && message != "" &&
		reason != v1alpha1.ReasonPublished {
		fmt.Fprintln(w)
		Wrap(w, "Published: "+reason+": ", message)
	}
}

// problems prints what was refused of the service.
func problems(w io.Writer, f explain.Found) {
	for _, p := range f.Federation.Problems {
		if p.Service == f.Service.Name {
			fmt.Fprintln(w)
			Wrap(w, p.Reason+" in "+p.Member+": ", p.Detail)
		}
	}
}

// columns is the width of lines that are wrapped.
const columns = 80

// Wrap prints the text after the beginning, and breaks it between words at 80 columns; each line begins below the first
// word.
func Wrap(w io.Writer, begin, text string) {
	indent, line := strings.Repeat(" ", min(len(begin), columns/2)), begin
	empty := true
	for _, word := range strings.Fields(text) {
		if !empty && len(line)+1+len(word) > columns {
			fmt.Fprintln(w, line)
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	fmt.Fprintln(w, line)
}
