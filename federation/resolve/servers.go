package resolve

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// reloadInterval is how often the file is read, at most.
	reloadInterval = 5 * time.Second
	// demotionTime is how long a server that did not respond is asked after the others: if it is dead, it would delay
	// each lookup.
	demotionTime = 30 * time.Second
)

// servers are the servers to ask, and their order.
type servers struct {
	fixed []netip.AddrPort
	file  string

	mu      sync.Mutex
	read    time.Time // when the file was last read
	content []byte
	listed  []netip.AddrPort             // in the file
	demoted map[netip.AddrPort]time.Time // until when a server is asked after the others
}

// list returns the servers in the order in which to ask them.
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
	var preferred, demoted []netip.AddrPort
	for _, server := range list {
		if now.Before(s.demoted[server]) {
			demoted = append(demoted, server)
		} else {
			preferred = append(preferred, server)
		}
	}
	return append(preferred, demoted...), nil
}

// reload reads the file unless it was read recently. A file without servers changes nothing.
func (s *servers) reload(now time.Time) error {
	if len(s.listed) > 0 && now.Before(s.read.Add(reloadInterval)) {
		return nil
	}
	s.read = now
	content, err := os.ReadFile(s.file)
	if err != nil {
		return fmt.Errorf("no known DNS server: %w", err)
	}
	if s.content != nil && bytes.Equal(content, s.content) {
		return nil
	}
	listed, err := parseFile(content)
	if err != nil {
		return fmt.Errorf("no known DNS server: %s: %w", s.file, err)
	}
	s.content, s.listed, s.demoted = content, listed, nil
	return nil
}

// parseFile returns the servers of a file in resolv.conf format, and ignores lines that it does not understand.
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
		return nil, errors.New(`it has no line "nameserver ADDRESS"`)
	}
	return list, nil
}

// silent records that a server did not respond.
func (s *servers) silent(server netip.AddrPort, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.demoted == nil {
		s.demoted = map[netip.AddrPort]time.Time{}
	}
	if slices.Contains(s.fixed, server) || slices.Contains(s.listed, server) {
		s.demoted[server] = now.Add(demotionTime)
	}
}

// answered records that a server responded.
func (s *servers) answered(server netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.demoted, server)
}
