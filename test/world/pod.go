package world

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/netns"
	"github.com/federation-dns/federation/test/proc"
)

// As runs a command that sees what a process at that place sees: it has the
// place's resolv.conf.
func (w *World) As(ctx context.Context, view string, argv ...string) (string, error) {
	cmd := netns.Command(ctx, ViewOf(w.Dir(), view).Resolv, argv...)
	return proc.Output(cmd, strings.Join(argv, " "))
}

// Resolve asks the C library's resolver, as every ordinary program does. A
// name that does not exist has no addresses; that is no error.
func (w *World) Resolve(ctx context.Context, view, name string) ([]netip.Addr, error) {
	out, err := w.As(ctx, view, "getent", "ahosts", name)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 2 && len(exit.Stderr) == 0 {
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
// that it gives: a line for each cluster that answers, with its addresses.
func (w *World) Visit(ctx context.Context, view, name string) (string, error) {
	addrs, err := w.Resolve(ctx, view, name)
	if err != nil {
		return "", err
	}
	var lines []string
	by := map[string]int{}
	for _, a := range addrs {
		who := ClusterIPAnswer
		if !w.isClusterIP(a) {
			who = whoAnswers(ctx, a)
		}
		if i, ok := by[who]; ok {
			lines[i] += " " + a.String()
			continue
		}
		by[who] = len(lines)
		lines = append(lines, who+": "+a.String())
	}
	if len(lines) == 0 {
		return NoSuchName, nil
	}
	return strings.Join(lines, "\n"), nil
}

// What Visit says of addresses, or of none.
const (
	NoSuchName      = "(no such name)"
	ClusterIPAnswer = "ClusterIP"
	HTTPFrom        = "HTTP answer from "
)

func (w *World) isClusterIP(a netip.Addr) bool {
	return slices.ContainsFunc(w.members, func(m *Member) bool {
		return slices.ContainsFunc(m.ServiceCIDRs, func(p netip.Prefix) bool { return p.Contains(a) })
	})
}

// whoAnswers makes an HTTP request to the address and says which cluster
// answers: it is the first word of the answer.
func whoAnswers(ctx context.Context, a netip.Addr) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	body, err := Get(ctx, "http://"+net.JoinHostPort(a.String(), "80")+"/")
	if err != nil {
		return "no HTTP answer (" + err.Error() + ")"
	}
	who, _, _ := strings.Cut(strings.TrimSpace(body), " ")
	return HTTPFrom + who
}

// Get returns the body of an answer with status 200.
func Get(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s", url, res.Status)
	}
	return string(body), err
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
		slices.SortFunc(answer[last:], func(a, b dns.RR) int { return compareData(RData(a), RData(b)) })
	}
	lines := []string{";; status: " + dns.RcodeToString[r.Rcode]}
	for _, rr := range answer {
		h := rr.Header()
		lines = append(lines, fmt.Sprintf("%-63s %3d IN %-5s %s", h.Name, h.Ttl, dns.TypeToString[h.Rrtype], RData(rr)))
	}
	return strings.Join(lines, "\n"), nil
}

// Resolving is a program that asks a stub resolver for the addresses of a name again and again.
type Resolving struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

// resolveAgain asks in a new process each time, and ends each answer with an empty line.
const resolveAgain = `while :; do getent ahosts "$1"; echo; sleep 0.01; done`

// ResolveAgain starts it as a process at that place. It ends with ctx.
func (w *World) ResolveAgain(ctx context.Context, view, name string) (*Resolving, error) {
	return StartResolving(ctx, ViewOf(w.Dir(), view).Resolv, "sh", "-c", resolveAgain, "sh", name)
}

// StartResolving starts a program that asks again and again, and writes as ResolveAgain does, with that resolv.conf. It
// ends with ctx.
func StartResolving(ctx context.Context, resolv string, argv ...string) (*Resolving, error) {
	cmd := netns.Command(ctx, resolv, argv...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &Resolving{cmd, bufio.NewScanner(out)}, cmd.Start()
}

// LookupError is what a program of test/stub says of a lookup that has failed.
type LookupError string

func (e LookupError) Error() string { return string(e) }

// Next waits for the next answer, and returns its addresses in order; none if the name does not exist. After a
// LookupError it goes on.
func (r *Resolving) Next() (addrs []netip.Addr, err error) {
	for r.lines.Scan() {
		fields := strings.Fields(r.lines.Text())
		if len(fields) == 0 {
			slices.SortFunc(addrs, netip.Addr.Compare)
			return slices.Compact(addrs), err
		}
		if fields[0] == "error" {
			err = LookupError(r.lines.Text())
			continue
		}
		a, parseErr := netip.ParseAddr(fields[0])
		if parseErr != nil {
			return nil, fmt.Errorf("it says %q: %w", r.lines.Text(), parseErr)
		}
		addrs = append(addrs, a)
	}
	if err := r.lines.Err(); err != nil {
		return nil, err
	}
	return nil, errors.New("the program that asks has ended")
}

// Wait waits for its end, after that of its context.
func (r *Resolving) Wait() { _ = r.cmd.Wait() }
