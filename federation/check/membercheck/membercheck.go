// Package membercheck has the checks of each member: whether the syncer reaches it, with which credentials and rights,
// whether it keeps a mirror there, and what the member's clock, its Nodes and its version are.
package membercheck

import "github.com/federation-dns/federation/federation/check"

// rbac is the command that gives the syncer's account in a member the rights that it needs.
const rbac = "$ kubectl --context <{{.Subject}}> apply -f deploy/member-rbac.yaml"

// Checks returns the checks, in the order in which they are shown.
func Checks() []check.Check {
	return []check.Check{
		{
			ID: "member-secret", Category: check.Members, Severity: check.SeverityFail,
			Title: "each MemberCluster has its Secret, with a kubeconfig that the syncer uses",
			About: "Reads the Secret of each MemberCluster as the syncer does. A kubeconfig that would have the " +
				"syncer run a program, read a file, follow a proxy, act as somebody else or trust any certificate " +
				"is refused: the field is named. The syncer itself needs the right to list and watch the Secrets " +
				"of its namespace.",
			Remedy: "make the Secret again\n" +
				"$ kubectl federation join {{.Subject}} --member-context CONTEXT",
			Run: secret,
		},
		{
			ID: "member-reachable", Category: check.Members, Severity: check.SeverityFail,
			Title: "the syncer reaches the API server of each member",
			About: "Asks the syncer, as yours is another way to the member. The text says how far it comes: no " +
				"connection, no trust in the certificate, an account that the member does not know, or an answer " +
				"that is no success.",
			Remedy: "try it from where the syncer runs\n" +
				"$ kubectl federation clusters -o wide",
			Run: reachable,
		},
		{
			ID: "member-identity", Category: check.Members, Severity: check.SeverityFail,
			Title: "each member is one cluster, and still the same one",
			About: "The UID of the namespace kube-system identifies a cluster. Two members of one cluster would " +
				"count its shards twice, and a kubeconfig that leads to another cluster than before may be a " +
				"mistake, or a cluster that was made anew: it waits for a confirmation.",
			Remedy: "leave out one of the two, or correct its kubeconfig\n" +
				"$ kubectl get memberclusters",
			Run: identity,
		},
		{
			ID: "member-rbac", Category: check.Members, Severity: check.SeverityFail,
			Title: "the syncer's account in each member has the rights that it needs",
			About: "Asks the member, with the syncer's own credentials, for each right of deploy/member-rbac.yaml; " +
				"Nodes only if the MemberCluster has no topology. What is missing is printed as the rule. A member " +
				"of the file is seen as the syncer sees it.",
			Remedy: rbac,
			Run:    rights,
		},
		{
			ID: "member-rbac-excess", Category: check.Members, Severity: check.SeverityWarn,
			Title: "the syncer's account in each member has no other rights",
			About: "Asks the member, with the syncer's own credentials, for all rights that these have, and leaves " +
				"out those that every account has. Whoever gets hold of the host's Secrets can do all that these " +
				"accounts can do.",
			Remedy: "find the binding that grants it, and give the account the rights of deploy/member-rbac.yaml " +
				"only\n" +
				"$ kubectl --context <{{.Subject}}> get clusterrolebindings,rolebindings -A -o wide",
			Run: excess,
		},
		{
			ID: "member-token", Category: check.Members, Severity: check.SeverityWarn,
			Title: "the credentials for each member are those of an account of its own, and last",
			About: "Looks at the credentials in the Secret, and asks the member whose they are. A token or a " +
				"certificate that ends within 30 days will take the member out of DNS on that day; the credentials " +
				"of a person, or of an administrator, can do more than read, and go with the person.",
			Remedy: "give the member a token of its own account\n" +
				"$ kubectl federation join {{.Subject}} --member-context CONTEXT --rotate",
			Run: token,
		},
		{
			ID: "mirror-fresh", Category: check.Members, Severity: check.SeverityFail,
			Title: "the mirror in each member is fresh and complete",
			About: "Asks the syncer, which renews the heartbeat of each member's mirror every 5 seconds: one that is " +
				"older than 15 seconds does not count. Pods are then told by DNS, which takes as long as resolvers " +
				"keep the old answer: a warning. Without a DNS provider nothing else tells them: a failure.",
			Remedy: "docs/mirror.md says what follows from each reason; the log of the syncer has more\n" +
				"$ kubectl federation clusters -o wide",
			Run: mirrorFresh,
		},
		{
			ID: "mirror-rights", Category: check.Members, Severity: check.SeverityFail,
			Title: "the syncer's account in each member may keep the mirror there, and nothing else in its namespace",
			About: "Asks the member, with the syncer's own credentials, for each right of " +
				"deploy/member-mirror-rbac.yaml in the namespace federation-mirror, and for all that they may do " +
				"there beyond it. It is a failure where there is no DNS provider, and otherwise a warning. A member " +
				"that has joined with --mirror=false is to have none.",
			Remedy: "give the account the rights of deploy/member-mirror-rbac.yaml only\n" +
				"$ kubectl --context <{{.Subject}}> -n federation-mirror get rolebindings -o wide",
			Run: mirrorRights,
		},
		{
			ID: "member-clock", Category: check.Members, Severity: check.SeverityWarn,
			Title: "the clock of each member is right within 30 seconds",
			About: "Compares the date that the member's API server answers with, with that of the host's. Tokens " +
				"and certificates are valid from one time to another, so a clock that is wrong refuses them.",
			Remedy: "look at the time synchronisation (NTP) of the control plane of {{.Subject}}",
			Run:    clock,
		},
		{
			ID: "member-topology", Category: check.Members, Severity: check.SeverityWarn,
			Title: "each member says where it is",
			About: "Lists the Nodes of each member, with the syncer's own credentials: each has to have a region " +
				"and a topology zone, as DNS labels, and all have to be in one region. A member whose " +
				"MemberCluster has a topology needs none of it. What the syncer reports is shown too: a label that " +
				"stands for two places has no records of its own.",
			Remedy: "label the Nodes, or set topology in the MemberCluster or in the file\n" +
				"$ kubectl --context <{{.Subject}}> label node NODE topology.kubernetes.io/region=REGION " +
				"topology.kubernetes.io/zone=ZONE",
			Run: topology,
		},
		{
			ID: "member-version", Category: check.Members, Severity: check.SeverityWarn,
			Title: "each member has a supported version of Kubernetes",
			About: "Compares the version of each API server with docs/support.md. Older ones are likely to work; " +
				"nobody has tried it.",
			Remedy: "docs/support.md says which versions are tested; upgrade {{.Subject}}, or the syncer if it is " +
				"newer",
			Run: version,
		},
	}
}
