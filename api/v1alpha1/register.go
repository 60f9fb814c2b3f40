package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API group of the kinds, and their version.
var GroupVersion = schema.GroupVersion{Group: "federation-dns.io", Version: "v1alpha1"}

// AddToScheme adds the kinds to a scheme.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &MemberCluster{}, &MemberClusterList{}, &FederatedService{},
		&FederatedServiceList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
