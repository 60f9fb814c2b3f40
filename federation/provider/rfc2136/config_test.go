package rfc2136

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestNew(t *testing.T) {
	good := Config{Server: "192.0.2.53", Zone: "example.com.", TSIG: TSIG{Name: "Syncer", Secret: testKey.Secret}}
	t.Run("C1 defaults", func(t *testing.T) {
		p, err := New(good)
		if err != nil {
			t.Fatal(err)
		}
		c := p.config
		if c.Server != "192.0.2.53:53" || c.TSIG.Name != "syncer." || c.TSIG.Algorithm != "hmac-sha256." ||
			c.Timeout != 5*time.Second || c.MaxBatch != 400 {
			t.Errorf("configuration is %+v", c)
		}
		if p.config.Zone != "example.com." {
			t.Errorf("zone is %q", p.config.Zone)
		}
	})
	servers := map[string]string{
		"ns.example.org":     "ns.example.org:53",
		"192.0.2.53:5353":    "192.0.2.53:5353",
		"2001:db8::53":       "[2001:db8::53]:53",
		"[2001:db8::53]":     "[2001:db8::53]:53",
		"[2001:db8::53]:853": "[2001:db8::53]:853",
	}
	for server, want := range servers {
		t.Run("C1 server "+server, func(t *testing.T) {
			c := good
			c.Server = server
			p, err := New(c)
			if err != nil || p.config.Server != want {
				t.Errorf("New: %v, server is %+v, want %q", err, p, want)
			}
		})
	}
	wrong := map[string]struct {
		change func(*Config)
		want   string
	}{
		"no server":         {func(c *Config) { c.Server = "" }, "host or host:port"},
		"no zone":           {func(c *Config) { c.Zone = "" }, "zone"},
		"bad zone":          {func(c *Config) { c.Zone = "exa mple.com." }, `"exa mple.com."`},
		"no key":            {func(c *Config) { c.TSIG.Name = "" }, "name of the key is missing"},
		"bad key name":      {func(c *Config) { c.TSIG.Name = "a..b" }, `"a..b"`},
		"unknown algorithm": {func(c *Config) { c.TSIG.Algorithm = "hmac-md5" }, "hmac-sha256. "},
		"no secret":         {func(c *Config) { c.TSIG.Secret = "" }, "secret is missing"},
		"secret not base64": {func(c *Config) { c.TSIG.Secret = "top secret" }, "not base64"},
		"negative timeout":  {func(c *Config) { c.Timeout = -1 }, "negative"},
		"batch too large":   {func(c *Config) { c.MaxBatch = 401 }, "1 to 400"},
	}
	for name, tt := range wrong {
		t.Run("C1 "+name, func(t *testing.T) {
			c := good
			tt.change(&c)
			_, err := New(c)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "top secret") {
				t.Errorf("error is %v, want one that says %q", err, tt.want)
			}
		})
	}
	t.Run("X7 the secret is not printed", func(t *testing.T) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if text := fmt.Sprintf(verb, good); strings.Contains(text, good.TSIG.Secret) {
				t.Errorf("%s prints %s", verb, text)
			}
		}
	})
}
