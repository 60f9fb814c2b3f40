package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/federation-dns/federation/test/scenario"
	"github.com/federation-dns/federation/test/world"
)

// The bounds of the mirror: 99 of 100 answers of CoreDNS, and of programs that ask it through the C library, are those
// of the other shard within that time.
const (
	pluginBound = 250 * time.Millisecond
	clientBound = time.Second
)

// kubeadmCorefile is the Corefile of Corefile.example at a place: kubeadm's own, with the federation block.
func kubeadmCorefile(p *world.Place, kubeconfig string) string {
	return fmt.Sprintf(`.:53 {
	bind %[1]s
	errors
	health %[1]s:8080 {
		lameduck 5s
	}
	ready %[1]s:8181
	federation cluster.local {
		%[3]s %[4]s
	}
	kubernetes cluster.local in-addr.arpa ip6.arpa {
		kubeconfig %[2]q
		pods insecure
		fallthrough in-addr.arpa ip6.arpa
		ttl 30
	}
	prometheus %[1]s:9153
	forward . %[5]s {
		max_concurrent 1000
	}
	cache 30 {
		disable success cluster.local
		disable denial cluster.local
	}
	loadbalance
}
`, p.DNS, kubeconfig, world.FederationName, world.Domain, world.Authority)
}

// remote measures in a third cluster, with each state of the DNS provider.
func (f flags) remote(ctx context.Context, w *scenario.Play) (err error) {
	places := w.Members()
	fmt.Printf("making %d Services in two clusters, beside a third\n", f.rounds)
	services, err := w.PrepareRemote(ctx, places[0].Name, places[1].Name, places[2].Name, f.rounds)
	defer func() { err = errors.Join(err, services.Remove(context.WithoutCancel(ctx))) }()
	if err != nil {
		return err
	}
	var all []scenario.Remote
	for _, state := range providerStates {
		if err := state.begin(ctx, w); err != nil {
			return fmt.Errorf("provider %s: %w", state.name, err)
		}
		if err := services.Await(ctx); err != nil {
			return fmt.Errorf("provider %s: %w", state.name, err)
		}
		fmt.Printf("DNS provider %s: %d rounds\n", state.name, f.rounds)
		times, err := services.MeasureRemote(ctx, progress(f.rounds))
		if err != nil {
			return fmt.Errorf("provider %s: %w", state.name, err)
		}
		all = append(all, times)
	}
	return reportRemote(all)
}

// providerStates are those that are measured, one after the other.
var providerStates = []struct {
	name  string
	begin func(ctx context.Context, w *scenario.Play) error
}{
	{"up", func(context.Context, *scenario.Play) error { return nil }},
	{"down", func(_ context.Context, w *scenario.Play) error { return w.StopAuthority() }},
	{"none", func(ctx context.Context, w *scenario.Play) error { return w.NoProvider(ctx, w.Members()[2]) }},
}

// reportRemote prints the times in each state of the provider; the error says which bound they miss.
func reportRemote(all []scenario.Remote) (err error) {
	head()
	for i, m := range all {
		provider := "provider " + providerStates[i].name + ": "
		for _, part := range []struct {
			what  string
			times []time.Duration
			bound time.Duration
		}{
			{"not ready: a third cluster's CoreDNS answers the other shard", m.Away, pluginBound},
			{"ready: it answers the nearer shard again", m.Back, pluginBound},
			{"not ready: the C library there, behind cache 30", m.ClientAway, clientBound},
			{"ready: the C library there", m.ClientBack, clientBound},
		} {
			row(provider+part.what, part.times)
			if p99 := at(slices.Sorted(slices.Values(part.times)), 99); p99 > part.bound {
				miss := fmt.Errorf("%s%s: p99 is %s, the bound is %s", provider, part.what, p99, part.bound)
				err = errors.Join(err, miss)
			}
		}
	}
	return err
}
