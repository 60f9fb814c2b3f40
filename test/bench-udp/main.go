// Bench-udp compares the CPU time that a CoreDNS needs for a query over UDP: for a federated name with the federation
// plugin, and for the plain name without it. dnsperf asks; docs/performance.md has results.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/federation-dns/federation/test/fakeapi"
)

const services = 5000

// measured is one comparison: what the plain server is asked, and what ours.
type measured struct {
	name                string
	plainFile, oursFile string
	ours                bool // our server, else the plain one again
	figure              string
}

var comparisons = []measured{
	{"A/A: the plain name, A", "plain-a", "plain-a", false, "-"},
	{"hit, A", "plain-a", "federated-a", true, "0.85"},
	{"hit, AAAA of an IPv4-only Service (NODATA)", "plain-aaaa", "federated-aaaa", true, "-"},
	{"miss: the CNAME, against a hit", "plain-a", "missing-a", true, "-"},
	{"a name that is not ours, A", "plain-a", "plain-a", true, "-"},
}

// chains are the plugins above.
var chains = []struct{ name, plugins string }{
	{"the bare chain", ""},
	{"behind errors, prometheus and loadbalance", "errors\n prometheus 127.0.0.1:0\n loadbalance\n"},
}

func main() {
	coredns := flag.String("coredns", filepath.Join("bin", "coredns"), "the `program` (make build)")
	rounds := flag.Int("rounds", 12, "`number` of rounds")
	length := flag.Duration("length", 2*time.Second, "`time` of load in a round")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *coredns, *rounds, *length); err != nil {
		fmt.Fprintln(os.Stderr, "bench-udp:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, program string, rounds int, length time.Duration) (err error) {
	if _, err := exec.LookPath("dnsperf"); err != nil {
		return errors.New("dnsperf is missing: install the Debian package dnsperf")
	}
	dir, err := os.MkdirTemp("", "bench-udp-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := writeQuestions(dir); err != nil {
		return err
	}
	api := fakeapi.Start(services)
	defer api.Close()
	fmt.Printf("%d Services with %d endpoints each, %d rounds of %s, servers with GOMAXPROCS=1\n", services,
		fakeapi.Endpoints, rounds, length)
	for _, chain := range chains {
		if err := compareChain(ctx, dir, program, api.URL, chain.name, chain.plugins, rounds, length); err != nil {
			return err
		}
	}
	return nil
}

func writeQuestions(dir string) error {
	files := map[string]func(name string) string{
		"plain-a":        func(n string) string { return n + ".svc.cluster.local A" },
		"plain-aaaa":     func(n string) string { return n + ".svc.cluster.local AAAA" },
		"federated-a":    func(n string) string { return n + ".myfed.svc.cluster.local A" },
		"federated-aaaa": func(n string) string { return n + ".myfed.svc.cluster.local AAAA" },
		"missing-a":      func(n string) string { return "gone-" + n + ".myfed.svc.cluster.local A" },
	}
	for file, line := range files {
		var b strings.Builder
		for i := 0; i < services; i += 10 { // IPv4-only ClusterIPs
			fmt.Fprintln(&b, line(fakeapi.ServiceName(i)))
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(b.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func compareChain(ctx context.Context, dir, program, api, name, plugins string, rounds int,
	length time.Duration) (err error) {
	kubernetes := "kubernetes cluster.local {\n endpoint " + api + "\n}\n"
	federation := "federation {\n myfed example.com\n topology region1 zone1\n no_chase\n}\n"
	plain, err := start(ctx, dir, program, plugins+kubernetes)
	if err != nil {
		return err
	}
	defer plain.stop()
	ours, err := start(ctx, dir, program, plugins+federation+kubernetes)
	if err != nil {
		return err
	}
	defer ours.stop()
	fmt.Printf("\n%-48s %9s %9s %7s %7s %8s\n", name, "base us", "us", "ratio", "QPS", "figure")
	for _, m := range comparisons {
		second := plain
		if m.ours {
			second = ours
		}
		var base, other, ratios, rates []float64
		for round := range rounds + 1 {
			var a, b load
			first := func() error { a, err = plain.load(ctx, filepath.Join(dir, m.plainFile), length); return err }
			then := func() error { b, err = second.load(ctx, filepath.Join(dir, m.oursFile), length); return err }
			order := []func() error{first, then}
			if rand.IntN(2) == 0 {
				slices.Reverse(order)
			}
			for _, f := range order {
				if err := f(); err != nil {
					return err
				}
			}
			if round > 0 { // warm
				base, other = append(base, a.cpu), append(other, b.cpu)
				ratios, rates = append(ratios, b.cpu/a.cpu), append(rates, b.rate/a.rate)
			}
		}
		fmt.Printf("%-48s %9.1f %9.1f %7.2f %7.2f %8s\n", m.name, median(base), median(other), median(ratios),
			median(rates), m.figure)
	}
	return nil
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

// server is a running CoreDNS.
type server struct {
	cmd  *exec.Cmd
	port string
}

// start starts a CoreDNS with these plugins, on a port that the kernel picks, and waits until it has synced.
func start(ctx context.Context, dir, program, plugins string) (*server, error) {
	f, err := os.CreateTemp(dir, "Corefile")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err == nil {
		_, err = fmt.Fprintf(f, ".:%s {\n bind 127.0.0.1\n%s}\n", port, plugins)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	s := &server{cmd: exec.Command(program, "-conf", f.Name(), "-quiet"), port: port}
	s.cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	s.cmd.Stderr = os.Stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		if s.answers() {
			return s, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.stop()
	return nil, errors.New("CoreDNS does not answer within 30 s")
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	_ = s.cmd.Wait()
}

// load is what a server did under load: the CPU time of a query in microseconds, and queries a second.
type load struct{ cpu, rate float64 }

var (
	completed = regexp.MustCompile(`Queries completed:\s+(\d+) `)
	lost      = regexp.MustCompile(`Queries lost:\s+(\d+) `)
	perSecond = regexp.MustCompile(`Queries per second:\s+([\d.]+)`)
)

func (s *server) load(ctx context.Context, questions string, length time.Duration) (load, error) {
	before, err := s.cpuTime()
	if err != nil {
		return load{}, err
	}
	cmd := exec.CommandContext(ctx, "dnsperf", "-s", "127.0.0.1", "-p", s.port, "-d", questions, "-l",
		strconv.FormatFloat(length.Seconds(), 'f', -1, 64), "-c", "4", "-q", "40")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return load{}, fmt.Errorf("dnsperf: %w: %s", err, out)
	}
	after, err := s.cpuTime()
	if err != nil {
		return load{}, err
	}
	n, rate := number(completed, out), number(perSecond, out)
	if n == 0 || number(lost, out) > n/1000 {
		return load{}, fmt.Errorf("dnsperf: too many queries were lost: %s", out)
	}
	return load{cpu: float64((after - before).Nanoseconds()) / 1000 / n, rate: rate}, nil
}

func number(re *regexp.Regexp, out []byte) float64 {
	m := re.FindSubmatch(out)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseFloat(string(m[1]), 64) // it matched
	return n
}
