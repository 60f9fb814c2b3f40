// Package dynupdate_test runs the suite of all providers, and what only this one does, against CoreDNS with its
// dynupdate plugin, the embedded default. It is a folder of its own because CoreDNS takes long to compile.
package dynupdate_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	_ "github.com/coredns/coredns/plugin/bind" // the plugins of the Corefile
	_ "github.com/coredns/coredns/plugin/dynupdate"
	clog "github.com/coredns/coredns/plugin/pkg/log"
	_ "github.com/coredns/coredns/plugin/transfer"
	_ "github.com/coredns/coredns/plugin/tsig"

	"github.com/federation-dns/federation/federation/provider/rfc2136/rfc2136test"
)

// starting serializes starts: CoreDNS has global state.
var starting sync.Mutex

// server is CoreDNS with one dynamic zone.
type server struct {
	rfc2136test.Server
	options  options
	file     string // the zone file
	port     string // "0" is any
	instance *caddy.Instance
}

// options are what tests change in the Corefile.
type options struct {
	database string // path; "" keeps the zone in memory
	allow    string // what the key may write; "" is everything
	limits   string // further lines of dynupdate
}

const corefile = `%[1]s:%[7]s {
	bind 127.0.0.1
	tsig {
		secret %[2]s %[3]s
		secret %[8]s %[9]s
		secret %[10]s %[11]s
		require AXFR
		require_opcode UPDATE
	}
	transfer {
		to *
	}
	dynupdate {
		file %[4]q
		%[5]s
		allow %[2]s %[6]s
		allow %[8]s * *
	}
}
`

// start runs a server until the test ends.
func start(t testing.TB, o options) *server {
	t.Helper()
	s := &server{options: o, file: filepath.Join(t.TempDir(), "zone"), port: "0"}
	s.AnyAlgorithm = true // the tsig plugin knows names and secrets only
	if err := os.WriteFile(s.file, []byte(rfc2136test.ZoneFile("hostmaster")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("CoreDNS: %v", err)
		}
	})
	if o.database != "" {
		s.Kill, s.Start = s.stop, s.run
	}
	return s
}

// corefile returns the Corefile.
func (s *server) corefile() string {
	lines, allow := s.options.limits, "* *"
	if s.options.database != "" {
		lines += fmt.Sprintf("\n\t\tdatabase %q", s.options.database)
	}
	if s.options.allow != "" {
		allow = s.options.allow
	}
	key, other, powerless := rfc2136test.Key, rfc2136test.Foreign, rfc2136test.Powerless
	return fmt.Sprintf(corefile, rfc2136test.Zone, key.Name, key.Secret, s.file, lines, allow, s.port,
		other.Name, other.Secret, powerless.Name, powerless.Secret)
}

// run starts it: at any port, or at that of before.
func (s *server) run() error {
	starting.Lock()
	defer starting.Unlock()
	caddy.Quiet, dnsserver.Quiet = true, true
	clog.Discard()
	instance, err := caddy.Start(caddy.CaddyfileInput{Contents: []byte(s.corefile()), Filepath: "Corefile",
		ServerTypeName: "dns"})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, s.corefile())
	}
	s.instance = instance
	s.UDP = instance.Servers()[0].LocalAddr().String()
	s.TCP = instance.Servers()[0].Addr().String()
	_, s.port, err = net.SplitHostPort(s.TCP)
	return err
}

// stop ends it: what runs in this process cannot be killed.
func (s *server) stop() error {
	if s.instance == nil {
		return nil
	}
	errs := append(s.instance.ShutdownCallbacks(), s.instance.Stop())
	s.instance = nil
	return errors.Join(errs...)
}
