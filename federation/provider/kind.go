package provider

import "errors"

// kinds are those that an error of a provider may be of.
var kinds = []error{ErrConflict, ErrRefused, ErrNotSent, ErrUnknownOutcome, ErrUnavailable}

// KindOf returns which of the five kinds the error is of, nil for none.
func KindOf(err error) error {
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return nil
}

// Recast returns an error of the kind, whatever kind its cause is of: what an
// earlier failure means for another change is rarely of the same kind. It wraps
// everything else that the cause wraps.
func Recast(kind, cause error) error { return &recast{kind, cause} }

type recast struct{ kind, cause error }

func (e *recast) Error() string { return e.kind.Error() + ": " + e.cause.Error() }

func (e *recast) Is(target error) bool {
	for _, kind := range kinds {
		if target == kind {
			return kind == e.kind
		}
	}
	return errors.Is(e.cause, target)
}
