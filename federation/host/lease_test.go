package host

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// storedLock is a Lease in an API server; this replica is "me".
type storedLock struct {
	resourcelock.Interface
	record resourcelock.LeaderElectionRecord
}

func (s *storedLock) Identity() string { return "me" }

func (s *storedLock) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	r := s.record
	return &r, nil, nil
}

func (s *storedLock) Update(_ context.Context, r resourcelock.LeaderElectionRecord) error {
	s.record = r
	return nil
}

func TestLease(t *testing.T) {
	for holder, given := range map[string]bool{"me": true, "other": false} {
		t.Run("O4 a Lease is given back only by the one that has it: "+holder, func(t *testing.T) {
			stored := &storedLock{record: resourcelock.LeaderElectionRecord{HolderIdentity: holder}}
			l := &lease{Interface: stored, abstain: &abstention{}}
			if _, _, err := l.Get(t.Context()); err != nil {
				t.Fatal(err)
			}
			err := l.Update(t.Context(), resourcelock.LeaderElectionRecord{})
			if (err == nil) != given || (stored.record.HolderIdentity == "") != given {
				t.Errorf("error %v; then %q has it", err, stored.record.HolderIdentity)
			}
		})
	}
	t.Run("O4 a Lease that has run out is taken from another one", func(t *testing.T) {
		stored := &storedLock{record: resourcelock.LeaderElectionRecord{HolderIdentity: "other"}}
		l := &lease{Interface: stored, abstain: &abstention{}, holder: "other"}
		record := resourcelock.LeaderElectionRecord{HolderIdentity: "me", LeaderTransitions: 3}
		if err := l.Update(t.Context(), record); err != nil || l.term.Load() != 3 {
			t.Errorf("error %v, term %d", err, l.term.Load())
		}
	})
	t.Run("O1e a deposed replica gets the Lease after another one had it, but not again within a minute",
		func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mine := resourcelock.LeaderElectionRecord{HolderIdentity: "me"}
				stored := &storedLock{record: mine}
				l := &lease{Interface: stored, abstain: &abstention{}}
				try := func(of string, want error) {
					t.Helper()
					stored.record = resourcelock.LeaderElectionRecord{HolderIdentity: of}
					if _, _, err := l.Get(t.Context()); err != nil {
						t.Fatal(err)
					}
					if err := l.Update(t.Context(), mine); !errors.Is(err, want) {
						t.Errorf("while %q has it: error %v, want %v", of, err, want)
					}
				}
				try("me", nil)
				l.abstain.begin(time.Now())
				try("me", errAbstaining) // it does not renew it
				if err := l.Update(t.Context(), resourcelock.LeaderElectionRecord{}); err != nil {
					t.Errorf("it is not given back: %v", err)
				}
				if err := l.Create(t.Context(), mine); !errors.Is(err, errAbstaining) {
					t.Errorf("it makes a new Lease: %v", err)
				}
				time.Sleep(time.Hour)
				try("", errAbstaining) // nobody else has had it
				try("other", nil)
				try("", nil)
				time.Sleep(relapse)
				l.abstain.begin(time.Now())
				try("other", nil) // it has had it since
				l.abstain.begin(time.Now())
				try("other", errAbstaining) // again, so soon
				try("", errAbstaining)
				time.Sleep(abstainAgain)
				try("", nil)
			})
		})
}

func TestTenure(t *testing.T) {
	for _, c := range []struct {
		before, term int32
		want         bool
	}{{7, 7, false}, {7, 8, false}, {7, 9, true}, {7, 0, true}} {
		t.Run(fmt.Sprintf("O4 term %d and then %d", c.before, c.term), func(t *testing.T) {
			if got := (Tenure{"me", c.term}).Interrupted(Tenure{"me", c.before}); got != c.want {
				t.Errorf("another one has had it between: %t", got)
			}
		})
	}
}
