// Package nameserver runs name servers of the distribution for tests: on loopback, on a port that the kernel picks, in
// a temporary folder each.
package nameserver

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation/provider/rfc2136/rfc2136test"
	"github.com/federation-dns/federation/test/needs"
)

const (
	// startTime is how long a start may take.
	startTime = 20 * time.Second
	// ports is how many ports are tried.
	ports = 5
	// logTail is how much of the log is shown when a test has failed.
	logTail = 4000
)

// errInUse is the error of a start whose port was taken meanwhile.
var errInUse = errors.New("the port is in use")

// inUse is what BIND, Knot and PowerDNS log when they cannot bind their port.
var inUse = regexp.MustCompile(`[aA]ddress (already )?in use`)

// nameserver is a running server.
type nameserver struct {
	program Program
	path    string // of the executable
	dir     string
	mark    string // in its SOA record
	port    int
	process *process
}

// Start runs the program until the test ends. If the test has failed by then, it shows the end of the program's log.
func Start(t testing.TB, program Program) rfc2136test.Server {
	t.Helper()
	needs.Program(t, program.command, program.debian)
	// Not t.TempDir: the path of a socket has 107 octets at most.
	dir, err := os.MkdirTemp("", program.command+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	n := &nameserver{program: program, dir: dir, mark: cmp.Or(program.mark, filepath.Base(dir))}
	if n.path, err = program.find(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "zone"), []byte(rfc2136test.ZoneFile(n.mark)), 0o600); err != nil {
		t.Fatal(err)
	}
	if program.prepare != nil {
		if err := program.prepare(dir); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		_ = n.kill() // it may have been killed
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", program.command, n.log())
		}
	})
	for range ports {
		if n.port, err = freePort(); err != nil {
			break
		}
		if err = n.start(); !errors.Is(err, errInUse) {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return rfc2136test.Server{UDP: n.addr(), TCP: n.addr(), Kill: n.kill, Start: n.restart}
}

// find returns the path of the executable.
func (p Program) find(dir string) (string, error) {
	path, err := exec.LookPath(p.command)
	if err != nil {
		path, err = exec.LookPath(filepath.Join("/usr/sbin", p.command))
	}
	if err != nil {
		return "", fmt.Errorf("the program %s is missing: install the Debian package %s", p.command, p.debian)
	}
	// A profile of AppArmor, which the package may bring, is bound to the path of the executable and allows no other
	// folders; a copy has none.
	if enabled, err := os.ReadFile("/sys/module/apparmor/parameters/enabled"); err != nil ||
		!bytes.HasPrefix(enabled, []byte("Y")) {
		return path, nil
	}
	executable, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, p.command)
	return path, os.WriteFile(path, executable, 0o700)
}

// freePort returns a port that is free for UDP and TCP just now.
func freePort() (int, error) {
	for range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		port := l.Addr().(*net.TCPAddr).Port
		u, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		l.Close()
		if err == nil {
			_ = u.Close()
			return port, nil
		}
	}
	return 0, fmt.Errorf("no port is free for both UDP and TCP on 127.0.0.1")
}

func (n *nameserver) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(n.port)) }

func (n *nameserver) logFile() string { return filepath.Join(n.dir, "log") }

// log returns the end of the log.
func (n *nameserver) log() string {
	text, err := os.ReadFile(n.logFile())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-logTail):])
}

// start starts the program on n.port and waits until it serves the zone.
func (n *nameserver) start() error {
	config := filepath.Join(n.dir, n.program.file)
	if err := os.WriteFile(config, []byte(n.program.config(n.dir, n.port)), 0o600); err != nil {
		return err
	}
	begin := len(n.wholeLog())
	env, err := n.program.environment()
	if err != nil {
		return err
	}
	process, err := startProcess(n.logFile(), env, n.path, n.program.args(config)...)
	if err != nil {
		return err
	}
	n.process = process
	for deadline := time.Now().Add(startTime); ; {
		ended := false
		select {
		case <-process.ended:
			ended = true
		case <-time.After(5 * time.Millisecond):
		}
		// BIND logs it and goes on, Knot and PowerDNS end.
		if inUse.Match(n.wholeLog()[begin:]) {
			return errors.Join(errInUse, n.kill())
		}
		if ended {
			return fmt.Errorf("%s has ended: %w", n.program.command, process.err)
		}
		err := n.serves()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not serve the zone after %v: %w", n.program.command, startTime, err)
		}
	}
}

func (n *nameserver) wholeLog() []byte {
	text, err := os.ReadFile(n.logFile())
	if err != nil {
		return nil // not there yet
	}
	return text
}

// serves says why the zone is not served, by this very server, over UDP and TCP.
func (n *nameserver) serves() error {
	for _, network := range []string{"udp", "tcp"} {
		client := &dns.Client{Net: network, Timeout: time.Second}
		reply, _, err := client.Exchange(new(dns.Msg).SetQuestion(string(rfc2136test.Zone), dns.TypeSOA), n.addr())
		if err != nil {
			return fmt.Errorf("over %s: %w", network, err)
		}
		if len(reply.Answer) != 1 || reply.Answer[0].(*dns.SOA).Mbox != n.mark+"."+string(rfc2136test.Zone) {
			return fmt.Errorf("over %s: %v", network, reply)
		}
	}
	return nil
}

// kill ends the program with SIGKILL.
func (n *nameserver) kill() error {
	if n.process == nil {
		return nil
	}
	process := n.process
	n.process = nil
	return process.kill()
}

// restart starts the killed program again, on the same port.
func (n *nameserver) restart() error {
	for deadline := time.Now().Add(startTime); ; {
		err := n.start()
		if !errors.Is(err, errInUse) || time.Now().After(deadline) {
			return err
		}
	}
}
