package resolve

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// fileEvery is how often the file is read again at most.
	fileEvery = 5 * time.Second
	// silentFor is how long a server that did not answer is asked after the others: one that is dead would delay each
	// lookup.
	silentFor = 30 * time.Second
)

// servers are who is asked, and in which order.
type servers struct {
	fixed []netip.AddrPort
	file  string

	mu      sync.Mutex
	read    time.Time // when the file was read last
	content []byte
	listed  []netip.AddrPort             // of the file
	muted   map[netip.AddrPort]time.Time // until when a server is asked last
}

// list returns the servers in the order in which they are to be asked.
func (s *servers) list(now time.Time) ([]netip.AddrPort, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.fixed
	if len(list) == 0 {
		err := s.reload(now)
		if list = s.listed; len(list) == 0 {
			return nil, err
		}
	}
	var answering, silent []netip.AddrPort
	for _, server := range list {
		if now.Before(s.muted[server]) {
			silent = append(silent, server)
		} else {
			answering = append(answering, server)
		}
	}
	return append(answering, silent...), nil
}

// reload reads the file if it was not read lately. One that cannot be used leaves the servers as they were.
func (s *servers) reload(now time.Time) error {
	if len(s.listed) > 0 && now.Before(s.read.Add(fileEvery)) {
		return nil
	}
	s.read = now
	content, err := os.ReadFile(s.file)
	if err != nil {
		return fmt.Errorf("no DNS server is known: %w", err)
	}
	if s.content != nil && bytes.Equal(content, s.content) {
		return nil
	}
	listed, err := parseFile(content)
	if err != nil {
		return fmt.Errorf("no DNS server is known: %s: %w", s.file, err)
	}
	s.content, s.listed, s.muted = content, listed, nil
	return nil
}

// parseFile returns the servers of a file in the form of resolv.conf. Lines with anything else are passed over.
func parseFile(content []byte) (list []netip.AddrPort, err error) {
	config, err := dns.ClientConfigFromReader(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	for _, text := range config.Servers {
		if a, err := netip.ParseAddr(text); err == nil {
			list = append(list, netip.AddrPortFrom(a, 53))
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no line \"nameserver ADDRESS\" is there")
	}
	return list, nil
}

// silent notes that a server did not answer.
func (s *servers) silent(server netip.AddrPort, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.muted == nil {
		s.muted = map[netip.AddrPort]time.Time{}
	}
	if slices.Contains(s.fixed, server) || slices.Contains(s.listed, server) {
		s.muted[server] = now.Add(silentFor)
	}
}

// answered notes that a server answers.
func (s *servers) answered(server netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.muted, server)
}
