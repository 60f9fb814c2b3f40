package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/federation-dns/federation/federation/kubeconfig"
)

// Untested is a finding that it could not be tested, and why (CK3). A missing right is named, with the rule that grants
// it (B3).
func Untested(subject string, err error) Finding {
	return Finding{Subject: subject, Outcome: Unknown, Text: "could not be tested: " + Reason(err),
		Remedy: missingRight(err)}
}

// Reason is the text of an error for people: a time-out says so.
func Reason(err error) string {
	switch {
	case errors.Is(err, kubeconfig.ErrStuck):
		return err.Error()
	case TimedOut(err):
		return fmt.Sprintf("no answer within %v", RequestTimeout)
	case errors.Is(err, context.Canceled):
		return "it was interrupted"
	}
	return err.Error()
}

// TimedOut reports whether the error is that something has not answered in time.
func TimedOut(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() ||
		apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err)
}

// cannot is how an API server says which right is missing.
var cannot = regexp.MustCompile(
	`cannot (\w+) resource "([^"]+)" in API group "([^"]*)"(?: in the namespace "([^"]+)")?`)

// missingRight returns the rule that grants what a server has refused with 403; "" if the error is another one.
func missingRight(err error) string {
	if err == nil || !apierrors.IsForbidden(err) {
		return ""
	}
	m := cannot.FindStringSubmatch(err.Error())
	if m == nil {
		return ""
	}
	where := "the rule that you lack, in a ClusterRole"
	if m[4] != "" {
		where = "the rule that you lack, in a Role in namespace " + m[4]
	}
	return where + ":\n" + Command + RuleLine(m[3], m[2], m[1])
}

// RuleLine is a rule of a Role, as a line to paste into its rules (B3).
func RuleLine(group, resource, verb string) string {
	return fmt.Sprintf("- {apiGroups: [%q], resources: [%s], verbs: [%s]}", group, resource, verb)
}
