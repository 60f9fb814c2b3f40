package member

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/federation-dns/federation/federation"
)

// silence is how long a watch may show nothing, not even a bookmark, while the probes are answered, before the member
// is listed again (X2b). Bookmarks arrive about once a minute.
const silence = 3 * time.Minute

// unansweredFor is how long requests without an answer are not a problem of their own: the probes report them.
const unansweredFor = 10 * time.Second

// kind is a kind of watched objects.
type kind int

const (
	kindServices kind = iota
	kindSlices
	kindNodes
	kinds
)

func (k kind) String() string { return []string{"services", "endpointslices", "nodes"}[k] }

// liveness is whether the watches of a member work.
type liveness struct {
	watched  []kind
	active   [kinds]time.Time // the last event, bookmark or list of these watches; at first, when they began
	seen     [kinds]time.Time // the same, but carried over from the watches before these
	failures [kinds]failure
}

func newLiveness(now time.Time, watched ...kind) liveness {
	l := liveness{watched: watched}
	for k := range kinds {
		l.active[k], l.seen[k] = now, now
	}
	return l
}

// inherit carries over what the watches before these have seen.
func (l *liveness) inherit(before *liveness) {
	l.seen = before.seen
}

// activity records a sign of life.
func (l *liveness) activity(k kind, now time.Time) {
	l.active[k], l.seen[k] = now, now
}

// recovered clears the failure of a watch, and reports whether there was one.
func (l *liveness) recovered(k kind) bool {
	if l.failures[k].err == nil {
		return false
	}
	l.failures[k] = failure{last: l.failures[k].last}
	return true
}

// fail records that a list or a watch failed, and reports whether it is the first failure in a row, or one for another
// reason.
func (l *liveness) fail(k kind, watch bool, err error, now time.Time) (news bool) {
	f := failure{err: err, watch: watch, last: now, since: now}
	before := l.failures[k]
	news = before.err == nil || apierrors.ReasonForError(before.err) != apierrors.ReasonForError(err)
	if !news {
		f.since, f.watch = before.since, before.watch
		f.err = before.err // errors that differ only in the local port are one
	}
	l.failures[k] = f
	return news
}

// unwatched returns since when nothing has been seen of Services or EndpointSlices that cannot be listed or watched;
// zero if both can (X2d). Without Nodes only the topology is out of date.
func (l *liveness) unwatched() (since time.Time) {
	for _, k := range []kind{kindServices, kindSlices} {
		if l.failures[k].err != nil && (since.IsZero() || l.seen[k].Before(since)) {
			since = l.seen[k]
		}
	}
	return since
}

// overdue reports whether a kind has shown nothing for longer than bookmarks take.
func (l *liveness) overdue(k kind, now time.Time) bool {
	return now.Sub(l.active[k]) > silence/3
}

// silent returns a kind that has shown nothing for longer than silence, not even a failure, if there is one.
func (l *liveness) silent(now time.Time) (kind, bool) {
	for _, k := range l.watched {
		if now.Sub(l.active[k]) > silence && now.Sub(l.failures[k].last) > silence {
			return k, true
		}
	}
	return 0, false
}

// problems returns the problems of watches, one for all kinds that fail in the same way, and in which time there may be
// another; zero if never. answered says whether the last probe was.
func (l *liveness) problems(member string, now time.Time, answered bool) (
	problems []federation.Problem, next time.Duration,
) {
	var alike [kinds][]string // by the first kind that fails that way
	for k := range kinds {
		f := l.failures[k]
		if f.err == nil {
			continue
		}
		if wait := f.since.Add(unansweredFor).Sub(now); !f.refused() && (wait > 0 || !answered) {
			if wait <= 0 {
				wait = unansweredFor // check again once the probes are answered
			}
			next = wait
			continue
		}
		first := k
		for other := range k {
			if alike[other] != nil && l.failures[other].verb() == f.verb() &&
				l.failures[other].err.Error() == f.err.Error() {
				first = other
			}
		}
		alike[first] = append(alike[first], k.String())
	}
	for k, failing := range alike {
		if f := l.failures[k]; failing != nil {
			problems = append(problems, federation.Problem{
				Member: member, Reason: federation.ReasonWatchFailed,
				Detail: fmt.Sprintf("%s of member %q cannot be %s: %v",
					strings.Join(failing, ", "), member, f.verb(), f.err),
			})
		}
	}
	return problems, next
}

// failure is the last error of a watch that does not work now.
type failure struct {
	err   error // nil: it works
	watch bool  // the watch failed, not the list
	last  time.Time
	since time.Time // of the first failure for this reason
}

func (f failure) verb() string {
	if f.watch {
		return "watched"
	}
	return "listed"
}

// refused reports whether it was the API server that refused the request. The probes report requests without an answer,
// unless they are answered themselves.
func (f failure) refused() bool {
	var status apierrors.APIStatus
	return errors.As(f.err, &status)
}

// outage records that a request of the watches reached no API server. The one that answers next may be another, or have
// older data: a watch that resumes at a resource version which that server has not reached shows nothing until it has,
// and resource versions have no known order (X2b). So the member is then listed again; after a brief outage that is
// cheap.
type outage struct{ seen atomic.Bool }

// end ends the outage, and reports whether there was one.
func (o *outage) end() bool { return o.seen.Swap(false) }

// record returns a RoundTripper that records requests without an answer.
func (o *outage) record(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		res, err := next.RoundTrip(req)
		if err != nil && req.Context().Err() == nil {
			o.seen.Store(true)
		}
		return res, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
