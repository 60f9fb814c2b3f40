package retry

import (
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
)

func TestTimers(t *testing.T) {
	var q Timers[federation.ServiceName]
	at := time.Unix(1000, 0)
	one, two := federation.ServiceName{Name: "one"}, federation.ServiceName{Name: "two"}
	q.Set(one, at.Add(2*time.Second))
	q.Set(two, at.Add(time.Second))
	q.Set(one, at.Add(3*time.Second)) // later: nothing new
	q.Set(two, at)                    // earlier counts
	q.Set(two, time.Time{})
	if got := q.Next(); !got.Equal(at) {
		t.Errorf("next: %s", got)
	}
	if got := q.Due(at); len(got) != 1 || got[0] != two {
		t.Errorf("due: %v", got)
	}
	if got := q.Due(at.Add(time.Second)); len(got) != 0 {
		t.Errorf("due twice: %v", got)
	}
	if got := q.Due(at.Add(time.Hour)); len(got) != 1 || got[0] != one || !q.Next().IsZero() {
		t.Errorf("due: %v", got)
	}
}
