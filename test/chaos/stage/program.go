package stage

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/miekg/dns"
)

// program is a DNS server of the distribution that takes updates. Its zone to
// begin with is the file "zone" of its folder.
type program struct {
	command, debian string // its Debian package
	configFile      string
	config          func(dir string, z Zone) string
	args            func(dir string) []string
	// keeps are patterns of what it keeps in its folder, beside its zone.
	keeps []string
	// prepare, if set, is what there is to do before it can start with the zone.
	prepare func(dir string, z Zone) error
}

var programs = map[string]program{
	"bind": {
		command: "named", debian: "bind9", configFile: "config", keeps: []string{"zone.*"},
		config: func(dir string, z Zone) string {
			return fmt.Sprintf(bindConfig, dir, z.Address, tsigSecret, foreignSecret, z.Domain)
		},
		args: func(dir string) []string { return []string{"-g", "-4", "-n", "1", "-c", dir + "/config"} },
	},
	"knot": {
		command: "knotd", debian: "knot", configFile: "config", keeps: []string{"journal", "timers"},
		config: func(dir string, z Zone) string {
			return fmt.Sprintf(knotConfig, dir, z.Address, tsigSecret, foreignSecret, z.Domain)
		},
		args: func(dir string) []string { return []string{"-m", "16", "-c", dir + "/config"} },
	},
	"pdns": {
		command: "pdns_server", debian: "pdns-server",
		configFile: "pdns.conf", // it accepts no other name
		keeps:      []string{"db*"},
		config:     func(dir string, z Zone) string { return fmt.Sprintf(powerDNSConfig, dir, z.Address) },
		args:       func(dir string) []string { return []string{"--config-dir=" + dir} },
		prepare:    prepareSQLite,
	},
}

const bindConfig = `options {
	directory %[1]q;
	listen-on port 53 { %[2]s; };
	listen-on-v6 { none; };
	pid-file none;
	session-keyfile none;
	managed-keys-directory %[1]q;
	recursion no;
	dnssec-validation no;
	notify no;
};
controls { };
key "syncer." { algorithm hmac-sha256; secret %[3]q; };
key "foreign." { algorithm hmac-sha256; secret %[4]q; };
zone %[5]q {
	type primary;
	file "zone";
	allow-update { key "syncer."; key "foreign."; };
	allow-transfer { key "syncer."; key "foreign."; };
};
`

const knotConfig = `server:
    rundir: %[1]q
    listen: %[2]s@53
    udp-workers: 1
    tcp-workers: 1
control:
    listen: "%[1]s/control"
database:
    storage: %[1]q
    journal-db-max-size: 64M
    timer-db-max-size: 4M
    kasp-db-max-size: 8M
log:
  - target: stderr
    any: info
key:
  - id: syncer.
    algorithm: hmac-sha256
    secret: %[3]s
  - id: foreign.
    algorithm: hmac-sha256
    secret: %[4]s
acl:
  - id: writers
    key: [syncer., foreign.]
    action: [update, transfer]
zone:
  - domain: %[5]s
    storage: %[1]q
    file: zone
    acl: writers
`

// powerDNSConfig is that of PowerDNS with its SQLite backend: all other settings
// are those by default. Updates come from its own address.
const powerDNSConfig = `launch=gsqlite3
gsqlite3-database=%[1]s/db
local-address=%[2]s
local-port=53
socket-dir=%[1]s
daemon=no
guardian=no
write-pid=no
security-poll-suffix=
dnsupdate=yes
allow-dnsupdate-from=%[2]s/32,127.0.0.0/8
`

// sqliteSchema is what the Debian package of the backend brings.
const sqliteSchema = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"

// prepareSQLite makes PowerDNS's database of the zone file.
func prepareSQLite(dir string, z Zone) error {
	tables, err := os.ReadFile(sqliteSchema)
	if err != nil {
		return fmt.Errorf("%w: install the Debian package pdns-backend-sqlite3", err)
	}
	zone, err := os.ReadFile(filepath.Join(dir, "zone"))
	if err != nil {
		return err
	}
	rows, err := sqliteRows(z, string(zone))
	if err != nil {
		return err
	}
	sqlite := exec.Command("sqlite3", "-bail", filepath.Join(dir, "db"))
	sqlite.Stdin = strings.NewReader("PRAGMA journal_mode = WAL;\nBEGIN;\n" + string(tables) + rows + "COMMIT;\n")
	if out, err := sqlite.CombinedOutput(); err != nil {
		return fmt.Errorf("sqlite3 (install the Debian package sqlite3): %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// sqliteRows are the statements that put zone and keys into the database.
func sqliteRows(z Zone, zone string) (string, error) {
	text := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	bare := func(name string) string { return text(strings.TrimSuffix(name, ".")) }
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO domains (id, name, type) VALUES (1, %s, 'NATIVE');\n", bare(string(z.Domain)))
	parser := dns.NewZoneParser(strings.NewReader(zone), "", "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		h := rr.Header()
		data := strings.TrimPrefix(rr.String(), h.String())
		priority := "0"
		if h.Rrtype == dns.TypeMX || h.Rrtype == dns.TypeSRV {
			priority, data, _ = strings.Cut(data, " ")
		}
		auth := 1
		if h.Rrtype == dns.TypeNS && h.Name != string(z.Domain) {
			auth = 0
		}
		fmt.Fprintf(&b, "INSERT INTO records (domain_id, name, type, content, ttl, prio, auth) VALUES (1, %s, %s, %s, "+
			"%d, %s, %d);\n",
			bare(h.Name), text(dns.TypeToString[h.Rrtype]), bare(data), h.Ttl, priority, auth)
	}
	if err := parser.Err(); err != nil {
		return "", err
	}
	meta := func(kind, content string) {
		fmt.Fprintf(&b, "INSERT INTO domainmetadata (domain_id, kind, content) VALUES (1, %s, %s);\n",
			text(kind), content)
	}
	for _, key := range [][2]string{{tsigName, tsigSecret}, {foreignName, foreignSecret}} {
		fmt.Fprintf(&b, "INSERT INTO tsigkeys (name, algorithm, secret) VALUES (%s, 'hmac-sha256', %s);\n",
			bare(key[0]), text(key[1]))
		meta("TSIG-ALLOW-DNSUPDATE", bare(key[0]))
		meta("TSIG-ALLOW-AXFR", bare(key[0]))
	}
	meta("SOA-EDIT-DNSUPDATE", text("INCREASE"))
	return b.String(), nil
}
