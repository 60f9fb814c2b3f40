package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/scenario"
	"github.com/federation-dns/federation/test/stub"
	"github.com/federation-dns/federation/test/world"
)

// askPause is how many milliseconds a client waits between two lookups.
const askPause = 50

// pluginTTL is the federation's TTL of the Corefiles: what a cache on the way may add.
const pluginTTL = 5 * time.Second

// way is how a pod's questions come to the plugin.
type way struct {
	name  string
	bound time.Duration // all clients see a change within it
	// host is the last octet of the address that the pod asks; 0 is that of the CoreDNS with the plugin itself.
	host byte
	// corefile is that of the server there: %[1]s is its address, %[2]s a kubeconfig, %[3]s the CoreDNS with the
	// plugin.
	corefile string
}

var ways = []way{
	{name: "kubeadm's Corefile with the plugin", bound: clientBound},
	{name: "kubeadm's Corefile, the plugin beside it", bound: clientBound, host: 1, corefile: `.:53 {
	bind %[1]s
	errors
	kubernetes cluster.local in-addr.arpa ip6.arpa {
		kubeconfig %[2]q
		pods insecure
		fallthrough in-addr.arpa ip6.arpa
		ttl 30
	}
	forward . ` + world.Authority + ` {
		max_concurrent 1000
	}
	cache 30 {
		disable success cluster.local
		disable denial cluster.local
	}
	loadbalance
}
` + world.FederationName + `.svc.cluster.local:53 {
	bind %[1]s
	errors
	forward . %[3]s
}
`},
	{name: "NodeLocal DNS before the first", bound: clientBound + pluginTTL, host: 2, corefile: `cluster.local:53 {
	errors
	cache {
		success 9984 30
		denial 9984 5
	}
	bind %[1]s
	forward . %[3]s {
		force_tcp
	}
}
.:53 {
	errors
	cache 30
	bind %[1]s
	forward . ` + world.Authority + `
}
`},
}

// resolvers measures how soon programs with each stub resolver see a change, by each way to the plugin.
func (f flags) resolvers(ctx context.Context, w *scenario.Play) (err error) {
	programs, err := stub.Compile(ctx, filepath.Join(w.Dir(), "stub"))
	if err != nil {
		return err
	}
	places := w.Members()
	var clients []scenario.Client
	for _, y := range ways {
		stop, resolv, startErr := y.serve(ctx, filepath.Join(f.bin, "coredns"), w.World, places[0])
		if startErr != nil {
			return fmt.Errorf("%s: %w", y.name, errors.Join(startErr, stop()))
		}
		defer func() { err = errors.Join(err, stop()) }()
		for _, p := range programs {
			clients = append(clients, scenario.Client{Name: p.Name + ", " + y.name, Resolv: resolv,
				Argv: func(name string) []string { return p.Again("any", name, askPause) }})
		}
	}
	fmt.Printf("making %d Services in two clusters, beside a third\n", f.rounds)
	services, err := w.PrepareRemote(ctx, places[0].Name, places[1].Name, places[2].Name, f.rounds)
	defer func() { err = errors.Join(err, services.Remove(context.WithoutCancel(ctx))) }()
	if err == nil {
		err = services.Await(ctx)
	}
	if err != nil {
		return err
	}
	times, err := services.MeasureClients(ctx, clients, progress(f.rounds))
	if err != nil {
		return err
	}
	return f.reportResolvers(programs, times)
}

// serve starts the server of the way, and returns the resolv.conf of pods that ask it.
func (y way) serve(ctx context.Context, coredns string, w *world.World, m *world.Member) (
	stop func() error, resolv string, err error) {
	stop = func() error { return nil }
	if y.host == 0 {
		return stop, world.ViewOf(w.Dir(), m.Name).Resolv, nil
	}
	octets := m.PodCIDRs[0].Addr().As4()
	octets[2], octets[3] = 250, y.host
	addr := netip.AddrFrom4(octets).String()
	name := fmt.Sprintf("way-%d", y.host)
	if err := w.WriteResolv(name, addr, world.PodResolv...); err != nil {
		return stop, "", err
	}
	corefile := w.Path("dns", name+".Corefile")
	text := fmt.Sprintf(y.corefile, addr, w.Path("c", m.Name+".coredns.kubeconfig"), m.DNS)
	if err := os.WriteFile(corefile, []byte(text), 0o644); err != nil {
		return stop, "", err
	}
	p, err := proc.Start(y.name, w.LogFile(name), w.Env(), coredns, "-conf", corefile)
	if err != nil {
		return stop, "", err
	}
	stop = func() error { return p.Stop(10 * time.Second) }
	return stop, world.ViewOf(w.Dir(), name).Resolv, proc.Poll(ctx, y.name, func() error {
		r, err := world.Ask(ctx, addr, "kubernetes.default.svc.cluster.local.", dns.TypeA)
		if err == nil && len(r.Answer) == 0 {
			err = fmt.Errorf("it answers %s", dns.RcodeToString[r.Rcode])
		}
		return errors.Join(err, p.Ended())
	})
}

// reportResolvers prints the times as a table, and writes it to the page if there is one. The error says which bound
// they miss.
func (f flags) reportResolvers(programs []stub.Resolver, times [][]time.Duration) (err error) {
	var b strings.Builder
	b.WriteString("| the pod's DNS | at most |")
	for _, p := range programs {
		b.WriteString(" " + p.Name + " |")
	}
	b.WriteString("\n" + strings.Repeat("| --- ", len(programs)+2) + "|\n")
	for i, y := range ways {
		fmt.Fprintf(&b, "| %s | %d ms |", y.name, y.bound.Milliseconds())
		for j, p := range programs {
			d := slices.Sorted(slices.Values(times[i*len(programs)+j]))
			most := d[len(d)-1]
			fmt.Fprintf(&b, " %d, %d ms |", at(d, 50).Milliseconds(), most.Milliseconds())
			if most > y.bound {
				err = errors.Join(err, fmt.Errorf("%s, %s: %s, the bound is %s", p.Name, y.name, most, y.bound))
			}
		}
		b.WriteString("\n")
	}
	fmt.Printf("\nmilliseconds from the write of the EndpointSlice: p50, and the longest of %d changes\n\n%s",
		len(times[0]), b.String())
	if err != nil || f.page == "" {
		return err
	}
	return writeTable(f.page, fmt.Sprintf("p50, and the longest of %d changes:\n\n%s", len(times[0]), b.String()))
}

var table = regexp.MustCompile(`(?s)(<!-- begin: make bench-resolvers -->\n).*?(<!-- end -->)`)

// writeTable puts the table into its place on the page.
func writeTable(page, text string) error {
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	if !table.Match(old) {
		return fmt.Errorf("%s has no place for the table of make bench-resolvers", page)
	}
	return os.WriteFile(page, table.ReplaceAllFunc(old, func(found []byte) []byte {
		place := table.FindSubmatch(found)
		return slices.Concat(place[1], []byte(text), place[2])
	}), 0o644)
}
