package e2e

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/test/world/outside"
)

var update = flag.Bool("update", false, "write what was seen into docs/resolvers.md")

const (
	resolversDoc = "../../docs/resolvers.md"
	docBegin     = "<!-- begin: what the whole-system test saw -->\n"
	docEnd       = "<!-- end -->\n"
)

// compareDocs compares what was seen with the part of docs/resolvers.md that
// tells it, or writes it.
func (x *resolving) compareDocs(t *testing.T) {
	if t.Failed() {
		return // what was seen is not what is right
	}
	text, err := os.ReadFile(resolversDoc)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), docBegin)
	old, after, ok2 := strings.Cut(rest, docEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has no part between %q and %q", resolversDoc, docBegin, docEnd)
	}
	seen := x.render()
	if *update {
		if err := os.WriteFile(resolversDoc, []byte(before+docBegin+seen+docEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(old, seen); diff != "" {
		t.Errorf("%s does not say what was seen; go test ./test/e2e -update writes it (-file +seen):\n%s",
			resolversDoc, diff)
	}
}

// render shows what was seen in three tables and a list.
func (x *resolving) render() string {
	var b strings.Builder
	b.WriteString("### What a program gets\n\n")
	x.table(&b, []string{"a pod asks for", "addresses", "right answer"},
		func(r *resolved, name string) string { return r.result(name) })
	b.WriteString("\n### Questions that arrive at the cluster's DNS\n\n")
	x.table(&b, []string{"a pod asks for", "addresses"},
		func(r *resolved, name string) string { return r.questions(name) })
	b.WriteString("\n### How it asks\n\n")
	x.manners(&b)
	b.WriteString("\n### In which order\n\nFor addresses of both families. " +
		"Names are shortened: `+` stands for the name as the program gave it.\n\n")
	x.orders(&b)
	return b.String()
}

// table has a row for each lookup; the first columns are the lookup's, the
// others the resolvers'.
func (x *resolving) table(b *strings.Builder, first []string, cell func(*resolved, string) string) {
	head := slices.Clone(first)
	for _, s := range x.stubs {
		head = append(head, s.name)
	}
	writeRow(b, head)
	writeRow(b, slices.Repeat([]string{"---"}, len(head)))
	state := ""
	for _, r := range x.rows {
		if r.state != state {
			state = r.state
			writeRow(b, append([]string{"**" + r.rule + ": " + state + "**, `" + r.name + "`"},
				make([]string, len(head)-1)...))
		}
		row := []string{"", map[string]string{"any": "both", "ipv4": "IPv4", "ipv6": "IPv6"}[r.family]}
		if len(first) == 3 {
			row = append(row, r.gets)
		}
		for _, s := range x.stubs {
			row = append(row, cell(r, s.name))
		}
		writeRow(b, row)
	}
}

func writeRow(b *strings.Builder, cells []string) {
	b.WriteString("|")
	for _, c := range cells {
		b.WriteString(strings.TrimRight(" "+c, " ") + " |")
	}
	b.WriteString("\n")
}

// What is said of musl where its versions differ, whichever of them was seen.
const (
	muslTruncated = "all from 1.2.4 on; before, those within 512 octets"
	muslAsks      = "%d UDP; from 1.2.4 on TCP too"
	muslNoData    = "EAI_NODATA from 1.2.4 on; before, EAI_NONAME"
)

func (r *resolved) result(name string) string {
	o := r.by[name]
	switch {
	case name == "musl" && o.saw("truncated"):
		return muslTruncated
	case name == "musl" && o.saw("NODATA") && (o.failure == "EAI_NONAME" || o.failure == "EAI_NODATA"):
		return muslNoData
	case o.failure != "":
		return o.failure
	}
	return "yes"
}

// saw reports whether an answer was of that kind.
func (o outcome) saw(kind string) bool {
	return slices.ContainsFunc(o.exchanges, func(x outside.Exchange) bool { return answered(x) == kind })
}

func (r *resolved) questions(name string) string {
	udp, tcp := 0, 0
	for _, x := range r.by[name].exchanges {
		if x.TCP {
			tcp++
		} else {
			udp++
		}
	}
	switch {
	case name == "musl" && r.by[name].saw("truncated"):
		return fmt.Sprintf(muslAsks, udp)
	case tcp > 0:
		return fmt.Sprintf("%d UDP, %d TCP", udp, tcp)
	}
	return fmt.Sprintf("%d UDP", udp)
}

// manners shows what the questions of each resolver look like.
func (x *resolving) manners(b *strings.Builder) {
	writeRow(b, []string{"", "offers by EDNS", "a truncated answer"})
	writeRow(b, slices.Repeat([]string{"---"}, 3))
	for _, s := range x.stubs {
		edns, truncated, again := map[string]bool{}, false, false
		for _, r := range x.rows {
			for _, e := range r.by[s.name].exchanges {
				offer := "nothing: 512 octets"
				if e.EDNS > 0 {
					offer = fmt.Sprintf("%d octets", e.EDNS)
				}
				edns[offer] = true
				truncated, again = truncated || e.Truncated, again || e.TCP
			}
		}
		after := "takes what is there"
		switch {
		case !truncated:
			after = "does not come in these cases"
		case s.name == "musl":
			after = "from 1.2.4 on asks again over TCP; before, takes what is there"
		case again:
			after = "asks again over TCP"
		}
		writeRow(b, []string{s.name, strings.Join(slices.Sorted(maps.Keys(edns)), ", "), after})
	}
}

// orders lists, for each lookup of both families, the names asked for and what
// they were answered, by groups of resolvers that do the same.
func (x *resolving) orders(b *strings.Builder) {
	for _, r := range x.rows {
		if r.family != "any" {
			continue
		}
		fmt.Fprintf(b, "- %s: `%s`\n", r.state, r.name)
		var said []string
		who := map[string][]string{}
		for _, s := range x.stubs {
			order := r.order(s.name)
			if who[order] == nil {
				said = append(said, order)
			}
			who[order] = append(who[order], s.name)
		}
		for _, order := range said {
			fmt.Fprintf(b, "  - %s: %s\n", strings.Join(who[order], ", "), order)
		}
	}
}

// order is the names of a lookup in the order in which they were asked for,
// each with the statuses of its answers: A, then AAAA, if they differ.
func (r *resolved) order(name string) string {
	type group struct {
		name  string
		types map[string]string
	}
	var groups []*group
	for _, x := range r.by[name].exchanges {
		if x.TCP {
			continue
		}
		i := slices.IndexFunc(groups, func(g *group) bool { return g.name == x.Name })
		if i < 0 {
			i = len(groups)
			groups = append(groups, &group{x.Name, map[string]string{}})
		}
		groups[i].types[x.Type] = answered(x)
	}
	var steps []string
	for _, g := range groups {
		short := strings.TrimSuffix(r.name, ".")
		if rest, ok := strings.CutPrefix(g.name, short); ok {
			short = "+" + rest
		} else {
			short = g.name
		}
		says := g.types["A"]
		if g.types["AAAA"] != says {
			says += ", " + g.types["AAAA"]
		}
		steps = append(steps, fmt.Sprintf("`%s` %s", short, says))
	}
	return strings.Join(steps, "; ")
}

func answered(x outside.Exchange) string {
	switch {
	case x.Rcode != "NOERROR":
		return x.Rcode
	case x.Truncated:
		return "truncated"
	case !x.Data:
		return "NODATA"
	}
	return "answer"
}
