package v1alpha1

// AnnotationClusterID confirms that a MemberCluster may be another cluster than before: the one with that UID of the
// namespace kube-system.
const AnnotationClusterID = "federation-dns.io/cluster-id"

// ConditionReady is whether a member takes part: its shards are seen, and count.
const ConditionReady = "Ready"

// The reasons of ConditionReady.
const (
	// ReasonReady (True): the member takes part.
	ReasonReady = "Ready"
	// ReasonDrained (False): spec.drain makes its shards count as unhealthy.
	ReasonDrained = "Drained"
	// ReasonUnreachable (False): its API server has not answered for too long.
	ReasonUnreachable = "Unreachable"
	// ReasonCertificateInvalid (False): the certificate of its API server is not the one that the kubeconfig trusts.
	ReasonCertificateInvalid = "CertificateInvalid"
	// ReasonUnauthorized (False): its API server does not know the account of the kubeconfig (401).
	ReasonUnauthorized = "Unauthorized"
	// ReasonForbidden (False): the account of the kubeconfig lacks a right; the message has verb and resource (403).
	ReasonForbidden = "Forbidden"
	// ReasonSecretMissing (False): there is no such Secret or key, or the syncer may not read it.
	ReasonSecretMissing = "SecretMissing"
	// ReasonKubeconfigRefused (False): the kubeconfig cannot be used; the message names the field.
	ReasonKubeconfigRefused = "KubeconfigRefused"
	// ReasonIdentityChanged (False): the kubeconfig leads to another cluster than before; it waits for a confirmation.
	ReasonIdentityChanged = "IdentityChanged"
	// ReasonDuplicateCluster (False): another member is the same cluster; the message names it.
	ReasonDuplicateCluster = "DuplicateCluster"
	// ReasonNameTaken (False): a member of the configuration file has the same name, and counts instead.
	ReasonNameTaken = "NameTaken"
	// ReasonPending (Unknown): no syncer has looked at it yet.
	ReasonPending = "Pending"
	// ReasonStarting (Unknown): its Services are being listed.
	ReasonStarting = "Starting"
	// ReasonSyncerCutOff (Unknown): it was lost together with most others, so the syncer is the likelier cause.
	ReasonSyncerCutOff = "SyncerCutOff"
)
