// Package live is where the command line gets the state of a running syncer from: its admin socket, or the pod of the
// replica that writes.
package live

import (
	"context"
	"errors"
	"fmt"

	"github.com/federation-dns/federation/federation/admin"
)

// Source is a running syncer. An error wraps ErrNoSyncer if none was found, or if it may not be asked; its text says
// what to do.
type Source interface {
	// Status returns the state of the syncer that writes, with each service.
	Status(ctx context.Context) (*admin.Status, error)
	// StatusIf returns that state as it would be with the assumption: Records are what is published, and Coming what
	// the syncer would write.
	StatusIf(ctx context.Context, a admin.Assumption) (*admin.Status, error)
	// Confirm allows exactly these changes, and returns how many of them still waited as they were shown.
	Confirm(ctx context.Context, list []admin.Waiting) (n int, err error)
	// Version returns the syncer's version; "" if the source cannot tell.
	Version(ctx context.Context) (string, error)
	// Page makes the syncer's page reachable on this machine, calls open with its URL, and returns once ctx ends, with
	// nil, or once the page cannot be reached any more. Port is the local one, 0 for any; a syncer on this machine has
	// its own.
	Page(ctx context.Context, port uint16, open func(url string)) error
	// String names the source for people.
	String() string
}

// ErrNoSyncer marks the errors of a source that reaches no syncer.
var ErrNoSyncer = errors.New("no syncer")

// noSyncer is an ErrNoSyncer with a text of its own.
type noSyncer struct{ error }

func (e noSyncer) Unwrap() []error { return []error{e.error, ErrNoSyncer} }

// Socket is a syncer on this machine, by the path of its admin socket.
type Socket string

func (s Socket) String() string { return "socket " + string(s) }

// Status implements Source. A replica that stands by has no state: that is an error, which names the one that writes.
func (s Socket) Status(ctx context.Context) (*admin.Status, error) {
	status, err := admin.FetchStatus(ctx, string(s), true)
	if err != nil {
		return nil, noSyncer{err}
	}
	return writing(status)
}

// StatusIf implements Source.
func (s Socket) StatusIf(ctx context.Context, a admin.Assumption) (*admin.Status, error) {
	status, err := admin.FetchStatusIf(ctx, string(s), a)
	if err != nil {
		return nil, noSyncer{err}
	}
	return writing(status)
}

// writing refuses the status of a replica that stands by.
func writing(status *admin.Status) (*admin.Status, error) {
	if status.Leader != "" {
		return nil, noSyncer{fmt.Errorf("this replica stands by: ask %q, which writes", status.Leader)}
	}
	return status, nil
}

// Confirm implements Source.
func (s Socket) Confirm(ctx context.Context, list []admin.Waiting) (int, error) {
	n, err := admin.Confirm(ctx, string(s), list)
	if err != nil {
		return 0, noSyncer{err}
	}
	return n, nil
}

// Version implements Source.
func (s Socket) Version(ctx context.Context) (string, error) {
	status, err := admin.FetchStatus(ctx, string(s), false)
	if err != nil {
		return "", noSyncer{err}
	}
	return status.Version, nil
}
