package rfc2136

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
)

const (
	defaultTimeout = 5 * time.Second
	// maxRRsets is the most RRsets in one message, and the default.
	maxRRsets = 400
)

// Config says which server, zone and key.
type Config struct {
	// Server is the primary: host or host:port; the port defaults to 53.
	Server string
	// Zone is the zone that the updates name. It may be a parent of the domain.
	Zone federation.FQDN
	// TSIG is the key that signs every message.
	TSIG TSIG
	// Timeout is how long a connection attempt and each reply may take; 0 is 5 s.
	Timeout time.Duration
	// MaxBatch is the most RRsets in one message, at most 400; 0 is 400.
	MaxBatch int
}

// TSIG is a key of a name server (RFC 8945). It never prints its secret.
type TSIG struct {
	// Name of the key, with or without trailing dot.
	Name string
	// Algorithm is hmac-sha1, hmac-sha224, hmac-sha256 (the default), hmac-sha384 or hmac-sha512.
	Algorithm string
	// Secret in base64.
	Secret string
}

// String returns the name and the algorithm.
func (t TSIG) String() string { return fmt.Sprintf("%s (%s)", t.Name, t.Algorithm) }

// GoString is String.
func (t TSIG) GoString() string { return t.String() }

// MarshalText is String, for encoders.
func (t TSIG) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// checked returns the configuration with its defaults and canonical names, or says which field is wrong and what is
// allowed.
func (c Config) checked() (Config, error) {
	zone, err := federation.ParseFQDN(string(c.Zone))
	if err != nil {
		return c, fmt.Errorf("zone: %w", err)
	}
	c.Zone = zone
	if c.Server, err = serverAddress(c.Server); err != nil {
		return c, err
	}
	if c.TSIG, err = c.TSIG.checked(); err != nil {
		return c, err
	}
	switch {
	case c.Timeout == 0:
		c.Timeout = defaultTimeout
	case c.Timeout < 0:
		return c, fmt.Errorf("timeout %v is negative", c.Timeout)
	}
	switch {
	case c.MaxBatch == 0:
		c.MaxBatch = maxRRsets
	case c.MaxBatch < 0 || c.MaxBatch > maxRRsets:
		return c, fmt.Errorf("max batch %d: 1 to %d RRsets are allowed", c.MaxBatch, maxRRsets)
	}
	return c, nil
}

func serverAddress(server string) (string, error) {
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		host, port = strings.Trim(server, "[]"), "53"
	}
	if host == "" || port == "" || strings.Count(host, ":") == 1 {
		return "", fmt.Errorf("server %q: host or host:port is allowed, [address]:port for IPv6", server)
	}
	return net.JoinHostPort(host, port), nil
}

func (t TSIG) checked() (TSIG, error) {
	if t.Name == "" {
		return t, fmt.Errorf("tsig: the name of the key is missing")
	}
	if _, ok := dns.IsDomainName(t.Name); !ok {
		return t, fmt.Errorf("tsig: key name %q is not a domain name", t.Name)
	}
	t.Name = dns.CanonicalName(t.Name)
	if t.Algorithm == "" {
		t.Algorithm = "hmac-sha256"
	}
	algorithm := dns.CanonicalName(t.Algorithm)
	if hashes[algorithm] == nil {
		allowed := slices.Sorted(maps.Keys(hashes))
		return t, fmt.Errorf("tsig: key %q: unknown algorithm %q: %s are allowed", t.Name, t.Algorithm,
			strings.Join(allowed, " "))
	}
	t.Algorithm = algorithm
	t.Secret = strings.TrimSpace(t.Secret)
	secret, err := base64.StdEncoding.DecodeString(t.Secret)
	if err != nil {
		// The decoder's error is left out: it shows parts of the secret.
		return t, fmt.Errorf("tsig: key %q: the secret is not base64", t.Name)
	}
	if len(secret) == 0 {
		return t, fmt.Errorf("tsig: key %q: the secret is missing", t.Name)
	}
	return t, nil
}
