package nameserver

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation/provider/rfc2136/rfc2136test"
)

// schema is what Debian's package of the backend brings.
const schema = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"

// PowerDNS is pdns_server with its SQLite backend, all other settings as they are by default.
var PowerDNS = Program{
	command: "pdns_server",
	debian:  "pdns-server, with pdns-backend-sqlite3 and sqlite3",
	file:    "pdns.conf", // the program takes no other name
	args:    func(config string) []string { return []string{"--config-dir=" + filepath.Dir(config)} },
	config: func(dir string, port int) string {
		return fmt.Sprintf(`launch=gsqlite3
gsqlite3-database=%[1]s/db
local-address=127.0.0.1
local-port=%[2]d
socket-dir=%[1]s
daemon=no
guardian=no
write-pid=no
security-poll-suffix=
dnsupdate=yes
`, dir, port)
	},
	prepare: prepareSQLite,
}

// prepareSQLite makes the database of the folder's zone file.
func prepareSQLite(dir string) error {
	tables, err := os.ReadFile(schema)
	if err != nil {
		return fmt.Errorf("%w: install the Debian package pdns-backend-sqlite3", err)
	}
	zone, err := os.ReadFile(filepath.Join(dir, "zone"))
	if err != nil {
		return err
	}
	rows, err := zoneRows(string(zone))
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

// zoneRows are the statements that put zone and keys into the database.
func zoneRows(zone string) (string, error) {
	text := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	bare := func(name string) string { return text(strings.TrimSuffix(name, ".")) }
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO domains (id, name, type) VALUES (1, %s, 'NATIVE');\n", bare(string(rfc2136test.Zone)))
	parser := dns.NewZoneParser(strings.NewReader(zone), "", "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		h := rr.Header()
		data := strings.TrimPrefix(rr.String(), h.String())
		auth := 1
		if h.Rrtype == dns.TypeNS && h.Name != string(rfc2136test.Zone) {
			auth = 0
		}
		fmt.Fprintf(&b, "INSERT INTO records (domain_id, name, type, content, ttl, auth) VALUES (1, %s, %s, %s, %d, "+
			"%d);\n",
			bare(h.Name), text(dns.TypeToString[h.Rrtype]), bare(data), h.Ttl, auth)
	}
	if err := parser.Err(); err != nil {
		return "", err
	}
	meta := func(kind, content string) {
		fmt.Fprintf(&b, "INSERT INTO domainmetadata (domain_id, kind, content) VALUES (1, %s, %s);\n", text(kind),
			content)
	}
	for _, key := range keys {
		fmt.Fprintf(&b, "INSERT INTO tsigkeys (name, algorithm, secret) VALUES (%s, %s, %s);\n", bare(key.Name),
			text(key.Algorithm), text(key.Secret))
		if key != rfc2136test.Powerless {
			meta("TSIG-ALLOW-DNSUPDATE", bare(key.Name))
			meta("TSIG-ALLOW-AXFR", bare(key.Name))
		}
	}
	meta("SOA-EDIT-DNSUPDATE", text("INCREASE"))
	return b.String(), nil
}
