package nameserver

import (
	"fmt"
	"path/filepath"
	"strings"

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
	// prepare turns the zone file into what the program keeps its zone in; nil
	// if that is the file.
	prepare func(dir string) error
}

// keys are the keys of the suite.
var keys = []rfc2136.TSIG{rfc2136test.Key, rfc2136test.Foreign, rfc2136test.Powerless}

// BIND is named, in the foreground (-g), without a remote control and without
// any path outside its folder. It needs no root, and no -u as it binds no port
// below 1024. With "reuseport", its default, two of them would share a port.
var BIND = Program{
	command: "named",
	debian:  "bind9",
	file:    "named.conf",
	args:    func(config string) []string { return []string{"-g", "-4", "-n", "2", "-c", config} },
	config: func(dir string, port int) string {
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
		fmt.Fprintf(&b, `zone %[1]q {
	type primary;
	file "zone";
	allow-update { key %[2]q; key %[3]q; };
	allow-transfer { key %[2]q; key %[3]q; };
};
`, rfc2136test.Zone, rfc2136test.Key.Name, rfc2136test.Foreign.Name)
		return b.String()
	},
}

// Knot is knotd. Its databases are small, as some containers limit the
// address space.
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
