package config

import (
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// isServerAddress reports whether text is a host or host:port to connect to.
func isServerAddress(text string) bool {
	if isHost(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")) &&
		strings.HasPrefix(text, "[") == strings.HasSuffix(text, "]") {
		return true
	}
	host, port, err := net.SplitHostPort(text)
	return err == nil && isHost(host) && isPort(port, 1)
}

// isListenAddress reports whether text is a [host]:port to listen on; port 0 means any.
func isListenAddress(text string) bool {
	host, port, err := net.SplitHostPort(text)
	return err == nil && (host == "" || isHost(host)) && isPort(port, 0)
}

// isLoopbackAddress reports whether text is host:port with a loopback host; port 0 means any.
func isLoopbackAddress(text string) bool {
	host, port, err := net.SplitHostPort(text)
	addr, _ := netip.ParseAddr(host)
	return err == nil && isPort(port, 0) && (host == "localhost" || addr.IsLoopback())
}

func isPort(text string, least uint64) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n >= least
}

var hostLabel = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$`)

// isHost reports whether text is an IP address or a host name, whose last label is not a number: 10.0.0.300 is neither.
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
