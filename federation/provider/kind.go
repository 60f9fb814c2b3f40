package provider

import "errors"

// kinds are the kinds of errors of a provider.
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

// Recast returns an error of the kind, whatever the kind of its cause: an earlier failure rarely has the same meaning
// for another change. It wraps everything else that the cause wraps.
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
