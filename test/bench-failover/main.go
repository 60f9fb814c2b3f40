// Bench-failover measures how soon a failed shard is led away from, on real API servers, in a private network:
// clusters, their CoreDNS, a DNS server and the syncer. docs/performance.md has results.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/netns"
	"github.com/federation-dns/federation/test/scenario"
	"github.com/federation-dns/federation/test/world"
)

const usage = `bench-failover makes rounds in which a shard fails and comes back, and prints
how long each part of it took: in the cluster of the shard itself, and in a
third cluster, whose pods its mirror leads from one to another, with the DNS
provider up, down, and none at all; or, alone, in programs with each stub
resolver. It needs root or a user namespace. The status is 1 if
the mirror's bound was missed.

Flags:
`

// envTestcluster tells the copy in the namespace what was found outside.
const envTestcluster = "FEDERATION_DNS_TESTCLUSTER"

type flags struct {
	bin, deploy string
	only, page  string
	rounds      int
	kills       int
}

func main() {
	if os.Getenv(envTestcluster) != "" {
		netns.Enter() // a copy of the program, that Enter has made
	}
	var f flags
	flag.StringVar(&f.bin, "bin", "bin", "`folder` with coredns and federation-syncer (make build)")
	flag.StringVar(&f.deploy, "deploy", "deploy",
		"`folder` with member-rbac.yaml, coredns-rbac.yaml and member-mirror-rbac.yaml")
	flag.StringVar(&f.only, "only", "", "`part` to measure alone: local, remote or resolvers")
	flag.StringVar(&f.page, "page", "", "`file` to write the table of resolvers to")
	flag.IntVar(&f.rounds, "rounds", 100, "`number` of rounds")
	flag.IntVar(&f.kills, "kills", 20, "`number` of rounds in which pods are killed")
	flag.Usage = func() {
		fmt.Fprint(os.Stderr, usage)
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := f.check(); err != nil {
		fmt.Fprintln(os.Stderr, "bench-failover:", err)
		os.Exit(2)
	}
	if os.Getenv(envTestcluster) == "" {
		binary, err := kube.Binary(context.Background(), os.Stderr)
		if err == nil {
			err = os.Setenv(envTestcluster, binary)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench-failover:", err)
			os.Exit(1)
		}
	}
	netns.Enter()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, f)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-failover:", err)
		os.Exit(1)
	}
}

// The parts of the measurement. That of resolvers is only made alone.
const local, remote, resolvers = "local", "remote", "resolvers"

// maxRounds is how many Services the clusters have addresses for.
const maxRounds = 250

func (f flags) check() error {
	switch {
	case flag.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	case !slices.Contains([]string{"", local, remote, resolvers}, f.only):
		return fmt.Errorf("-only %q: %s, %s and %s are allowed", f.only, local, remote, resolvers)
	case f.rounds < 1 || f.rounds > maxRounds:
		return fmt.Errorf("-rounds %d: 1 to %d are allowed", f.rounds, maxRounds)
	case f.kills < 0 || f.kills > maxRounds:
		return fmt.Errorf("-kills %d: 0 to %d are allowed", f.kills, maxRounds)
	}
	return nil
}

func run(ctx context.Context, f flags) error {
	if f.only == "" || f.only == local {
		if err := f.play(ctx, world.Options{Places: world.FailoverPlaces()}, f.local); err != nil {
			return err
		}
	}
	if f.only != local {
		opt := world.Options{Places: world.RemotePlaces(), Corefile: kubeadmCorefile, Mirrors: true}
		if f.only == resolvers {
			return f.play(ctx, opt, f.resolvers)
		}
		return f.play(ctx, opt, f.remote)
	}
	return nil
}

// play starts what the options say, and measures in it.
func (f flags) play(ctx context.Context, opt world.Options, measure func(context.Context, *scenario.Play) error) (
	err error) {
	dir, err := os.MkdirTemp("", "fed-bench-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && ctx.Err() == nil {
			fmt.Println("kept:", dir)
			return
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	opt.Dir, opt.CoreDNS, opt.Syncer = dir, filepath.Join(f.bin, "coredns"), filepath.Join(f.bin, "federation-syncer")
	opt.Testcluster, opt.Deploy = os.Getenv(envTestcluster), f.deploy
	w, err := scenario.NewPlay(opt)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Stop()) }()
	fmt.Printf("starting %d clusters\n", len(opt.Places))
	if err := w.Start(ctx); err != nil {
		return err
	}
	w.Watch().Stop() // what runs beside the measurement is the measurement's own
	return measure(ctx, w)
}

func progress(total int) func(int) {
	return func(round int) {
		if round%max(total/10, 1) == 0 {
			fmt.Printf("round %d of %d\n", round, total)
		}
	}
}

// local measures in the cluster whose shard fails.
func (f flags) local(ctx context.Context, w *scenario.Play) error {
	first, second := w.Members()[0].Name, w.Members()[1].Name
	fmt.Printf("making %d Services in both, then %d rounds\n", f.rounds, f.rounds)
	times, err := w.MeasureFailover(ctx, first, second, f.rounds, progress(f.rounds))
	if err != nil {
		return err
	}
	var kubernetes scenario.Readiness
	if f.kills > 0 {
		fmt.Printf("killing pods %d times\n", f.kills)
		if kubernetes, err = w.MeasureReadiness(ctx, first, f.kills, progress(f.kills)); err != nil {
			return err
		}
	}
	report(times, kubernetes)
	return nil
}

func report(f scenario.Failover, k scenario.Readiness) {
	head()
	row("not ready: the plugin answers the CNAME", f.CNAME)
	row("not ready: the record of the topology zone is a CNAME at the server", f.Record)
	row("ready: the plugin answers the ClusterIP", f.ClusterIP)
	row("ready: the address stands at the topology zone again", f.Addresses)
	row("(in it: the API server answers the write)", f.Written)
	if len(k.Gone) > 0 {
		fmt.Println("\napart, Kubernetes' own (readiness probes every second, simulated kubelet):")
		row("pods killed: no endpoint of the slice is ready", k.Gone)
		row("pods started: an endpoint is ready", k.Back)
	}
}

func head() {
	fmt.Printf("\n%-80s %6s %9s %9s %9s\n", "milliseconds from the write of the EndpointSlice", "rounds", "p50", "p99",
		"max")
}

func row(what string, d []time.Duration) {
	d = slices.Sorted(slices.Values(d))
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	fmt.Printf("%-80s %6d %9.1f %9.1f %9.1f\n", what, len(d), ms(at(d, 50)), ms(at(d, 99)), ms(d[len(d)-1]))
}

// at is the percentile by nearest rank of sorted durations.
func at(d []time.Duration, percent int) time.Duration {
	return d[max((len(d)*percent+99)/100-1, 0)]
}
