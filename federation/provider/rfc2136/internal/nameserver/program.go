package nameserver

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation/provider/rfc2136"
	"github.com/federation-dns/federation/federation/provider/rfc2136/rfc2136test"
)

// Program is a name server of the distribution.
type Program struct {
	command string
	debian  string // its Debian package
	file    string // that its configuration is in
	config  func(dir string, port int) string
	args    func(config string) []string
	// prepare turns the zone file into what the program keeps its zone in; nil if that is the file.
	prepare func(dir string) error
	behind  time.Duration // its clock
	mark    string        // in the zone that it serves; "" is one of its own
}

// Behind is the program with a clock that is late, by the library of Debian's package faketime.
func (p Program) Behind(d time.Duration) Program {
	p.behind = d
	return p
}

// fakeClocks is where Debian has the library, for each architecture.
const fakeClocks = "/usr/lib/*/faketime/libfaketimeMT.so.1"

// environment is what the program gets besides this process's own. The command faketime is of no use: it starts another
// process, which would outlive it.
func (p Program) environment() ([]string, error) {
	if p.behind == 0 {
		return nil, nil
	}
	found, err := filepath.Glob(fakeClocks)
	if err != nil || len(found) == 0 {
		return nil, fmt.Errorf("%s is missing: install the Debian package faketime", fakeClocks)
	}
	return []string{"LD_PRELOAD=" + found[0], fmt.Sprintf("FAKETIME=-%ds", int(p.behind.Seconds()))}, nil
}

// keys are the keys of the suite.
var keys = []rfc2136.TSIG{rfc2136test.Key, rfc2136test.Foreign, rfc2136test.Powerless}

// BIND is named, in the foreground (-g), without a remote control and without any path outside its folder. It needs no
// root, and no -u as it binds no port below 1024. With "reuseport", its default, two of them would share a port.
var BIND = Program{
	command: "named",
	debian:  "bind9",
	file:    "named.conf",
	args:    func(config string) []string { return []string{"-g", "-4", "-n", "2", "-c", config} },
	config: func(dir string, port int) string {
		return bindConfig(dir, port, fmt.Sprintf(`	type primary;
	file "zone";
	allow-update { key %[1]q; key %[2]q; };
	allow-transfer { key %[1]q; key %[2]q; };
`, rfc2136test.Key.Name, rfc2136test.Foreign.Name))
	},
}

// BINDWithPolicy is named with this update-policy for the suite's key.
func BINDWithPolicy(policy string) Program {
	p := BIND
	p.config = func(dir string, port int) string {
		return bindConfig(dir, port, fmt.Sprintf("	type primary;\n	file \"zone\";\n	update-policy { %s "+
			"};\n	allow-transfer { key %q; };\n",
			policy, rfc2136test.Key.Name))
	}
	return p
}

// bindConfig is named.conf with that in the zone's block.
func bindConfig(dir string, port int, zone string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `options {
	directory %[1]q;
	listen-on port %[2]d { 127.0.0.1; };
	listen-on-v6 { none; };
	reuseport no;
	pid-file none;
	session-keyfile none;
	managed-keys-directory %[1]q;
	recursion no;
	dnssec-validation no;
	notify no;
};
controls { };
`, dir, port)
	for _, key := range keys {
		fmt.Fprintf(&b, "key %q { algorithm %s; secret %q; };\n", key.Name, key.Algorithm, key.Secret)
	}
	fmt.Fprintf(&b, "zone %q {\n%s};\n", rfc2136test.Zone, zone)
	return b.String()
}

// BINDSecondary is named as a secondary of the server: it forwards updates, and is never told that the zone has
// changed.
func BINDSecondary(t testing.TB, primary rfc2136test.Server) Program {
	t.Helper()
	reply, _, err := new(dns.Client).Exchange(new(dns.Msg).SetQuestion(string(rfc2136test.Zone), dns.TypeSOA),
		primary.UDP)
	if err != nil || len(reply.Answer) != 1 {
		t.Fatalf("SOA of the primary: %v, %v", err, reply)
	}
	_, port, err := net.SplitHostPort(primary.TCP)
	if err != nil {
		t.Fatal(err)
	}
	p := BIND
	p.mark, _, _ = strings.Cut(reply.Answer[0].(*dns.SOA).Mbox, ".")
	p.config = func(dir string, own int) string {
		return bindConfig(dir, own, fmt.Sprintf(`	type secondary;
	file "copy";
	primaries { 127.0.0.1 port %s key %q; };
	allow-update-forwarding { any; };
`, port, rfc2136test.Key.Name))
	}
	return p
}

// Knot is knotd. Its databases are small, as some containers limit the address space.
var Knot = Program{
	command: "knotd",
	debian:  "knot",
	file:    "knot.conf",
	args:    func(config string) []string { return []string{"-m", "16", "-c", config} },
	config: func(dir string, port int) string {
		var b strings.Builder
		fmt.Fprintf(&b, `server:
    rundir: %[1]q
    listen: 127.0.0.1@%[2]d
    udp-workers: 1
    tcp-workers: 1
control:
    listen: %[3]q
database:
    storage: %[1]q
    journal-db-max-size: 64M
    timer-db-max-size: 4M
    kasp-db-max-size: 8M
log:
  - target: stderr
    any: info
key:
`, dir, port, filepath.Join(dir, "control"))
		for _, key := range keys {
			fmt.Fprintf(&b, "  - id: %s\n    algorithm: %s\n    secret: %s\n", key.Name, key.Algorithm, key.Secret)
		}
		fmt.Fprintf(&b, `acl:
  - id: writers
    key: [%[2]s, %[3]s]
    action: [update, transfer]
zone:
  - domain: %[1]s
    storage: %[4]q
    file: zone
    acl: writers
`, rfc2136test.Zone, rfc2136test.Key.Name, rfc2136test.Foreign.Name, dir)
		return b.String()
	},
}
