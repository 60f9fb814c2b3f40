// Bench-mirror measures what the loss of a member costs the mirrors of the others: a loop of the syncer with members
// that are the events that their watchers would send, a provider that takes everything, and the writers of all mirrors,
// at stand-ins that count, or at real API servers. docs/performance.md has results.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/netns"
)

const usage = `bench-mirror has a federation write its members' mirrors, waits at rest, and
loses a member that has a shard of every service. It prints how long it takes
until the mirrors of all others are right, and what was written.

Flags:
`

// envTestcluster tells the copy in the namespace what was found outside.
const envTestcluster = "FEDERATION_DNS_TESTCLUSTER"

type flags struct {
	members, services, shards int
	rest                      time.Duration
	real                      bool
	deploy                    string
	verbose                   bool
}

func main() {
	var f flags
	flag.IntVar(&f.members, "members", 4, "`number` of members")
	flag.IntVar(&f.services, "services", 10000, "`number` of services")
	flag.IntVar(&f.shards, "shards", 3, "`number` of members that each service has a shard in; one of them gets lost")
	flag.DurationVar(&f.rest, "rest", 30*time.Second, "how long nothing changes")
	flag.BoolVar(&f.real, "real", false, "mirrors in real API servers")
	flag.StringVar(&f.deploy, "deploy", "deploy", "`folder` with member-rbac.yaml and member-mirror-rbac.yaml")
	flag.BoolVar(&f.verbose, "v", false, "print the log of the syncer")
	flag.Usage = func() {
		fmt.Fprint(os.Stderr, usage)
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := f.check(); err != nil {
		fmt.Fprintln(os.Stderr, "bench-mirror:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if f.real {
		if err := enter(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "bench-mirror:", err)
			os.Exit(1)
		}
	}
	err := run(ctx, f)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-mirror:", err)
		os.Exit(1)
	}
}

// enter finds the program of the API servers, and enters a private network.
func enter(ctx context.Context) error {
	if os.Getenv(envTestcluster) == "" {
		binary, err := kube.Binary(ctx, os.Stderr)
		if err == nil {
			err = os.Setenv(envTestcluster, binary)
		}
		if err != nil {
			return err
		}
	}
	netns.Enter()
	return nil
}

func (f flags) check() error {
	switch {
	case flag.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	case f.shards < 2 || f.members < f.shards:
		return fmt.Errorf("-members %d, -shards %d: 2 shards or more, and not more than members, are allowed",
			f.members, f.shards)
	case f.members > 250 || f.services < 1:
		return fmt.Errorf("-members %d, -services %d: up to 250 members, and 1 service or more, are allowed", f.members,
			f.services)
	case f.real && f.members > 8:
		return errors.New("-real: up to 8 members are allowed")
	}
	return nil
}

func (f flags) log() *slog.Logger {
	if f.verbose {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}

func run(ctx context.Context, f flags) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	b := newBench(f)
	defer func() {
		cancel()
		err = errors.Join(err, b.stopClusters())
		b.running.Wait()
	}()
	if !f.real {
		b.startStandIns()
	} else if err := b.startClusters(ctx, os.Getenv(envTestcluster)); err != nil {
		return err
	}
	return b.measure(ctx)
}
