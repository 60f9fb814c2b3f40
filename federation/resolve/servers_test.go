package resolve

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestParseServer(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.53": "192.0.2.53:53", "192.0.2.53:5353": "192.0.2.53:5353",
		"2001:db8::53": "[2001:db8::53]:53", "[2001:db8::53]:5353": "[2001:db8::53]:5353",
		"fe80::1%eth0": "[fe80::1%eth0]:53",
	} {
		t.Run("H4 "+text, func(t *testing.T) {
			if got, err := ParseServer(text); err != nil || got.String() != want {
				t.Errorf("is %s, %v, want %s", got, err, want)
			}
		})
	}
	for _, text := range []string{
		"", "dns.example.net", "192.0.2.53:0", "192.0.2.53:dns", "192.0.2.53:65536", ":53",
		"[2001:db8::53]", "192.0.2.53/32",
	} {
		t.Run("X7 bad "+text, func(t *testing.T) {
			if got, err := ParseServer(text); err == nil || !strings.Contains(err.Error(), "is allowed") {
				t.Errorf("is %s, %v, want an error", got, err)
			}
		})
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	write := func(t *testing.T, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(rule string, f func(t *testing.T, s *servers)) {
		t.Run(rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f(t, &servers{file: path})
			})
		})
	}
	expect := func(t *testing.T, s *servers, want ...string) {
		t.Helper()
		list, err := s.list(time.Now())
		var got []string
		for _, server := range list {
			got = append(got, server.String())
		}
		if !slices.Equal(got, want) || err != nil {
			t.Errorf("servers are %v, %v, want %v", got, err, want)
		}
	}
	run("H4 the servers of resolv.conf, as it is now", func(t *testing.T, s *servers) {
		write(t, "search example.com\nnameserver 192.0.2.53\nnameserver 2001:db8::53\noptions ndots:5\n")
		expect(t, s, "192.0.2.53:53", "[2001:db8::53]:53")
		write(t, "nameserver 192.0.2.54\n")
		time.Sleep(reloadInterval)
		expect(t, s, "192.0.2.54:53")
	})
	run("H4 a file that cannot be used leaves the servers as they were", func(t *testing.T, s *servers) {
		write(t, "nameserver 192.0.2.53\n")
		expect(t, s, "192.0.2.53:53")
		write(t, "# nothing\n")
		time.Sleep(reloadInterval)
		expect(t, s, "192.0.2.53:53")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(reloadInterval)
		expect(t, s, "192.0.2.53:53")
	})
	run("H4 no server at all is an error that names the file", func(t *testing.T, s *servers) {
		write(t, "search example.com\n")
		if list, err := s.list(time.Now()); err == nil ||
			!strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "nameserver") {
			t.Errorf("servers are %v, %v", list, err)
		}
		write(t, "nameserver 192.0.2.53\n")
		expect(t, s, "192.0.2.53:53") // at once
	})
	run("H4 a server that did not answer is asked last for a while", func(t *testing.T, s *servers) {
		write(t, "nameserver 192.0.2.53\nnameserver 192.0.2.54\n")
		expect(t, s, "192.0.2.53:53", "192.0.2.54:53")
		s.silent(netip.MustParseAddrPort("192.0.2.53:53"), time.Now())
		expect(t, s, "192.0.2.54:53", "192.0.2.53:53")
		time.Sleep(demotionTime)
		expect(t, s, "192.0.2.53:53", "192.0.2.54:53")
		s.silent(netip.MustParseAddrPort("192.0.2.53:53"), time.Now())
		s.answered(netip.MustParseAddrPort("192.0.2.53:53"))
		expect(t, s, "192.0.2.53:53", "192.0.2.54:53")
	})
}
