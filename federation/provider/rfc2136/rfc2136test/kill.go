package rfc2136test

import (
	"fmt"
	"testing"

	"github.com/federation-dns/federation/federation"
)

const (
	// kills is how often the server is killed.
	kills = 3
	// between is how many changes are made between two kills.
	between = 20
)

// testKilled kills the server while changes are made, and starts it again. The provider goes on by itself; nothing that
// was confirmed is lost.
func testKilled(t *testing.T, s *suite) {
	if s.server.Kill == nil {
		t.Log("this server does not keep its zone")
		return
	}
	other := change(nil, addresses("other", "192.0.2.99", "2001:db8::99"))
	s.must(other)
	w := &writer{suite: s}
	for range kills {
		for range between {
			w.next()
		}
		restarted := make(chan error, 1)
		go func() {
			err := s.server.Kill()
			if err == nil {
				err = s.server.Start()
			}
			restarted <- err
		}()
		for running := true; running; {
			w.next()
			select {
			case err := <-restarted:
				if err != nil {
					t.Fatal(err)
				}
				running = false
			default:
			}
		}
	}
	for range between {
		w.next()
	}
	t.Logf("%d changes, %d errors, %d restarts", w.made, w.opens, kills)
	if w.opens == 0 {
		t.Error("no change met the server down: the test shows nothing")
	}
	s.has(change(w.now, nil), w.now)
	s.has(other, other.To)
}

// writer switches a name between addresses and CNAME.
type writer struct {
	*suite
	now         []federation.RRset
	made, opens int
}

func (w *writer) next() {
	w.t.Helper()
	to := alias("nginx", "nginx.example.org.")
	if w.made%2 == 0 {
		to = addresses("nginx", fmt.Sprintf("192.0.2.%d", w.made%250+1), fmt.Sprintf("2001:db8::%x", w.made+1))
	}
	opens, err := w.settle(change(w.now, to))
	if err != nil {
		w.t.Fatalf("change %d: %v", w.made, err)
	}
	w.now = to
	w.made++
	w.opens += opens
}
