// Package propagate decides what is done with the Service of a FederatedService in one member (G1 to G10): given what
// it is to be like and what a GET in the member answered, the next request, or why there is none. It makes no requests
// itself.
//
// A Service is ours if an annotation names the FederatedService: created-by if we created it, adopted-by if we took it
// over. Nothing else of a member is changed or deleted.
package propagate

// Manager is the field manager of what is applied in members.
const Manager = "federation-syncer"

// The label and the annotations that the syncer sets on its Services. The annotations have a Mark as value.
const (
	prefix              = "federation-dns.io/"
	LabelFederation     = prefix + "federation"
	AnnotationCreatedBy = prefix + "created-by"
	AnnotationAdoptedBy = prefix + "adopted-by"
	annotationTTL       = prefix + "ttl"
)
