package deploy

import _ "embed"

// MemberMirrorRBAC is what the syncer and CoreDNS may do in the namespace of a member's mirrors. It is all that a
// mirror needs beyond MemberRBAC.
//
//go:embed member-mirror-rbac.yaml
var MemberMirrorRBAC string
