package membercluster

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/kubeconfig"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/snapshot"
)

// steadyFailures is how many probes in a row fail before the condition of a member that was there says so: one slow
// answer is no news, and would be written twice.
const steadyFailures = 3

func condition(status metav1.ConditionStatus, reason, format string, args ...any) metav1.Condition {
	return metav1.Condition{Status: status, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// ready returns the condition Ready, without its times.
func (f facts) ready(m *v1alpha1.MemberCluster) metav1.Condition {
	no := func(reason, format string, args ...any) metav1.Condition {
		return condition(metav1.ConditionFalse, reason, format, args...)
	}
	if f.taken {
		return no(v1alpha1.ReasonNameTaken, "a member of the configuration file has this name, and counts instead: "+
			"remove it from the file, or give this one another name")
	}
	if f.spec != nil {
		return condition(metav1.ConditionUnknown, v1alpha1.ReasonPending,
			"this version of the syncer cannot use it: %v", f.spec)
	}
	if f.kubeconfig != nil {
		reason, stays := v1alpha1.ReasonKubeconfigRefused, ""
		if errors.Is(f.kubeconfig, kubeconfig.ErrNoKubeconfig) {
			reason = v1alpha1.ReasonSecretMissing
		}
		if f.answers() {
			stays = "; the kubeconfig from before stays in use until the member refuses it"
		}
		return no(reason, "%v%s", f.kubeconfig, stays)
	}
	if len(f.states) == 0 {
		return condition(metav1.ConditionUnknown, v1alpha1.ReasonPending, "the syncer is about to take it up")
	}
	state := f.worst()
	var duplicate *member.DuplicateError
	var identity *member.IdentityError
	switch {
	case errors.As(state.ProbeErr, &identity):
		return no(v1alpha1.ReasonIdentityChanged, "it is another cluster than before: the UID of its namespace "+
			"kube-system was %s. Correct its kubeconfig, or confirm: "+
			"kubectl annotate membercluster %s --overwrite %s=%s",
			identity.Known, m.Name, v1alpha1.AnnotationClusterID, identity.Is)
	case errors.As(state.ProbeErr, &duplicate):
		return no(v1alpha1.ReasonDuplicateCluster, "%q is the same cluster, or a copy of it, by the UID of its "+
			"namespace kube-system: delete one of the two, or correct its kubeconfig", duplicate.Other)
	case m.Spec.Drain:
		return no(v1alpha1.ReasonDrained, "spec.drain is set: its shards count as unhealthy")
	case state.Reach.Panic:
		return condition(metav1.ConditionUnknown, v1alpha1.ReasonSyncerCutOff,
			"it was lost together with most others: the syncer assumes that it is cut off itself, and withdraws none")
	}
	return standing(state)
}

func standing(s *snapshot.Member) metav1.Condition {
	failing := s.ProbeErr != nil && (s.Reach.Standing != policy.Present || s.Contact.Failed >= steadyFailures)
	switch {
	case failing:
		reason, text := reasonOf(s.ProbeErr), message(s.ProbeErr)
		if reason == v1alpha1.ReasonUnauthorized {
			text = "its API server does not know the account of the kubeconfig, or no longer: " + text
		}
		return condition(metav1.ConditionFalse, reason, "%s", text)
	case s.Reach.Unwatched:
		return condition(metav1.ConditionFalse, v1alpha1.ReasonForbidden, "it answers, but its Services or "+
			"EndpointSlices cannot be listed and watched: %s", watchProblem(s))
	case s.Reach.Standing == policy.Lost:
		return condition(metav1.ConditionFalse, v1alpha1.ReasonUnreachable, "its Services have not been listed yet")
	case s.Reach.Standing == policy.Starting:
		if problem := watchProblem(s); problem != "" {
			return condition(metav1.ConditionFalse, v1alpha1.ReasonForbidden, "%s", problem)
		}
		return condition(metav1.ConditionUnknown, v1alpha1.ReasonStarting, "its Services are being listed")
	}
	return condition(metav1.ConditionTrue, v1alpha1.ReasonReady, "it takes part")
}

// watchProblem returns why the member's objects cannot be listed or watched; "" if they can.
func watchProblem(s *snapshot.Member) string {
	for _, p := range s.Problems {
		if p.Reason == federation.ReasonWatchFailed {
			return p.Detail
		}
	}
	return ""
}

// worst returns the state in the federation where the member stands worst.
func (f facts) worst() *snapshot.Member {
	worst := f.states[0]
	rank := func(s *snapshot.Member) int {
		return map[policy.Standing]int{policy.Present: 0, policy.Starting: 1, policy.Lost: 2}[s.Reach.Standing]
	}
	for _, s := range f.states {
		if rank(s) > rank(worst) {
			worst = s
		}
	}
	return worst
}

func (f facts) answers() bool { return len(f.states) > 0 && f.worst().Contact.Answers() }

// reasonOf returns what a failed probe means.
func reasonOf(err error) string {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &verification), errors.As(err, &authority), errors.As(err, &name), errors.As(err, &invalid):
		return v1alpha1.ReasonCertificateInvalid
	case apierrors.IsUnauthorized(err):
		return v1alpha1.ReasonUnauthorized
	case apierrors.IsForbidden(err):
		return v1alpha1.ReasonForbidden
	}
	return v1alpha1.ReasonUnreachable
}

// Parts of the text of an error that differ from one probe to the next.
var (
	ownAddress = regexp.MustCompile(`\b(read|write) (tcp|udp) \S+->`)
	memberName = regexp.MustCompile(`^member "[^"]*": `)
	verifyTime = regexp.MustCompile(`current time \S+ is`)
)

// message returns the text of a failed probe without what changes at each one: a status must not be written for that
// (K4).
func message(err error) string {
	text := memberName.ReplaceAllString(err.Error(), "")
	text = ownAddress.ReplaceAllString(text, "$1 $2 ")
	text = verifyTime.ReplaceAllString(text, "the current time is")
	return strings.TrimSpace(text)
}
