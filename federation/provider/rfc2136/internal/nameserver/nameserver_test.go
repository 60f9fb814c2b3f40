package nameserver

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/federation-dns/federation/federation/provider/rfc2136/rfc2136test"
	"github.com/federation-dns/federation/test/needs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStart(t *testing.T) {
	for _, program := range []Program{BIND, Knot, PowerDNS} {
		t.Run("a port in use is told from other failures, "+program.command, func(t *testing.T) {
			s := Start(t, program)
			_, port, err := net.SplitHostPort(s.TCP)
			if err != nil {
				t.Fatal(err)
			}
			dir, err := os.MkdirTemp("", program.command+"-")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			second := &nameserver{program: program, dir: dir, mark: "second"}
			if second.path, err = program.find(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "zone"), []byte(rfc2136test.ZoneFile(second.mark)),
				0o600); err != nil {
				t.Fatal(err)
			}
			if program.prepare != nil {
				if err := program.prepare(dir); err != nil {
					t.Fatal(err)
				}
			}
			if second.port, err = strconv.Atoi(port); err != nil {
				t.Fatal(err)
			}
			if err := second.start(); !errors.Is(err, errInUse) {
				t.Errorf("error is %v\n%s", err, second.log())
			}
			if err := second.kill(); err != nil {
				t.Error(err)
			}
		})
	}
	for _, program := range []Program{PowerDNS, PowerDNS.Behind(time.Minute), Knot.Behind(time.Minute)} {
		t.Run(fmt.Sprintf("nothing is left of a killed program, %s, %v behind", program.command, program.behind),
			func(t *testing.T) {
				s := Start(t, program)
				if err := s.Kill(); err != nil {
					t.Fatal(err)
				}
				if conn, err := net.DialTimeout("tcp", s.TCP, time.Second); err == nil {
					conn.Close()
					t.Error("its port is still open")
				}
			})
	}
	t.Run("a missing program names its package", func(t *testing.T) {
		_, err := Program{command: "no-such-name-server", debian: "a-package"}.find(t.TempDir())
		if err == nil || !strings.Contains(err.Error(), "a-package") {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("a configuration that does not load is an error at once", func(t *testing.T) {
		wrong := BIND
		needs.Program(t, wrong.command, wrong.debian)
		wrong.config = func(string, int) string { return "nonsense" }
		n := &nameserver{program: wrong, dir: t.TempDir()}
		var err error
		if n.path, err = wrong.find(n.dir); err != nil {
			t.Fatal(err)
		}
		if err := n.start(); err == nil || !strings.Contains(err.Error(), "has ended") {
			t.Errorf("error is %v", err)
		}
	})
}
