// Package v1alpha1 has the kinds of the API group federation-dns.io, which live in the host cluster. deploy/crds is
// generated from it (make generate), and so is docs/api.md.
//
// +kubebuilder:object:generate=true
// +groupName=federation-dns.io
package v1alpha1
