package config

import (
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// isServerAddress reports whether text is host or host:port of a server to connect to.
func isServerAddress(text string) bool {
	if isHost(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")) && strings.HasPrefix(text, "[") == strings.HasSuffix(text, "]") {
		return true
	}
	host, port, err := net.SplitHostPort(text)
	return err == nil && isHost(host) && isPort(port, 1)
}

// isListenAddress reports whether text is [host]:port to listen at; port 0 is any.
func isListenAddress(text string) bool {
	host, port, err := net.SplitHostPort(text)
	return err == nil && (host == "" || isHost(host)) && isPort(port, 0)
}

func isPort(text string, least uint64) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n >= least
}

var hostLabel = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$`)

// isHost reports whether text is an IP address, or a host name: its last label is no number, as 10.0.0.300 is.
func isHost(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	labels := strings.Split(strings.TrimSuffix(text, "."), ".")
	for _, label := range labels {
		if !hostLabel.MatchString(label) {
			return false
		}
	}
	_, err := strconv.ParseUint(labels[len(labels)-1], 0, 64)
	return err != nil && len(text) <= 254
}
