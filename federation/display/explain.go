package display

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/explain"
)

// stepIndent is where the name of a level, or what is said of the local shard, begins.
const stepIndent = 20

// Explanation prints the way of a question, step by step, and its answer.
func Explanation(w io.Writer, x *explain.Explanation, o Options) {
	from := x.Member
	if x.Zone != "" {
		from += " (" + x.Zone + ")"
	}
	Wrap(w, "a pod in "+from+" asks ", x.Name)
	for i, s := range x.Steps {
		begin := fmt.Sprintf("  %-2d %-*s", i+1, stepIndent-5, s.Place)
		if s.Name == "" {
			o.step(w, begin, s, s.Outcome+": "+withReason(s.Detail, s.Reason))
			continue
		}
		name, what := o.short(s.Name), o.what(s)
		if len(what) == 1 && stepIndent+len(name)+2+len(what[0]) <= columns {
			o.step(w, begin, s, name+"  "+what[0])
			continue
		}
		o.step(w, begin, s, name)
		for _, text := range what {
			Wrap(w, strings.Repeat(" ", stepIndent), text)
		}
	}
	if text := mirrorOf(x, o); text != "" {
		Wrap(w, "mirror: ", text)
	}
	answer(w, x, o)
	for _, n := range x.Notes {
		Wrap(w, "note: ", n)
	}
}

// step prints a step, with its place in colour. Colours are no columns.
func (o Options) step(w io.Writer, begin string, s explain.Step, text string) {
	style := Plain
	switch s.Outcome {
	case explain.OutcomeHealthy, explain.OutcomeAnswer:
		style = Good
	case explain.OutcomeNotHealthy, explain.OutcomeTooLong:
		style = Bad
	}
	var lines strings.Builder
	Wrap(&lines, begin, text)
	fmt.Fprint(w, strings.Replace(lines.String(), s.Place, o.Paint(s.Place, style), 1))
}

// what says what a level has, a line for each RRset.
func (o Options) what(s explain.Step) (lines []string) {
	if len(s.Records) == 0 {
		lines = append(lines, "no record: "+withReason(s.Detail, s.Reason))
	}
	for _, r := range s.Records {
		switch s.Outcome {
		case explain.OutcomeUp:
			lines = append(lines, "CNAME, "+s.Reason+": "+s.Detail)
		case explain.OutcomeOwn:
			lines = append(lines, r.Type+" "+o.addresses(r.Data)+", "+s.Detail)
		default:
			lines = append(lines, r.Type+" "+o.addresses(r.Data)+", "+r.Reason)
		}
	}
	for _, r := range s.Coming {
		lines = append(lines, "to come: "+r.Type+" "+o.addresses(r.Data)+", "+r.Reason)
	}
	return lines
}

// mirrorOf says how the mirror of the pod's member is, and whether it answers.
func mirrorOf(x *explain.Explanation, o Options) string {
	m := x.Mirror
	if m == nil {
		return ""
	}
	text := "fresh"
	if !m.Fresh {
		text = o.Paint("not fresh", Bad)
	}
	if m.Renewed == nil {
		text += ", never renewed"
	} else {
		text += ", renewed " + o.age(*m.Renewed) + " ago"
	}
	switch {
	case m.Answers:
		text += ": it answers, so that the next change is seen without a resolver's cache on the way"
	case m.Fresh:
		text += ": the local shard answers before it"
	}
	if m.Reason != "" {
		text += ": " + withReason(m.Detail, m.Reason)
	}
	return text
}

// withReason adds the reason to the detail.
func withReason(detail, reason string) string {
	if reason == "" {
		return detail
	}
	return detail + " (" + reason + ")"
}

func answer(w io.Writer, x *explain.Explanation, o Options) {
	if x.A.From == explain.FromLocal {
		Wrap(w, "answer: ", fmt.Sprintf("the Service's own addresses in %s, for at most %d s after the next change",
			x.Member, x.Bound.Plugin))
		return
	}
	what := append(append([]string{}, x.A.Addresses...), x.AAAA.Addresses...)
	if x.SRV > 0 {
		what = append(what, fmt.Sprintf("SRV: port %d of the Service, with its addresses", x.SRV))
	}
	if x.A.Host != "" {
		what = append(what, "what "+x.A.Host+" resolves to")
	} else if x.AAAA.Host != "" {
		what = append(what, "what "+x.AAAA.Host+" resolves to")
	}
	text := strings.Join(what, " ")
	if text == "" {
		text = o.Paint("none, "+x.A.Rcode, Bad)
	}
	bound := fmt.Sprintf(", for at most %d s", x.Bound.Plugin)
	if x.Bound.Records > 0 {
		bound += fmt.Sprintf(" + %d s", x.Bound.Records)
	}
	if x.Bound.Negative {
		bound += " + the zone's negative TTL"
	}
	Wrap(w, "answer: ", text+bound+" after the next change")
}

// short shortens the name of a record to the Service and the level, unless Wide.
func (o Options) short(name string) string {
	name = strings.TrimSuffix(name, ".")
	service, rest, _ := strings.Cut(name, ".")
	at := strings.Index(rest, ".svc.")
	if o.Wide || at < 0 || strings.HasPrefix(service, "_") {
		return name
	}
	return service + "..." + rest[at+1:]
}

// addresses lists the data; of IPv4 addresses of one /24 the later ones are shown by their last octet, unless Wide.
func (o Options) addresses(data []string) string {
	var out []string
	before := ""
	for _, d := range data {
		shown := d
		if i := strings.LastIndexByte(d, '.'); i > 0 && strings.Count(d, ".") == 3 && !strings.HasSuffix(d, ".") {
			if d[:i] == before && !o.Wide {
				shown = d[i:]
			}
			before = d[:i]
		}
		out = append(out, shown)
	}
	return strings.Join(out, " ")
}

// Waiting prints the changes that wait for a confirmation.
func Waiting(w io.Writer, list []admin.Waiting, o Options) {
	for i, one := range list {
		if i == 0 || list[i-1].Federation != one.Federation || list[i-1].Domain != one.Domain {
			fmt.Fprintf(w, "federation %s in %s\n", one.Federation, strings.TrimSuffix(one.Domain, "."))
		}
		of := one.Namespace + "/" + one.Service
		var what []string
		if one.Member != "" {
			of, what = "member "+one.Member, []string{"leaves"}
		}
		if one.Services == 1 {
			what = append(what, "1 service loses its last address")
		} else if one.Services > 0 {
			what = append(what, fmt.Sprintf("%d services lose their last address", one.Services))
		}
		if one.Empties {
			what = append(what, "loses its last address")
		}
		if one.Names > 0 {
			what = append(what, fmt.Sprintf("%d names are deleted", one.Names))
		}
		if one.Until != nil {
			what = append(what, "happens by itself in "+max(0, one.Until.Sub(o.Now)).Round(time.Second).String())
		}
		Wrap(w, fmt.Sprintf("  %-24s  ", of), strings.Join(what, ", "))
		if o.Wide {
			going(w, one)
		}
	}
}

// going lists what goes with a change.
func going(w io.Writer, one admin.Waiting) {
	for _, name := range one.Deletes {
		fmt.Fprintf(w, "    deletes %s\n", name)
	}
	for _, s := range one.Emptied {
		fmt.Fprintf(w, "    empties %s\n", s)
	}
	for _, lv := range one.Levels {
		fmt.Fprintf(w, "    forgets level %s\n", lv)
	}
}
