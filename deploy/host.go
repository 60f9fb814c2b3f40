package deploy

import _ "embed"

// HostRBAC is what the syncer may do in its host cluster, as a manifest for `kubectl apply -f`.
//
//go:embed host-rbac.yaml
var HostRBAC string
