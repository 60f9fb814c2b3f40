// Package deploy has the manifests that our programs apply themselves.
package deploy

import _ "embed"

// MemberRBAC is what the syncer may do in a member cluster: the manifest for `kubectl apply -f`, and what `kubectl
// federation join` makes.
//
//go:embed member-rbac.yaml
var MemberRBAC string

// MemberPropagationRBAC is what the syncer may do in a member cluster beyond that where propagation is enabled.
//
//go:embed member-propagation-rbac.yaml
var MemberPropagationRBAC string
