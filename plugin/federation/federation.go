// Package federation is the CoreDNS plugin that expands federated names: the
// name of a Service with the name of a federation behind it is answered with
// the local shard while that is healthy, and else with a CNAME to the record
// of the closest level, followed in the same answer.
//
// The rules cited as Q3, Q7a and so on are those of docs/rules.md.
package federation

import (
	"sync/atomic"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/kubernetes"
	"github.com/coredns/coredns/plugin/kubernetes/object"
	clog "github.com/coredns/coredns/plugin/pkg/log"

	core "github.com/federation-dns/federation/federation"
)

const pluginName = "federation"

var log = clog.NewWithPlugin(pluginName)

// Federation expands the names of federations. It is made by setup; its
// configuration is not changed afterwards.
type Federation struct {
	Next plugin.Handler

	config config
	zones  []zone
	feds   []*fed
	// No record of an answer has a TTL above ttl (Q15), and those made from the
	// local shard have localTTL.
	ttl, localTTL uint32

	indexes  indexes
	exposed  func(namespace string) bool
	delegate plugin.Handler // the kubernetes plugin
	// fallsThrough: its answers may be another plugin's; else it makes the
	// message and the records of each anew, so that they are ours to change.
	fallsThrough bool
	backend      *kubernetes.Kubernetes // the same, for SOA records

	synced  atomic.Bool
	place   atomic.Pointer[core.Topology]
	decided atomic.Bool // the first attempt to learn the topology has ended
	chaser  *chaser

	stop func()
}

// indexes are those of the kubernetes plugin's that are read: local health
// without an API call or a watch of our own (Q10).
type indexes interface {
	SvcIndex(key string) []*object.Service
	EpIndex(key string) []*object.Endpoints
	GetNamespaceByName(name string) (*object.Namespace, error)
	HasSynced() bool
}

// zone is one of the kubernetes plugin's forward zones.
type zone struct {
	name   string // "cluster.local."
	suffix string // ".svc.cluster.local."
}

// fed is one federation.
type fed struct {
	core.Federation
	topLevel core.TopLevel // "" unless its name is that of a top-level domain, too (Q4b)
	// levels are the suffixes of the records, from the closest level to global;
	// they change with the topology.
	levels   atomic.Pointer[[]string]
	counters atomic.Pointer[counters]
	// noNamespace says that no namespace has the federation's name, for a
	// moment: looking for what is not there costs more than all else in an answer
	// from the indexes.
	noNamespace atomic.Bool
}

// Name implements plugin.Handler.
func (f *Federation) Name() string { return pluginName }

// Ready implements ready.Readiness: the kubernetes plugin has synced, and the
// first attempt to learn the topology has ended (Q9).
func (f *Federation) Ready() bool { return f.isSynced() && f.decided.Load() }

func (f *Federation) isSynced() bool {
	if f.synced.Load() {
		return true
	}
	if f.indexes == nil || !f.indexes.HasSynced() {
		return false
	}
	f.synced.Store(true)
	return true
}
