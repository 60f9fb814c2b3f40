package live

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"github.com/federation-dns/federation/federation/explain"
)

const (
	queryTimeout  = 3 * time.Second
	queriesAtOnce = 8
	queryUDPSize  = 1232
)

// Compare asks a DNS server for all that it should have of a service, and returns in what it differs. The server is an
// address or a host name, with its port or not. Differences without an answer have an Error.
func Compare(ctx context.Context, server string, want []explain.Expectation) explain.Comparison {
	c := explain.Comparison{Server: server, Authoritative: true, Asked: len(want)}
	if _, _, err := net.SplitHostPort(server); err != nil {
		server = net.JoinHostPort(strings.Trim(server, "[]"), "53")
	}
	type result struct {
		data          []string
		authoritative bool
		err           error
	}
	results := make([]result, len(want))
	var group errgroup.Group
	group.SetLimit(queriesAtOnce)
	for i, e := range want {
		group.Go(func() error {
			r := &results[i]
			r.data, r.authoritative, r.err = query(ctx, server, e.Name, e.Type)
			return nil
		})
	}
	_ = group.Wait() // none returns an error
	for i, r := range results {
		d := explain.Difference{Name: want[i].Name, Type: want[i].Type, Want: want[i].Data, Got: r.data}
		if r.err != nil {
			d.Error = r.err.Error()
		} else {
			c.Authoritative = c.Authoritative && r.authoritative
		}
		if r.err != nil || !slices.Equal(r.data, want[i].Data) {
			c.Differences = append(c.Differences, d)
		}
	}
	return c
}

// query returns the records of exactly that name and type, sorted.
func query(ctx context.Context, server, name, qtype string) (data []string, authoritative bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	m := new(dns.Msg).SetQuestion(name, dns.StringToType[qtype])
	m.SetEdns0(queryUDPSize, false)
	reply, _, err := new(dns.Client).ExchangeContext(ctx, m, server)
	if err == nil && reply.Truncated {
		reply, _, err = (&dns.Client{Net: "tcp"}).ExchangeContext(ctx, m, server)
	}
	if err != nil {
		return nil, false, err
	}
	if reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
		return nil, false, fmt.Errorf("the server answers %s", dns.RcodeToString[reply.Rcode])
	}
	for _, rr := range reply.Answer {
		if h := rr.Header(); !strings.EqualFold(h.Name, name) || dns.TypeToString[h.Rrtype] != qtype {
			continue
		}
		switch rr := rr.(type) {
		case *dns.A:
			data = append(data, rr.A.String())
		case *dns.AAAA:
			data = append(data, rr.AAAA.String())
		case *dns.CNAME:
			data = append(data, dns.CanonicalName(rr.Target))
		}
	}
	slices.Sort(data)
	return data, reply.Authoritative, nil
}
