package main

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation/admin"
)

// lockedBuffer is written by a verb while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// await waits until the buffer has the text.
func (l *lockedBuffer) await(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(l.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%q does not come:\n%s", text, l)
		}
	}
}

func TestWatch(t *testing.T) {
	t.Run("V4 a watch prints what changes, and nothing else", func(t *testing.T) {
		var status atomic.Pointer[admin.Status]
		status.Store(testStatus())
		socket := serve(t, &fakeSyncer{status: status.Load})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var out lockedBuffer
		cmd := rootCommand("kubectl federation", func() time.Time { return start })
		cmd.SetArgs([]string{"services", "-n", "shop", "--watch", "--socket", socket})
		cmd.SetOut(&out)
		done := make(chan error, 1)
		go func() { done <- cmd.ExecuteContext(ctx) }()
		out.await(t, "unpublished")
		next := testStatus()
		next.Federations[0].Services[1].Held = nil
		status.Store(next)
		out.await(t, "cart  published")
		cancel()
		if err := <-done; err != nil {
			t.Errorf("an interrupted watch ends with %v", err)
		}
		if n := strings.Count(out.String(), "\n"); n != 4 {
			t.Errorf("%d lines, want the headings, two services, and one again:\n%s", n, &out)
		}
	})
}
