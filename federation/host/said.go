package host

import (
	"log/slog"
	"sync"
)

// SaidOnce logs each error once, until it is another one or has passed. It is safe for concurrent use.
type SaidOnce struct {
	log  *slog.Logger
	mu   sync.Mutex
	said map[string]string
}

// NewSaidOnce returns a SaidOnce that has logged nothing.
func NewSaidOnce(log *slog.Logger) *SaidOnce { return &SaidOnce{log: log, said: map[string]string{}} }

// Error logs, as an error, what happened to the thing called what.
func (s *SaidOnce) Error(what, text string, err error) {
	if s.news(what, err.Error()) {
		s.log.Error(text, "error", err)
	}
}

// Info does the same for what is no fault of the syncer.
func (s *SaidOnce) Info(what, text string, err error) {
	if s.news(what, err.Error()) {
		s.log.Info(text, "error", err)
	}
}

// Passed logs that what was said is over.
func (s *SaidOnce) Passed(what, text string) {
	if s.news(what, "") {
		s.log.Info(text)
	}
}

func (s *SaidOnce) news(what, text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.said[what]
	s.said[what] = text
	return before != text
}
