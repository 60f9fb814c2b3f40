package main

import (
	"bytes"
	"io"
	"log"
	"log/slog"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"
)

const (
	// logLines bounds the queue for standard error; more lines are dropped. A start, or the loss of all members, logs
	// this many at once.
	logLines = 4096
	// logFlush bounds the wait for the queue at exit.
	logFlush = time.Second
)

// logWriter writes lines to out in the background, so that a reader that has stopped (a full pipe, a stopped terminal)
// never delays the syncer (C1). Lines that do not fit are dropped, counted, and reported once out accepts lines again.
type logWriter struct {
	out     io.Writer
	lines   chan []byte
	closing chan struct{}
	closed  chan struct{}
	dropped atomic.Uint64
	report  atomic.Pointer[slog.Logger] // writes to out at once
}

func newLogWriter(out io.Writer) *logWriter {
	w := &logWriter{
		out: out, lines: make(chan []byte, logLines), closing: make(chan struct{}), closed: make(chan struct{}),
	}
	go w.run()
	return w
}

// Write queues a line. It does not block.
func (w *logWriter) Write(line []byte) (int, error) {
	select {
	case w.lines <- bytes.Clone(line):
	default:
		w.dropped.Add(1)
	}
	return len(line), nil
}

func (w *logWriter) run() {
	defer close(w.closed)
	var reported uint64
	write := func(line []byte) {
		_, _ = w.out.Write(line) // there is nowhere else to report an error
		if n := w.dropped.Load(); n != reported {
			if l := w.report.Load(); l != nil {
				l.Warn("lines of the log were dropped: standard error did not take them", "lines", n-reported)
			}
			reported = n
		}
	}
	for {
		select {
		case line := <-w.lines:
			write(line)
		case <-w.closing:
			for {
				select {
				case line := <-w.lines:
					write(line)
				default:
					return
				}
			}
		}
	}
}

// close writes the queued lines, for logFlush at most.
func (w *logWriter) close() {
	close(w.closing)
	select {
	case <-w.closed:
	case <-time.After(logFlush):
	}
}

// logger returns a logger that writes to w, and makes the libraries log to it too.
func (w *logWriter) logger(level slog.Leveler, format string) *slog.Logger {
	w.report.Store(slog.New(handler(w.out, level, format)))
	l := slog.New(handler(w, level, format))
	log.SetFlags(0)
	log.SetOutput(slog.NewLogLogger(l.Handler(), slog.LevelWarn).Writer())
	klog.SetSlogLogger(l)
	return l
}

func handler(out io.Writer, level slog.Leveler, format string) slog.Handler {
	opt := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.NewJSONHandler(out, opt)
	}
	return slog.NewTextHandler(out, opt)
}
