package federation

import (
	"github.com/coredns/coredns/plugin/kubernetes/object"
	api "k8s.io/api/core/v1"
)

// shard is the local shard of a service as the indexes have it now.
type shard struct {
	service *object.Service // nil if there is none
	healthy bool
}

// shard decides on the health of the local shard: the Service exists, its
// namespace is exposed, and it has a ready endpoint over all its
// EndpointSlices; an ExternalName Service is healthy when it exists (Q5).
func (f *Federation) shard(m *match) shard {
	services := f.indexes.SvcIndex(m.key)
	if len(services) == 0 {
		return shard{}
	}
	s := shard{service: services[0]}
	if !f.exposed(m.namespace) || !f.namespaceExists(m.namespace) {
		return s
	}
	s.healthy = s.service.Type == api.ServiceTypeExternalName || f.hasReady(m.key)
	return s
}

// hasReady: the index holds ready addresses only.
func (f *Federation) hasReady(key string) bool {
	for _, ep := range f.indexes.EpIndex(key) {
		for i := range ep.Subsets {
			if len(ep.Subsets[i].Addresses) > 0 {
				return true
			}
		}
	}
	return false
}
