package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/netns"
)

// As runs a command that sees what a process at that place sees: it has the
// place's resolv.conf.
func (w *World) As(ctx context.Context, view string, argv ...string) (string, error) {
	cmd := netns.Command(ctx, ViewOf(w.dir, view).Resolv, argv...)
	return output(cmd, strings.Join(argv, " "))
}

// Resolve asks the C library's resolver, as every ordinary program does. A
// name that does not exist has no addresses; that is no error.
func (w *World) Resolve(ctx context.Context, view, name string) ([]netip.Addr, error) {
	out, err := w.As(ctx, view, "getent", "ahosts", name)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 2 {
		return nil, nil // "one or more supplied keys could not be found"
	}
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for line := range strings.Lines(out) {
		a, err := netip.ParseAddr(strings.Fields(line)[0])
		if err != nil {
			return nil, fmt.Errorf("getent says %q: %w", line, err)
		}
		addrs = append(addrs, a)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs), nil
}

// Visit resolves the name and makes an HTTP request to each published address
// that it gives: one line an address, with the cluster that answers.
func (w *World) Visit(ctx context.Context, view, name string) (string, error) {
	addrs, err := w.Resolve(ctx, view, name)
	if err != nil {
		return "", err
	}
	if len(addrs) == 0 {
		return notFound, nil
	}
	var b strings.Builder
	for _, a := range addrs {
		if w.isClusterIP(a) {
			fmt.Fprintf(&b, "%s %s\n", a, isClusterIP)
			continue
		}
		who, err := whoAnswers(ctx, a)
		if err != nil {
			who = "no answer: " + err.Error()
		}
		fmt.Fprintf(&b, "%s %s\n", a, httpFrom+who)
	}
	return b.String(), nil
}

// What Visit says of an address, or of none.
const (
	notFound    = "(no such name)"
	isClusterIP = "is the ClusterIP"
	httpFrom    = "HTTP answer from "
)

func (w *World) isClusterIP(a netip.Addr) bool {
	return slices.ContainsFunc(w.members, func(m *Member) bool {
		return slices.ContainsFunc(m.ServiceCIDRs, func(p netip.Prefix) bool { return p.Contains(a) })
	})
}

// whoAnswers returns the first word of what the HTTP server at the address
// says: the name of its cluster.
func whoAnswers(ctx context.Context, a netip.Addr) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(a.String(), "80")+"/", nil)
	if err != nil {
		return "", err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	if err != nil {
		return "", err
	}
	who, _, _ := strings.Cut(strings.TrimSpace(string(body)), " ")
	return who, nil
}

// Dig shows the answer of a server as dig does, address records sorted.
func Dig(ctx context.Context, server, name string, typ uint16) (string, error) {
	r, err := Ask(ctx, server, name, typ)
	if err != nil {
		return "", err
	}
	answer := slices.Clone(r.Answer)
	last := slices.IndexFunc(answer, func(rr dns.RR) bool { return rr.Header().Rrtype == typ })
	if last >= 0 { // the chain stays in order
		slices.SortFunc(answer[last:], func(a, b dns.RR) int { return compareData(rdata(a), rdata(b)) })
	}
	lines := []string{";; status: " + dns.RcodeToString[r.Rcode]}
	for _, rr := range answer {
		h := rr.Header()
		lines = append(lines, fmt.Sprintf("%-63s %3d IN %-5s %s", h.Name, h.Ttl, dns.TypeToString[h.Rrtype], rdata(rr)))
	}
	return strings.Join(lines, "\n"), nil
}
