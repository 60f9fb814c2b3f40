package world

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/miekg/dns"
)

// Row is one RRset.
type Row struct {
	Name, Type, TTL string
	Data            []string // sorted
}

// Table is all RRsets of types A, AAAA and CNAME in the zone,
// without those that the zone began with: global first, then by name.
type Table []Row

// Find returns the RRset, or false.
func (t Table) Find(name, typ string) (Row, bool) {
	i := slices.IndexFunc(t, func(r Row) bool { return r.Name == name && r.Type == typ })
	if i < 0 {
		return Row{}, false
	}
	return t[i], true
}

// Names are the owner names, each once.
func (t Table) Names() []string {
	var names []string
	for _, r := range t {
		names = append(names, r.Name)
	}
	return slices.Compact(names)
}

// String prints the table with the heading NAME TYPE TTL DATA.
func (t Table) String() string {
	if len(t) == 0 {
		return "(no records)"
	}
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "NAME\tTYPE\tTTL\tDATA")
	for _, r := range t {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Name, r.Type, r.TTL, strings.Join(r.Data, ", "))
	}
	_ = w.Flush() // to memory
	return strings.TrimRight(b.String(), "\n")
}

// Records reads the table from the zone, by zone transfer, or from the cloud that
// has it.
func (w *World) Records(ctx context.Context) (Table, error) {
	if w.cloud != nil {
		return w.cloudRecords(ctx)
	}
	sets := map[[3]string][]string{}
	err := transfer(ctx, func(rr dns.RR) {
		h := rr.Header()
		if h.Name == AuthorityName {
			return
		}
		switch h.Rrtype {
		case dns.TypeA, dns.TypeAAAA, dns.TypeCNAME:
			key := [3]string{h.Name, dns.TypeToString[h.Rrtype], fmt.Sprint(h.Ttl)}
			sets[key] = append(sets[key], RData(rr))
		}
	})
	if err != nil {
		return nil, err
	}
	t := make(Table, 0, len(sets))
	for k, data := range sets {
		slices.SortFunc(data, compareData)
		t = append(t, Row{Name: k[0], Type: k[1], TTL: k[2], Data: data})
	}
	slices.SortFunc(t, compareRows)
	return t, nil
}

// TXT reads all TXT records of the zone, sorted: the claims and the list of
// levels.
func (w *World) TXT(ctx context.Context) ([]string, error) {
	var txt []string
	err := transfer(ctx, func(rr dns.RR) {
		if rr.Header().Rrtype == dns.TypeTXT {
			txt = append(txt, rr.Header().Name+" "+RData(rr))
		}
	})
	slices.Sort(txt)
	return txt, err
}

// transfer reads the whole zone of Domain.
func transfer(ctx context.Context, yield func(dns.RR)) error {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", net.JoinHostPort(Authority, "53"))
	if err != nil {
		return err
	}
	defer conn.Close()
	t := &dns.Transfer{Conn: &dns.Conn{Conn: conn}, ReadTimeout: 2 * time.Second, WriteTimeout: 2 * time.Second}
	envelopes, err := t.In(new(dns.Msg).SetAxfr(Domain+"."), "")
	if err != nil {
		return err
	}
	var failed error
	for e := range envelopes { // to its end: the sender is a goroutine
		failed = errors.Join(failed, e.Error)
		for _, rr := range e.RR {
			yield(rr)
		}
	}
	if failed != nil {
		return fmt.Errorf("zone transfer of %s: %w", Domain, failed)
	}
	return nil
}

// RData returns the data of a record as a zone file has it.
func RData(rr dns.RR) string {
	return strings.TrimPrefix(rr.String(), rr.Header().String())
}

func compareRows(a, b Row) int {
	x, y := dns.SplitDomainName(a.Name), dns.SplitDomainName(b.Name)
	if len(x) != len(y) {
		return len(x) - len(y)
	}
	if c := slices.Compare(x, y); c != 0 {
		return c
	}
	return strings.Compare(a.Type, b.Type)
}

// compareData orders addresses by value, all else as text.
func compareData(a, b string) int {
	x, y := net.ParseIP(a), net.ParseIP(b)
	if x != nil && y != nil {
		return bytes.Compare(x.To16(), y.To16())
	}
	return strings.Compare(a, b)
}

// Zone reads the whole zone by zone transfer, without what it began with: a
// line a record, "name ttl type data", sorted. Names are relative to Domain.
func (w *World) Zone(ctx context.Context) ([]string, error) {
	var lines []string
	err := transfer(ctx, func(rr dns.RR) {
		h := rr.Header()
		if h.Name != AuthorityName && h.Name != Domain+"." {
			lines = append(lines, fmt.Sprintf("%s %d %s %s",
				strings.TrimSuffix(h.Name, "."+Domain+"."), h.Ttl, dns.TypeToString[h.Rrtype], RData(rr)))
		}
	})
	slices.Sort(lines)
	return lines, err
}

// TableOf returns the RRsets among lines as those of Zone, without types that
// are in no Table.
func TableOf(lines []string) Table {
	var t Table
	for _, line := range lines {
		f := strings.Fields(line)
		if f[2] == "TXT" {
			continue
		}
		name, data := f[0]+"."+Domain+".", strings.Join(f[3:], " ")
		i := slices.IndexFunc(t, func(r Row) bool { return r.Name == name && r.Type == f[2] })
		if i < 0 {
			i, t = len(t), append(t, Row{Name: name, Type: f[2], TTL: f[1]})
		}
		t[i].Data = append(t[i].Data, data)
	}
	for _, r := range t {
		slices.SortFunc(r.Data, compareData)
	}
	slices.SortFunc(t, compareRows)
	return t
}
