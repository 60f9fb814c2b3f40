package federation

import (
	"github.com/coredns/coredns/plugin/kubernetes/object"
	api "k8s.io/api/core/v1"
)

// shard is the local shard of a service as the indexes have it now.
type shard struct {
	service   *object.Service // nil if there is none
	endpoints []*object.Endpoints
	healthy   bool
}

// look decides on the health of the local shard: the Service exists, its
// namespace is exposed, and it has a ready endpoint over all its
// EndpointSlices; an ExternalName Service is healthy when it exists (Q5). That
// is decided once, for all types.
//
//go:noinline
func (a *answerer) look() {
	a.shard = shard{}
	if a.unsynced || a.m.key == "" {
		return
	}
	services := a.f.indexes.SvcIndex(a.m.key)
	if len(services) == 0 {
		return
	}
	a.shard.service = services[0]
	if !a.f.exposed(a.m.namespace) || !a.f.namespaceExists(a.m.namespace) {
		return
	}
	if a.shard.service.Type == api.ServiceTypeExternalName {
		a.shard.healthy = true
		return
	}
	a.shard.endpoints = a.f.indexes.EpIndex(a.m.key)
	a.shard.healthy = hasReady(a.shard.endpoints)
}

// hasReady: the index holds ready addresses only.
func hasReady(list []*object.Endpoints) bool {
	for _, ep := range list {
		for i := range ep.Subsets {
			if len(ep.Subsets[i].Addresses) > 0 {
				return true
			}
		}
	}
	return false
}
