package display

import (
	"fmt"
	"io"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/explain"
)

// Records prints the RRsets of a service with their reasons, and those that are to come. A name is on a line of its
// own, as it is often longer than a column.
func Records(w io.Writer, f explain.Found, o Options) {
	fmt.Fprintf(w, "%s of federation %s in %s\n", f.Service.Name, f.Federation.Name, f.Federation.Domain)
	if f.Federation.NoProvider {
		fmt.Fprintln(w, "no DNS provider: pods are told by the mirrors in their clusters")
	}
	if len(f.Service.Records)+len(f.Service.Coming) == 0 {
		fmt.Fprintln(w, "no records: no shard has been healthy")
	}
	recordSets(w, f.Service.Records, o)
	if len(f.Service.Coming) > 0 {
		fmt.Fprintln(w, "\nto come")
		recordSets(w, f.Service.Coming, o)
	}
	for _, r := range f.Service.Refused {
		fmt.Fprintln(w)
		Wrap(w, "refused: ", r.Name+" "+r.Error)
	}
}

func recordSets(w io.Writer, sets []admin.RRsetStatus, o Options) {
	for i, r := range sets {
		if i == 0 || sets[i-1].Name != r.Name {
			fmt.Fprintln(w)
			beside(w, r.Name, r.Reason, o)
		}
		for _, data := range r.Data {
			fmt.Fprintf(w, "  %-5s %5d  %s\n", r.Type, r.TTL, data)
		}
		if o.Wide && len(r.Members) > 0 {
			fmt.Fprintf(w, "               of %s\n", o.Some(r.Members))
		}
	}
}

// beside prints the remark beside the text, or below it if there is no room.
func beside(w io.Writer, text, remark string, o Options) {
	if len(text)+2+len(remark) <= columns || o.Wide {
		fmt.Fprintf(w, "%s  %s\n", text, o.Paint(remark, Faint))
		return
	}
	fmt.Fprintf(w, "%s\n  %s\n", text, o.Paint(remark, Faint))
}

// Compared prints the comparison.
func Compared(w io.Writer, c explain.Comparison, o Options) {
	kind := "from its cache or another server"
	if c.Authoritative {
		kind = "authoritative"
	}
	fmt.Fprintln(w)
	if len(c.Differences) == 0 {
		fmt.Fprintf(w, "server %s (%s): %s, %d questions\n", c.Server, kind, o.Paint("the same", Good), c.Asked)
		return
	}
	fmt.Fprintf(w, "server %s (%s): %s, %d of %d questions\n", c.Server, kind, o.Paint("differs", Bad),
		len(c.Differences), c.Asked)
	for _, d := range c.Differences {
		fmt.Fprintf(w, "  %s %s\n", d.Name, d.Type)
		if d.Error != "" {
			fmt.Fprintf(w, "    no answer: %s\n", d.Error)
			continue
		}
		fmt.Fprintf(w, "    syncer  %s\n    server  %s\n", list(d.Want), list(d.Got))
	}
}

func list(data []string) string {
	if len(data) == 0 {
		return "-"
	}
	text := data[0]
	for _, d := range data[1:] {
		text += " " + d
	}
	return text
}
