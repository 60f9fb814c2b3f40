package federate

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// strip removes what belongs to one cluster from the spec of a Service, and notes it. Read is whether the Service was
// read from a cluster: its IP families may then be the cluster's choice.
func (f *Federated) strip(spec map[string]any, read bool) {
	remove := func(from map[string]any, path, field string) {
		if value, ok := from[field]; ok {
			delete(from, field)
			if !empty(value) {
				f.LeftOut = append(f.LeftOut, path+field)
			}
		}
	}
	if spec["clusterIP"] != corev1.ClusterIPNone {
		remove(spec, "spec.", "clusterIP")
		remove(spec, "spec.", "clusterIPs")
	} else {
		delete(spec, "clusterIPs") // None too, which the API server adds
	}
	for _, field := range []string{"externalIPs", "healthCheckNodePort", "loadBalancerIP"} {
		remove(spec, "spec.", field)
	}
	if policy := spec["ipFamilyPolicy"]; read && (policy == nil || policy == string(corev1.IPFamilyPolicySingleStack)) {
		remove(spec, "spec.", "ipFamilies")
		remove(spec, "spec.", "ipFamilyPolicy")
	}
	ports, ok := spec["ports"].([]any)
	if !ok {
		return // the API server says what is wrong with it
	}
	for i := range ports {
		if port, ok := ports[i].(map[string]any); ok {
			remove(port, fmt.Sprintf("spec.ports[%d].", i), "nodePort")
		}
	}
}

// empty reports whether a value says nothing.
func empty(value any) bool {
	switch v := value.(type) {
	case string:
		return v == ""
	case int64:
		return v == 0
	case float64:
		return v == 0
	case []any:
		return len(v) == 0
	}
	return value == nil
}
