package join

// earlyUnjoin are errors of unjoin without a syncer.
func (s *system) earlyUnjoin(seen texts) {
	s.refused(seen, refusal{"the syncer cannot be asked", "unjoin a --member-context member --yes", 2,
		"the syncer, which is to remove the records, cannot be asked: ..."})
}

// unjoins are errors of unjoin. The file of the syncer has filed, and the host another cluster, as other.
func unjoins() []refusal {
	return []refusal{
		{"no context of the member that leaves", "unjoin other", 2,
			"--member-context is required: the context of the member, where its account is deleted; --force leaves " +
				"it there"},
		{"there is no such member", "unjoin a --member-context member --yes", 1,
			`no such member "a": the host has no MemberCluster and no Secret of it, and the syncer no records ` +
				"(kubectl federation clusters lists the members)"},
		{"the context is another member", "unjoin other --member-context member --yes", 1,
			`the member SERVER (context member) is not "other": its id is ID, and that of the member is another`},
		{"the member does not answer", "unjoin other --member-context away --yes", 2,
			"the member https://192.0.2.1:1 (context away) does not answer: dial tcp 192.0.2.1:1: connect: " +
				"connection refused. Is this the context that you mean, and does kubectl reach it from here?" +
				" (--force leaves its account there)"},
		{"it is in the file of the syncer", "unjoin filed --member-context bare --yes", 1,
			`"filed" is a member of the syncer's configuration file: delete its entry there, and let its records go ` +
				"by kubectl federation confirm"},
		{"you have no rights in the member that leaves", "unjoin other --member-context reader --yes", 1,
			"the member SERVER (context reader) refuses: ... To join a cluster, or to unjoin it, takes the rights of " +
				"its admin (--force leaves its account there)"},
		{"the answer is no", "unjoin other --force", 1, "not confirmed: nothing was changed"},
	}
}
