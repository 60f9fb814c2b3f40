package propagate

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/api/v1alpha1"
)

// Retry says when a request that failed is worth another one (G9).
type Retry int

// The kinds of failures.
const (
	// Later: it may heal by itself, so it is tried again with a backoff.
	Later Retry = iota
	// OnEvent: it cannot heal by repetition; it is tried again on an event, or after a long while.
	OnEvent
	// Again: what was decided upon is not there any more. Look at once, and decide anew.
	Again
)

// Failure is what the failure of a request means.
type Failure struct {
	Reason, Message string
	Retry           Retry
	// Lacks is whether a right is missing, which then concerns the member as a whole.
	Lacks bool
	// Conflicts are the fields that other managers have; none if it is no conflict of an apply.
	Conflicts []Conflict
}

// Conflict is a field that another manager has.
type Conflict struct{ Manager, Field string }

func (c Conflict) String() string { return fmt.Sprintf("%s (%s)", c.Field, c.Manager) }

var (
	rightMissing    = regexp.MustCompile(`User "[^"]*" cannot `)
	conflictManager = regexp.MustCompile(`conflict with "([^"]*)"`)
	ownAddress      = regexp.MustCompile(`\b(read|write) (tcp|udp) \S+->`)
	immutable       = []string{"may not change once set", "field is immutable", "as indicated by `ipFamilies"}
	fieldUnknown    = regexp.MustCompile(`\.?[\w.\[\]=",:]*: field not declared in schema`)
)

// Classify returns what the failure of an apply, a patch, a GET or a delete in a member means.
func Classify(err error) Failure {
	var api apierrors.APIStatus
	if !errors.As(err, &api) {
		return Failure{Reason: v1alpha1.ReasonMemberUnreachable, Message: Steady(err)}
	}
	status := api.Status()
	text := status.Message
	refused := func(reason, format string, args ...any) Failure {
		return Failure{Reason: reason, Message: fmt.Sprintf(format, args...), Retry: OnEvent}
	}
	switch {
	case fieldUnknown.MatchString(text): // the answer is a 500
		return refused(v1alpha1.ReasonFieldUnknown, "the member does not know %s: leave the field out, or upgrade it",
			strings.TrimSuffix(fieldUnknown.FindString(text), ": field not declared in schema"))
	case apierrors.IsNotFound(err):
		if d := status.Details; d != nil && d.Kind == "namespaces" {
			return refused(v1alpha1.ReasonNamespaceMissing,
				"the namespace %s does not exist there, and the syncer creates none", d.Name)
		}
		return Failure{Retry: Again, Reason: v1alpha1.ReasonPending, Message: text}
	case apierrors.IsForbidden(err) && rightMissing.MatchString(text):
		f := refused(v1alpha1.ReasonForbidden, "%s: apply deploy/member-propagation-rbac.yaml there", text)
		f.Lacks = true
		return f
	case apierrors.IsUnauthorized(err):
		return Failure{Reason: v1alpha1.ReasonMemberUnreachable, Message: "its API server does not know the account " +
			"of the kubeconfig: " + text}
	case apierrors.IsConflict(err):
		if c := conflicts(status); len(c) > 0 {
			f := refused(v1alpha1.ReasonConflict, "%s", text)
			f.Conflicts = c
			return f
		}
		return Failure{Retry: Again, Reason: v1alpha1.ReasonPending, Message: text} // another UID or version
	case apierrors.IsInvalid(err):
		return invalid(status)
	case apierrors.IsForbidden(err), apierrors.IsBadRequest(err), apierrors.IsMethodNotSupported(err):
		return refused(v1alpha1.ReasonRefused, "%s", text)
	}
	return Failure{Reason: v1alpha1.ReasonRefused, Message: text}
}

// Steady returns the text of an error without what differs each time: a status is not written for that.
func Steady(err error) string { return ownAddress.ReplaceAllString(err.Error(), "$1 $2 ") }

func invalid(status metav1.Status) Failure {
	f := Failure{Reason: v1alpha1.ReasonRefused, Message: status.Message, Retry: OnEvent}
	matches := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(status.Message, w) })
	}
	switch {
	case matches(immutable...):
		f.Reason = v1alpha1.ReasonImmutableField
		f.Message += ": delete the Service there, or make another FederatedService"
	case matches("not configured for dual-stack"):
		f.Message += ": say ipFamilyPolicy PreferDualStack instead of RequireDualStack"
	}
	return f
}

func conflicts(status metav1.Status) (list []Conflict) {
	if status.Details == nil {
		return nil
	}
	for _, cause := range status.Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		manager := "another manager"
		if m := conflictManager.FindStringSubmatch(cause.Message); m != nil {
			manager = m[1]
		}
		list = append(list, Conflict{manager, cause.Field})
	}
	return list
}
