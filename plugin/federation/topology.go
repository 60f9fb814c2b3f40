package federation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/coredns/coredns/plugin/kubernetes/object"
	api "k8s.io/api/core/v1"

	core "github.com/federation-dns/federation/federation"
)

// The times of learning the node's topology, off the query path (Q10).
const (
	firstAttempt    = 5 * time.Second // after this we are ready without it
	firstRetry      = time.Second     // then after twice as long each time, up to
	topologyRetry   = 10 * time.Second
	topologyRefresh = 10 * time.Minute
)

// nodes is where the node's labels come from: the kubernetes plugin's client
// and its index of addresses.
type nodes interface {
	GetNodeByName(ctx context.Context, name string) (*api.Node, error)
	EpIndexReverse(ip string) []*object.Endpoints
	HasSynced() bool
}

// lastPlace is what the labels of this process's node said last. An instance
// that takes over at a reload begins with it: the node is the same, and names
// must not lead to global until it has been asked for again.
var lastPlace atomic.Pointer[core.Topology]

// learn finds the topology and keeps it fresh until ctx ends.
func (f *Federation) learn(ctx context.Context, n nodes) {
	defer f.decided.Store(true)
	ready := time.AfterFunc(firstAttempt, func() { f.decided.Store(true) })
	defer ready.Stop()
	var last string // what was logged of it last
	retry := firstRetry
	for {
		attempt, cancel := context.WithTimeout(ctx, firstAttempt)
		t, err := nodeTopology(attempt, n)
		cancel()
		if ctx.Err() != nil {
			return
		}
		wait, says := topologyRefresh, ""
		switch {
		case errors.Is(err, errNotSynced):
			wait, says = 100*time.Millisecond, last
		case t != (core.Topology{}):
			f.setTopology(t)
			places.set(f, true)
			lastPlace.Store(&t)
			retry = firstRetry
			if err != nil {
				says = fmt.Sprintf("topology of this node: %v", err)
			}
		case *f.place.Load() != (core.Topology{}):
			wait, says = retry, fmt.Sprintf("topology of this node cannot be read again, the last one stays: %v", err)
		default:
			wait, says = retry, fmt.Sprintf("topology of this node is not known, names lead to global (or say \"topology REGION [ZONE]\"): %v", err)
		}
		if wait == retry {
			retry = min(2*retry, topologyRetry)
		}
		if says != "" && says != last {
			log.Warning(says)
		}
		last = says
		if !errors.Is(err, errNotSynced) {
			f.decided.Store(true)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

var errNotSynced = errors.New("the kubernetes plugin has not synced yet")

// nodeTopology reads the labels of the node that we run on. An error beside a
// place says what is wrong with the label that is missing in it.
func nodeTopology(ctx context.Context, n nodes) (core.Topology, error) {
	name := os.Getenv("NODE_NAME")
	if name == "" {
		if !n.HasSynced() {
			return core.Topology{}, errNotSynced
		}
		addrs, _ := net.InterfaceAddrs() // without any there is no endpoint either
		if name = nodeOfOurPod(n, addrs); name == "" {
			return core.Topology{}, errors.New("NODE_NAME is not set, and no endpoint of this cluster has an address of ours")
		}
	}
	node, err := n.GetNodeByName(ctx, name)
	if err != nil {
		return core.Topology{}, fmt.Errorf("node %q: %w (the ClusterRole needs nodes: get)", name, err)
	}
	region, badRegion := label(node, api.LabelTopologyRegion, api.LabelFailureDomainBetaRegion)
	topologyZone, badZone := label(node, api.LabelTopologyZone, api.LabelFailureDomainBetaZone)
	t, bad := core.Topology{Region: region, Zone: topologyZone}, cmp.Or(badRegion, badZone)
	switch {
	case badRegion != nil && badZone != nil:
		return t, fmt.Errorf("node %q: %w, %w", name, badRegion, badZone)
	case bad != nil:
		return t, fmt.Errorf("node %q: %w", name, bad)
	case t == (core.Topology{}):
		return t, fmt.Errorf("node %q has no label %s or %s", name, api.LabelTopologyRegion, api.LabelTopologyZone)
	}
	return t, nil
}

// label is the value of the first label that is there. One that is not a
// DNS-1123 label counts as missing (N4), with an error.
func label(node *api.Node, keys ...string) (core.Label, error) {
	for _, key := range keys {
		value := node.Labels[key]
		if value == "" {
			continue
		}
		l, err := core.ParseLabel(value)
		if err != nil {
			return "", fmt.Errorf("label %s: %w", key, err)
		}
		return l, nil
	}
	return "", nil
}

// nodeOfOurPod is the node of the endpoint that carries one of our own
// addresses.
func nodeOfOurPod(n nodes, addrs []net.Addr) string {
	for _, a := range addrs {
		ipnet, ok := a.(*net.IPNet)
		if !ok || ipnet.IP.IsLoopback() || ipnet.IP.IsLinkLocalUnicast() {
			continue
		}
		ip := ipnet.IP.String()
		for _, ep := range n.EpIndexReverse(ip) {
			for _, subset := range ep.Subsets {
				for _, addr := range subset.Addresses {
					if addr.IP == ip && addr.NodeName != "" {
						return addr.NodeName
					}
				}
			}
		}
	}
	return ""
}

// setTopology computes the levels of all federations for the place.
func (f *Federation) setTopology(t core.Topology) {
	if old := f.place.Load(); old != nil && *old == t {
		return
	}
	f.place.Store(&t)
	for _, fed := range f.feds {
		levels := f.levelsOf(fed, t)
		fed.levels.Store(&levels)
		log.Infof("federation %q: region %q, topology zone %q: names lead to %q",
			fed.Name, cmp.Or(string(t.Region), "-"), cmp.Or(string(t.Zone), "-"), levels)
	}
}

// levelsOf are the suffixes of the records for a place, the closest first. One
// that would lie in a zone of the kubernetes plugin would lead back here: it is
// skipped and reported (N4). Global was checked at start.
func (f *Federation) levelsOf(fed *fed, t core.Topology) []string {
	var levels []string
	for _, name := range fed.Path(t) {
		suffix := string(fed.Suffix(name))
		if inZone(suffix, f.config.kubernetesZones) {
			log.Errorf("federation %q: level %q lies in a zone of the kubernetes plugin and is skipped", fed.Name, suffix)
			continue
		}
		levels = append(levels, suffix)
	}
	return levels
}
