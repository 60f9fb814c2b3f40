package v1alpha1

// AnnotationClusterID confirms that a MemberCluster may be another cluster than before: the one with that UID of the
// namespace kube-system.
const AnnotationClusterID = "federation-dns.io/cluster-id"

// AnnotationMirrorRights at a MemberCluster is MirrorRightsNone if the member is not to have the rights of a mirror:
// kubectl federation join does not make them, and check does not miss them.
const (
	AnnotationMirrorRights = "federation-dns.io/mirror-rights"
	MirrorRightsNone       = "None"
)

// ConditionReady is whether a member takes part: its shards are seen, and count.
const ConditionReady = "Ready"

// The reasons of ConditionReady, and what to do.
const (
	// ReasonReady (True): the member takes part.
	ReasonReady = "Ready"
	// ReasonDrained (False): spec.drain makes its shards count as unhealthy. Unset it to have them back.
	ReasonDrained = "Drained"
	// ReasonUnreachable (False): its API server has not answered for too long, or not with what was asked for. Look at
	// the way there and at the server; the message has the error.
	ReasonUnreachable = "Unreachable"
	// ReasonCertificateInvalid (False): the certificate of its API server is not the one that the kubeconfig trusts.
	// Put the CA of the server, and the name or address that its certificate has, into the kubeconfig.
	ReasonCertificateInvalid = "CertificateInvalid"
	// ReasonUnauthorized (False): its API server does not know the account of the kubeconfig (401). Put a new token
	// into the Secret.
	ReasonUnauthorized = "Unauthorized"
	// ReasonForbidden (False): the account of the kubeconfig lacks a right; the message has verb and resource (403).
	// Apply deploy/member-rbac.yaml in the member.
	ReasonForbidden = "Forbidden"
	// ReasonSecretMissing (False): there is no such Secret or key, or the syncer may not read it. Create it in the
	// namespace of the syncer, or apply deploy/host-rbac.yaml.
	ReasonSecretMissing = "SecretMissing"
	// ReasonKubeconfigRefused (False): the kubeconfig cannot be used; the message names the field, and what to use
	// instead.
	ReasonKubeconfigRefused = "KubeconfigRefused"
	// ReasonIdentityChanged (False): the kubeconfig leads to another cluster than before. Correct it, or confirm that
	// cluster by the command in the message.
	ReasonIdentityChanged = "IdentityChanged"
	// ReasonDuplicateCluster (False): another member is the same cluster; the message names it. Delete one of the two,
	// or correct its kubeconfig.
	ReasonDuplicateCluster = "DuplicateCluster"
	// ReasonNameTaken (False): a member of the configuration file has the same name, and counts instead. Remove it
	// there, or give this one another name.
	ReasonNameTaken = "NameTaken"
	// ReasonPending (Unknown): no syncer has looked at it yet. If that lasts, no replica of the syncer writes: look at
	// its pods and its log.
	ReasonPending = "Pending"
	// ReasonStarting (Unknown): its Services are being listed. Wait.
	ReasonStarting = "Starting"
	// ReasonSyncerCutOff (Unknown): it was lost together with most others, so the syncer is the likelier cause. Look at
	// the network of the syncer.
	ReasonSyncerCutOff = "SyncerCutOff"
)
