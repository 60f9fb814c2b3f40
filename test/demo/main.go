// Demo is the walk-through of federated names on real API servers, in a private network: four clusters, one federated
// Service, and what happens when parts of it fail. On a terminal everything stays up afterwards, to be tried by hand.
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
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/federation-dns/federation/test/netns"
	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/scenario"
	"github.com/federation-dns/federation/test/world"
)

const usage = `demo runs the walk-through: four clusters, one federated Service, failures.
It runs in a private network namespace: as root, or in a user namespace.

On a terminal it stays up afterwards; bin/demo-shell enters it. Without a
terminal, or with ONCE=1, it ends by itself: with status 0 if every step came
true, else 1.

Flags:
`

type flags struct {
	coredns, syncer, plugin, testcluster, deploy, provider string

	keep bool
}

func main() {
	if os.Getenv(proc.EnvDir) != "" {
		netns.Enter() // a copy of the program, that Enter has made
	}
	f, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		os.Exit(2)
	}
	dir, err := prepare(&f)
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
	options := netns.Options{PIDFile: world.PIDFile(dir)}
	if !netns.Inside() {
		page, err := listenOutside()
		if err != nil {
			fmt.Fprintln(os.Stderr, "demo: page:", err)
			os.Exit(1)
		}
		options.Files = []*os.File{page}
	}
	netns.EnterWith(options)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err = run(ctx, f, dir)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func parse(args []string) (flags, error) {
	f := flags{}
	set := flag.NewFlagSet("demo", flag.ContinueOnError)
	bin := "bin"
	if self, err := os.Executable(); err == nil {
		bin = filepath.Dir(self)
	}
	set.StringVar(&f.coredns, "coredns", filepath.Join(bin, "coredns"), "the coredns to run")
	set.StringVar(&f.syncer, "syncer", filepath.Join(bin, "federation-syncer"), "the federation-syncer to run")
	set.StringVar(&f.plugin, "plugin", filepath.Join(bin, "kubectl-federation"), "the kubectl-federation to run")
	set.StringVar(&f.testcluster, "testcluster", "", "the testcluster to run (default: built, or taken from the cache)")
	set.StringVar(&f.deploy, "deploy", "deploy", "folder with member-rbac.yaml and coredns-rbac.yaml")
	set.StringVar(&f.provider, "provider", world.RFC2136, "who hosts the zone: "+strings.Join(world.Providers,
		", ")+"; the clouds are stand-ins of their APIs, and none is no zone: pods are answered from mirrors")
	set.BoolVar(&f.keep, "keep", false, "keep the folder with logs, configuration and the zone")
	set.Usage = func() {
		fmt.Fprint(os.Stderr, usage)
		set.PrintDefaults()
	}
	if err := set.Parse(args); err != nil {
		return f, err
	}
	if !slices.Contains(world.Providers, f.provider) {
		err := fmt.Errorf("provider %q: %s are there", f.provider, strings.Join(world.Providers, ", "))
		fmt.Fprintln(os.Stderr, err)
		return f, err
	}
	if set.NArg() > 0 {
		err := fmt.Errorf("unexpected argument %q (demo --help)", set.Arg(0))
		fmt.Fprintln(os.Stderr, err)
		return f, err
	}
	return f, nil
}

func run(ctx context.Context, f flags, dir string) (err error) {
	keep := f.keep
	defer func() {
		if keep {
			fmt.Println("\nkept:", dir)
		} else {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	w, err := scenario.NewPlay(world.Options{Dir: dir, CoreDNS: f.coredns, Syncer: f.syncer, Testcluster: f.testcluster,
		Deploy: f.deploy, Provider: f.provider, Host: scenario.Host, Plugin: f.plugin})
	if err != nil {
		return err
	}
	page, err := forwardPage(netns.Files(), w)
	if err != nil {
		return err
	}
	defer page.stop()
	out := int(os.Stdout.Fd())
	terminal := term.IsTerminal(out) && term.IsTerminal(int(os.Stdin.Fd()))
	console := &scenario.Console{W: os.Stdout, Color: term.IsTerminal(out) && os.Getenv("NO_COLOR") == ""}
	if f.provider != world.RFC2136 {
		console.Requests = w.Requests
	}
	err = scenario.Run(ctx, w, console, scenario.DemoSteps(f.provider, page.Addr().String()))
	var failed *scenario.StepError
	interrupted := errors.Is(err, context.Canceled)
	switch {
	case errors.As(err, &failed):
		keep = true
	case interrupted:
		err = errors.New("interrupted")
	case err == nil:
		w.Watch().Stop() // what is tried by hand may be anything
		fmt.Printf("\nEvery step came true. %d questions were asked on the way:\n"+
			"no answer was mixed, and none was empty while a shard was healthy or held.\n", w.Watch().Seen().Asked)
		if terminal && os.Getenv("ONCE") == "" {
			stayUp(ctx, f.provider, page.Addr().String())
		}
	}
	if stopErr := w.Stop(); !interrupted { // what was just starting may not end well
		err = errors.Join(err, stopErr)
	}
	return err
}

// stayUp says what can be tried, and waits for Ctrl-C.
func stayUp(ctx context.Context, provider, page string) {
	outside := fmt.Sprintf(`
  bin/demo-shell                            a shell as a client outside
    dig %[1]s.svc.us-central1.%[2]s
    curl http://%[1]s.svc.%[2]s/`, world.Name, world.Domain)
	switch provider {
	case world.RFC2136:
		outside = strings.Replace(outside, "\n    curl", "\n    dig axfr "+world.Domain+"\n    curl", 1)
	case world.None:
		outside = "\n    kubectl -n federation-mirror get configmaps    # what its pods can be led to"
	}
	fmt.Printf(`
Everything is up. In another terminal:

  %[1]s gce-us-central1            a shell as in a pod of that cluster
    getent ahosts %[2]s
    dig %[2]s.svc.cluster.local
    kubectl -n %[3]s get pods,services,endpointslices
    kubectl -n %[3]s scale deployment %[4]s --replicas 0    # and ask again%[5]s
  %[1]s status --services          what the syncer knows, publishes and holds
  %[1]s %[6]s kubectl get memberclusters -o wide
  %[1]s federation explain %[2]s --from gce-us-central1    why a pod there gets what it gets

In a browser: http://%[7]s

Ctrl-C ends it.
`, "bin/demo-shell", world.Name, world.Namespace, world.Service, outside, scenario.Host, page)
	<-ctx.Done()
	fmt.Println("\nending")
}
