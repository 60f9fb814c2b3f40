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

// When the node's topology is read, off the query path (Q10).
const (
	firstAttempt    = 5 * time.Second // the plugin is ready after this, with or without it
	firstRetry      = time.Second     // doubled each time, up to topologyRetry
	topologyRetry   = 10 * time.Second
	topologyRefresh = 10 * time.Minute
)

// nodes is the source of the node's labels: the kubernetes plugin's client, and its index of addresses.
type nodes interface {
	GetNodeByName(ctx context.Context, name string) (*api.Node, error)
	EpIndexReverse(ip string) []*object.Endpoints
	HasSynced() bool
}

// lastTopology is what the labels of this process's node were when last read. An instance that takes over at a reload
// starts with it: the node is the same, and names should not point to global until the labels have been read again.
var lastTopology atomic.Pointer[core.Topology]

// learnTopology reads the topology and keeps it up to date until ctx ends.
func (f *Federation) learnTopology(ctx context.Context, n nodes) {
	defer f.topologyTried.Store(true)
	ready := time.AfterFunc(firstAttempt, func() { f.topologyTried.Store(true) })
	defer ready.Stop()
	var logged string // the last warning
	retry := firstRetry
	for {
		attempt, cancel := context.WithTimeout(ctx, firstAttempt)
		t, err := nodeTopology(attempt, n)
		cancel()
		if ctx.Err() != nil {
			return
		}
		wait, warning := topologyRefresh, ""
		switch {
		case errors.Is(err, errNotSynced):
			wait, warning = 100*time.Millisecond, logged
		case t != (core.Topology{}):
			f.setTopology(t)
			knownTopologies.set(f, true)
			lastTopology.Store(&t)
			retry = firstRetry
			if err != nil {
				warning = fmt.Sprintf("topology of this node: %v", err)
			}
		case *f.topology.Load() != (core.Topology{}):
			wait = retry
			warning = fmt.Sprintf("cannot read the topology of this node again, keeping the last one: %v", err)
		default:
			wait, warning = retry, fmt.Sprintf("the topology of this node is not known, so names point to global (set "+
				"\"topology REGION [ZONE]\" if it has no labels): %v", err)
		}
		if wait == retry {
			retry = min(2*retry, topologyRetry)
		}
		if warning != "" && warning != logged {
			log.Warning(warning)
		}
		logged = warning
		if !errors.Is(err, errNotSynced) {
			f.topologyTried.Store(true)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

var errNotSynced = errors.New("the kubernetes plugin has not synced yet")

// nodeTopology reads the labels of the node that we run on. With a topology that lacks a label it also returns an
// error, if the node has the label and it is not valid.
func nodeTopology(ctx context.Context, n nodes) (core.Topology, error) {
	name := os.Getenv("NODE_NAME")
	if name == "" {
		if !n.HasSynced() {
			return core.Topology{}, errNotSynced
		}
		addrs, _ := net.InterfaceAddrs() // with none, no endpoint matches
		if name = nodeOfOurPod(n, addrs); name == "" {
			return core.Topology{}, errors.New("NODE_NAME is not set, and no endpoint of this cluster has one of our " +
				"addresses")
		}
	}
	node, err := n.GetNodeByName(ctx, name)
	if err != nil {
		return core.Topology{}, fmt.Errorf("node %q: %w (the ClusterRole needs nodes: get)", name, err)
	}
	region, badRegion := nodeLabel(node, api.LabelTopologyRegion, api.LabelFailureDomainBetaRegion)
	topologyZone, badZone := nodeLabel(node, api.LabelTopologyZone, api.LabelFailureDomainBetaZone)
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

// nodeLabel returns the value of the first of the labels that the node has. A value that is not a DNS-1123 label counts
// as missing (N4), and is an error.
func nodeLabel(node *api.Node, keys ...string) (core.Label, error) {
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

// nodeOfOurPod returns the node of an endpoint that has one of our own addresses, or "".
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

// setTopology sets the topology, and the levels of all federations that follow from it.
func (f *Federation) setTopology(t core.Topology) {
	if old := f.topology.Load(); old != nil && *old == t {
		return
	}
	f.topology.Store(&t)
	for _, fed := range f.feds {
		suffixes := f.levels(fed, t)
		fed.levels.Store(&levels{suffixes, t})
		log.Infof("federation %q: region %q, topology zone %q: names point to %q",
			fed.Name, cmp.Or(string(t.Region), "-"), cmp.Or(string(t.Zone), "-"), suffixes)
	}
}

// levels returns the suffixes of the records for a topology, the closest first. One that lies in a zone of the
// kubernetes plugin would loop back here: it is skipped and reported (N4). Global is checked at start.
func (f *Federation) levels(fed *fedState, t core.Topology) []string {
	var suffixes []string
	for _, name := range fed.Path(t) {
		suffix := string(fed.Suffix(name))
		if inZone(suffix, f.config.kubernetesZones) {
			log.Errorf("federation %q: level %q lies in a zone of the kubernetes plugin and is skipped",
				fed.Name, suffix)
			continue
		}
		suffixes = append(suffixes, suffix)
	}
	return suffixes
}
