package writer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/mirror"
)

// errBudget is why a bucket waits that would exceed the member's budget.
var errBudget = errors.New("the mirror changes more than the bytes allowed a second: it follows as fast as it may")

// foreignError is the error of an object that another syncer has written.
type foreignError struct{ object, owner string }

func (e *foreignError) Error() string {
	return fmt.Sprintf("%s is that of another syncer, with owner %q: it is left alone. "+
		"If that syncer is gone, delete it", e.object, e.owner)
}

// noted notes how a write ended that began then, and returns its error: when to write the object again, or anything if
// it concerns the member as a whole.
func (t *set) noted(ctx context.Context, at *target, began time.Time, size int, err error) error {
	if err == nil {
		t.stats.writes++
		t.stats.bytes += uint64(size)
		t.opt.Wrote(t.snapshot, size, nil)
		t.recovered(began)
		return nil
	}
	if ctx.Err() != nil {
		return err
	}
	now := time.Now()
	t.opt.Wrote(t.snapshot, size, err)
	at.failed(now, err)
	var status apierrors.APIStatus
	switch {
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), apierrors.IsNotFound(err) && at.is.version != "":
		t.reread(ctx, at)
	case apierrors.IsForbidden(err), apierrors.IsNotFound(err), apierrors.IsUnauthorized(err):
		t.pausedFor(now, refusedPause)
	case apierrors.IsTooManyRequests(err):
		seconds, _ := apierrors.SuggestsClientDelay(err)
		t.pausedFor(now, max(time.Duration(seconds)*time.Second, minPause))
	case errors.As(err, &status) && !apierrors.IsInternalError(err) && !apierrors.IsServerTimeout(err) &&
		!apierrors.IsTimeout(err) && !apierrors.IsServiceUnavailable(err):
		// this object alone is refused
	default:
		if began.Before(t.failedAt) {
			break // the same trouble as that of another request beside it
		}
		if status == nil { // no answer: another connection may have one. This ends what is on its way, too
			t.api.drop()
		}
		t.pause = min(max(2*t.pause, minPause), maxPause)
		t.pausedFor(now, t.pause)
	}
	return err
}

// pausedFor has nothing written into the member for a while.
func (w *Writer) pausedFor(now time.Time, pause time.Duration) {
	w.failedAt, w.pausedUntil = now, now.Add(pause)
}

// recovered notes that the member has taken a write that began then: one from before a failure says nothing.
func (w *Writer) recovered(began time.Time) {
	if began.After(w.failedAt) {
		w.pause, w.pausedUntil = 0, time.Time{}
	}
}

// reread reads what stands instead of what was expected. The first such write is repeated at once.
func (t *set) reread(ctx context.Context, at *target) {
	o, err := t.api.get(ctx, at.name)
	switch {
	case apierrors.IsNotFound(err):
		o = object{name: at.name}
	case err != nil:
		return
	}
	if at.knows(o) {
		at.stands(o)
	} else {
		t.found(time.Now(), at, o)
	}
	if at.wait <= minPause {
		at.retryAt, at.err = time.Time{}, nil
	}
}

// reasonOf returns why the mirror is not as it should be, in one word and in a sentence; both empty if it is.
func reasonOf(err error) (federation.Reason, string) {
	var foreign *foreignError
	switch {
	case err == nil:
		return "", ""
	case errors.Is(err, errBudget):
		return federation.ReasonMirrorBehind, err.Error()
	case errors.As(err, &foreign):
		return federation.ReasonMirrorForeign, err.Error()
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err), apierrors.IsNotFound(err):
		return federation.ReasonMirrorRefused, fmt.Sprintf("the syncer may not keep a mirror in the namespace %s of "+
			"the member: apply deploy/member-mirror-rbac.yaml there (%s)", mirror.Namespace, text(err))
	}
	return federation.ReasonMirrorFailed, text(err)
}

// text is an error without the URL, which says nothing new.
func text(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}

// sayings logs each reason once, until it has passed.
type sayings struct {
	log  *slog.Logger
	last map[string]federation.Reason // by federation
}

func (s *sayings) say(key string, reason federation.Reason, detail string) {
	if s.last == nil {
		s.last = map[string]federation.Reason{}
	}
	if s.last[key] == reason {
		return
	}
	was := s.last[key]
	s.last[key] = reason
	switch {
	case reason == "" && was != "":
		s.log.Info("the mirror is as it should be again", "federation", key)
	case reason == federation.ReasonMirrorRefused:
		s.log.Info("no mirror: everything else works without it", "federation", key, "reason", string(reason),
			"detail", detail)
	default:
		s.log.Warn("the mirror is not as it should be", "federation", key, "reason", string(reason), "detail", detail)
	}
}
