package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
)

// stuck takes nothing until it is freed.
type stuck struct {
	free chan struct{}
	got  strings.Builder
}

func (s *stuck) Write(line []byte) (int, error) {
	<-s.free
	return s.got.Write(line)
}

func TestLogWriter(t *testing.T) {
	t.Run("C1 a reader that has stopped blocks nothing, and what is dropped is counted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			out := &stuck{free: make(chan struct{})}
			w := newLogWriter(out)
			l := slog.New(slog.NewTextHandler(w, nil))
			w.report.Store(slog.New(slog.NewTextHandler(out, nil)))
			l.Info("first")
			synctest.Wait() // it is in the hands of the writer
			for i := range 3 * logLines {
				l.Info("line", "n", i)
			}
			if n := w.dropped.Load(); n != 2*logLines {
				t.Errorf("%d lines were dropped, want %d", n, 2*logLines)
			}
			close(out.free)
			w.close()
			got := out.got.String()
			for _, want := range []string{"msg=first", "n=0\n",
				fmt.Sprintf("n=%d\n", logLines-1), fmt.Sprintf("lines=%d", 2*logLines)} {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in the log", want)
				}
			}
		})
	})
	t.Run("C1 the end does not wait for it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			out := &stuck{free: make(chan struct{})}
			w := newLogWriter(out)
			_, _ = w.Write([]byte("x\n"))
			w.close()
			close(out.free)
		})
	})
	t.Run("C1 a pipe that nobody reads", func(t *testing.T) {
		r, p, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		w := newLogWriter(p)
		line := []byte(strings.Repeat("x", 1000) + "\n")
		for range 2 * logLines {
			_, _ = w.Write(line)
		}
		if w.dropped.Load() == 0 {
			t.Error("nothing was dropped: all of it cannot have been written")
		}
		go func() { _, _ = io.Copy(io.Discard, r) }()
		w.close()
		p.Close()
	})
}
