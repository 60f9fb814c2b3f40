package explain

import (
	"cmp"
	"slices"
	"strings"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
)

// AddObjects returns the status with the services of the FederatedServices that it does not have, because no member
// has a shard, or because nobody could ask the syncer: the status is then an empty one. What their shards are comes
// from the objects' own status.
func AddObjects(status *admin.Status, objects []v1alpha1.FederatedService) *admin.Status {
	all := *status
	all.Federations = slices.Clone(status.Federations)
	for i := range all.Federations {
		all.Federations[i].Services = slices.Clone(all.Federations[i].Services)
	}
	for i := range objects {
		o := &objects[i]
		known := false
		for j := range all.Federations {
			if f := &all.Federations[j]; f.Name == o.Spec.Federation {
				known = true
				addObject(f, o)
			}
		}
		if !known {
			f := admin.FederationStatus{Name: o.Spec.Federation, Domain: domainOf(o)}
			addObject(&f, o)
			all.Federations = append(all.Federations, f)
		}
	}
	return &all
}

func addObject(f *admin.FederationStatus, o *v1alpha1.FederatedService) {
	name := federation.ServiceName{Namespace: o.Namespace, Name: o.Name}
	at, ok := slices.BinarySearchFunc(f.Services, name, func(s admin.ServiceStatus, name federation.ServiceName) int {
		return federation.CompareServiceNames(s.ServiceName(), name)
	})
	if !ok {
		f.Services = slices.Insert(f.Services, at, admin.ServiceStatus{Name: name.String()})
	}
}

// domainOf returns the domain in which an object is published; "" if that is not known.
func domainOf(o *v1alpha1.FederatedService) string {
	if len(o.Status.Names) == 0 {
		return ""
	}
	_, domain, _ := strings.Cut(o.Status.Names[0], "."+o.Spec.Federation+".svc.")
	return strings.TrimSuffix(domain, ".")
}

// Attach gives each service its FederatedService.
func Attach(found []Found, objects []v1alpha1.FederatedService) {
	for i := range found {
		f := &found[i]
		name := f.Service.ServiceName()
		for j := range objects {
			if o := &objects[j]; o.Namespace == name.Namespace && o.Name == name.Name &&
				o.Spec.Federation == f.Federation.Name {
				f.Object = o
			}
		}
	}
}

// ByStatus reports whether all that is known of the service is the status of its FederatedService.
func (f Found) ByStatus() bool {
	return f.Object != nil && len(f.Service.Shards) == 0 && len(f.Service.Records) == 0
}

// Shard is what a member has of a service.
type Shard struct {
	admin.ShardStatus
	// State is that of the Service in the member.
	State v1alpha1.ClusterState
	// Message says more about the Reason; "" if the Reason says it all.
	Message string
}

// Shards returns what each member has, by its name: what the syncer sees, and what the FederatedService's status says
// of members in which there is nothing to see, or of a Service that is not as its template says.
func (f Found) Shards() []Shard {
	var list []Shard
	for _, sh := range f.Service.Shards {
		s := Shard{ShardStatus: sh, State: v1alpha1.ClusterUnhealthy}
		if sh.Healthy {
			s.State = v1alpha1.ClusterHealthy
		}
		list = append(list, s)
	}
	if f.Object == nil {
		return list
	}
	for _, c := range f.Object.Status.Clusters {
		i := slices.IndexFunc(list, func(s Shard) bool { return s.Member == c.Cluster })
		switch {
		case i < 0:
			list = append(list, Shard{
				ShardStatus: admin.ShardStatus{
					Member: c.Cluster, Healthy: c.State == v1alpha1.ClusterHealthy, Reason: c.Reason,
					Addresses: c.Addresses, ReadyEndpoints: int(c.ReadyEndpoints),
				},
				State: c.State, Message: c.Message,
			})
		case list[i].Reason == "":
			list[i].Reason, list[i].Message = c.Reason, c.Message
		}
	}
	slices.SortFunc(list, func(a, b Shard) int { return cmp.Compare(a.Member, b.Member) })
	return list
}

// Condition returns a condition of the FederatedService; its reason is Pending if there is none.
func (f Found) Condition(conditionType string) (reason, message string) {
	if f.Object != nil {
		for _, c := range f.Object.Status.Conditions {
			if c.Type == conditionType {
				return c.Reason, c.Message
			}
		}
	}
	return v1alpha1.ReasonPending, ""
}
