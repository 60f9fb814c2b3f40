// Chaos plays a seeded random schedule of faults on the whole system: real API servers behind links that are cut, real
// BIND, Knot and PowerDNS or the stand-ins of clouds, the syncer and a second one, and a CoreDNS with the plugin in
// each cluster, while clients ask for all names all the time. Every answer is held against what the clusters are known
// to be. docs/reliability.md says what must hold; package truth judges it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/federation-dns/federation/test/chaos/schedule"
	"github.com/federation-dns/federation/test/chaos/stage"
	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/netns"
)

const usage = `chaos lets clusters, links, DNS servers and syncers fail by a schedule that is
drawn from a seed, and judges every answer meanwhile. It needs root or a user
namespace, and BIND, Knot or PowerDNS, whichever keeps a zone. The status is 1 if there was a violation, or less
happened than had to.

Flags:
`

// envTestcluster passes what was found outside to the copy in the namespace.
const envTestcluster = "FEDERATION_DNS_TESTCLUSTER"

type flags struct {
	bin, deploy        string
	coredns, syncer    string
	seed               uint64
	minutes            float64
	members, services  int
	hosts              []string
	favour             []schedule.Class
	first, list, lease bool
}

func main() {
	f, err := parse()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(2)
	}
	if f.list {
		f.print()
		return
	}
	if os.Getenv(envTestcluster) == "" {
		binary, err := kube.Binary(context.Background(), os.Stderr)
		if err == nil {
			err = os.Setenv(envTestcluster, binary)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "chaos:", err)
			os.Exit(1)
		}
	}
	netns.Enter()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = play(ctx, f)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func parse() (f flags, err error) {
	var favour, hosts string
	flag.StringVar(&f.bin, "bin", "bin", "`folder` with coredns and federation-syncer (make build)")
	flag.StringVar(&f.syncer, "syncer", "", "the syncer to test, if it is another `program`")
	flag.StringVar(&f.coredns, "coredns", "", "the CoreDNS to test, if it is another `program`")
	flag.StringVar(&f.deploy, "deploy", "deploy",
		"`folder` with member-rbac.yaml, coredns-rbac.yaml and member-mirror-rbac.yaml")
	flag.Uint64Var(&f.seed, "seed", uint64(time.Now().UnixNano()%1_000_000),
		"the seed: the same one gives the same schedule")
	flag.Float64Var(&f.minutes, "minutes", 10, "how long faults begin")
	flag.IntVar(&f.members, "members", 4, "`number` of clusters, 3 or 4")
	flag.IntVar(&f.services, "services", 32, "`number` of services")
	flag.StringVar(&hosts, "hosts", "bind,knot",
		"who keeps the zones of the two federations, of "+strings.Join(stage.HostKinds, ", ")+
			"; route53 and clouddns are stand-ins, and "+stage.None+" is no zone at all: pods are answered from the "+
			"mirrors alone; one word is for both")
	flag.StringVar(&favour, "favour", "",
		"only these `classes` of faults, separated by commas; nothing is asked of the others then")
	lease := flag.String("lease", "",
		"`true` or false: whether the syncers have a Lease; otherwise, those of even seeds have")
	flag.BoolVar(&f.first, "first", false, "end with the first violation")
	flag.BoolVar(&f.list, "list", false, "print the schedule of the seed, and run nothing")
	flag.Usage = func() {
		fmt.Fprint(os.Stderr, usage)
		flag.PrintDefaults()
	}
	flag.Parse()
	f.lease = f.seed%2 == 0
	if *lease != "" {
		if f.lease, err = strconv.ParseBool(*lease); err != nil {
			return f, fmt.Errorf("-lease %q: true and false are allowed", *lease)
		}
	}
	if f.hosts, err = stage.ParseHosts(hosts); err != nil {
		return f, fmt.Errorf("-%w", err)
	}
	if slices.Contains(f.hosts, stage.None) { // whose records are where the Lease is
		if *lease != "" && !f.lease {
			return f, fmt.Errorf("-lease %s: with -hosts %s the syncers have one", *lease, stage.None)
		}
		f.lease = true
	}
	for word := range strings.SplitSeq(favour, ",") {
		if class := schedule.Class(word); slices.Contains(schedule.Classes, class) {
			f.favour = append(f.favour, class)
		} else if word != "" {
			return f, fmt.Errorf("-favour %q: allowed are %v", word, schedule.Classes)
		}
	}
	switch {
	case flag.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flag.Arg(0))
	case f.members < 3 || f.members > stage.MaxMembers:
		err = fmt.Errorf("-members %d: 3 to %d are allowed", f.members, stage.MaxMembers)
	case f.services < schedule.MinServices || f.services > schedule.MaxServices:
		err = fmt.Errorf("-services %d: %d to %d are allowed", f.services, schedule.MinServices, schedule.MaxServices)
	case len(f.options().Classes()) == 0:
		err = fmt.Errorf("-favour %q: -hosts %q can play none of these", favour, hosts)
	case f.minutes <= 0:
		err = fmt.Errorf("-minutes %g: more than 0 is needed", f.minutes)
	}
	return f, err
}

func (f flags) options() schedule.Options {
	o := schedule.Options{Members: f.members, Services: f.services, Favour: f.favour, Lease: f.lease, PerSecond: 3}
	for i, kind := range f.hosts {
		o.Without[i], _ = stage.Without(kind)
		o.InMember = o.InMember || f.zoneless(i)
	}
	return o
}

// zoneless reports whether no DNS server has the names of the federation.
func (f flags) zoneless(zone int) bool { return f.hosts[zone] == stage.None }

func (f flags) generator() *schedule.Generator { return schedule.New(f.seed, f.options()) }

// leftOut says which classes are not played on which hosts, and why.
func (f flags) leftOut() (lines []string) {
	for _, kind := range slices.Compact(slices.Sorted(slices.Values(f.hosts))) {
		if classes, why := stage.Without(kind); len(classes) > 0 {
			lines = append(lines, fmt.Sprintf("on %s without %v: %s", kind, classes, why))
		}
	}
	return lines
}

// print prints as many rounds as there may be.
func (f flags) print() {
	g := f.generator()
	lines := append(f.leftOut(), fmt.Sprintf("seed %d on %s", f.seed, strings.Join(f.hosts, " and ")))
	fmt.Println(strings.Join(lines, "\n"))
	for total := time.Duration(0); total.Minutes() < f.minutes; {
		r := g.Next()
		total += r.Length
		fmt.Printf("round %d\n", r.Number)
		for _, x := range r.Faults {
			fmt.Printf("  %7.3fs for %6.3fs  %-14s %s\n", x.At.Seconds(), x.For.Seconds(), x.Class, about(x))
		}
		for _, c := range r.Changes {
			fmt.Printf("  %7.3fs  %-8s member %d, service %d\n",
				c.At.Seconds(), c.Kind, c.Shard.Member, c.Shard.Service)
		}
	}
}

// about says what a fault concerns.
func about(f schedule.Fault) string {
	var words []string
	if len(f.Members) > 0 {
		words = append(words, fmt.Sprintf("members %v", f.Members))
	}
	if f.Class.OfProvider() || f.Class == schedule.MassDelete {
		words = append(words, fmt.Sprintf("federation %s", stage.Zones[f.Federation].Name))
	}
	if len(f.Services) > 0 {
		words = append(words, fmt.Sprintf("services %v", f.Services))
	}
	return strings.Join(words, ", ")
}
