package propagate

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/federation-dns/federation/api/v1alpha1"
)

// Action is a request to a member's API server, or none.
type Action int

// The actions.
const (
	// Stop: there is nothing to do. If the Step has a Reason, the Service is not as it is to be.
	Stop Action = iota
	// Create applies Body, which creates a Service or is refused: the answer is 409 if there is one, whosever it is.
	// Then a GET tells what to ask Next with.
	Create
	// Apply applies Body without force. On a conflict Contest says whether to force it.
	Apply
	// Patch sends the JSON patch in Body.
	Patch
	// Delete deletes the Service with the UID and ResourceVersion of the Step.
	Delete
)

// Step is the next thing to do with a Service in a member.
type Step struct {
	Action          Action
	Body            []byte
	UID             types.UID
	ResourceVersion string
	// Reason and Message say why a Stop is not the end that was wanted; "" if it is.
	Reason, Message string
	// Last is whether nothing is left to do once the request has succeeded.
	Last bool
}

func stop(reason, format string, args ...any) Step {
	return Step{Action: Stop, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// marks returns which annotation of a Service has the mark; "" if none does.
func marks(have *corev1.Service, mark Mark) string {
	for _, key := range []string{AnnotationCreatedBy, AnnotationAdoptedBy} {
		if have.Annotations[key] == string(mark) {
			return key
		}
	}
	return ""
}

// Next returns the next step towards a Service as it is wanted. have is what a GET in the member has just answered, or
// the step before: nil if there is no such Service, or none is known of.
func Next(want *Want, have *corev1.Service) (Step, error) {
	if have == nil {
		body, err := want.body(AnnotationCreatedBy, "")
		return Step{Action: Create, Body: body, Last: true}, err
	}
	mark := marks(have, want.Mark)
	if have.DeletionTimestamp != nil {
		if mark == "" {
			return want.notOurs(have), nil
		}
		return stop(v1alpha1.ReasonPending, "the Service is being deleted there, and created again afterwards"), nil
	}
	if mark != "" {
		body, err := want.body(mark, have.UID)
		return Step{Action: Apply, Body: body, UID: have.UID, Last: true}, err
	}
	if !want.Adopt || MarkOf(have.Annotations) != "" {
		return want.notOurs(have), nil
	}
	if by := appliers(have); len(by) > 0 {
		return stop(v1alpha1.ReasonConflict, "managed by %s: let it leave this Service, or label it with %s=%s "+
			"instead of adopting it", strings.Join(by, ", "), LabelFederation, want.Federation), nil
	}
	body, err := adopt(want.Mark, have)
	return Step{Action: Patch, Body: body, UID: have.UID}, err
}

// notOurs says whose a Service is, and what can be done (G5).
func (w *Want) notOurs(have *corev1.Service) Step {
	if other := MarkOf(have.Annotations); other != "" {
		return stop(v1alpha1.ReasonNotOurs, "the Service there belongs to %q: give one of the two another name", other)
	}
	by := "a Service of this name exists there"
	if managers := specManagers(have); len(managers) > 0 {
		by += ", managed by " + strings.Join(managers, ", ")
	}
	return stop(v1alpha1.ReasonNotOurs, "%s: delete it there, or set spec.adopt to take it over", by)
}

// Remove returns the next step towards a member without the Service that the mark is of: one that we created is
// deleted, one that we adopted is given back (G6, G7).
func Remove(mark Mark, have *corev1.Service) (Step, error) {
	if have == nil || have.DeletionTimestamp != nil {
		return Step{}, nil
	}
	which := marks(have, mark)
	switch which {
	case "":
		return Step{}, nil
	case AnnotationCreatedBy:
		return Step{Action: Delete, UID: have.UID, ResourceVersion: have.ResourceVersion, Last: true}, nil
	}
	body, err := giveBack(mark, have)
	return Step{Action: Patch, Body: body, UID: have.UID, Last: true}, err
}
