package stage

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/test/scenario"
)

// The key of the syncers, and that of everybody else.
const (
	tsigName, tsigSecret       = "syncer.", "d2Fsay10aHJvdWdoIGtleSwgbm90IGEgc2VjcmV0ISE="
	foreignName, foreignSecret = "foreign.", "YW5vdGhlciBrZXksIG5laXRoZXIgb25lIGEgc2VjcmV0"
)

// NameServer is BIND or Knot with the zone of a federation.
type NameServer struct {
	zone    Zone
	lab     *scenario.Lab
	name    string // of the program
	args    []string
	process *scenario.Process
}

// Foreign are the records that are not the syncer's, each as "name type data":
// elsewhere in the zone, and close to its names.
func (z Zone) Foreign() []string {
	own, d := string(z.Suffix(z.Domain)), string(z.Domain) // F.svc.D
	records := []string{
		d + " NS ns." + d,
		"ns." + d + " A " + z.Address,
		"www." + d + " A 192.0.2.80",
		d + " MX 10 mail." + d,
		own + ` TXT "a note of somebody else"`,
		"web.shop.other.svc." + d + " A 192.0.2.81",
		"_http._tcp.s02.mynamespace." + own + " SRV 0 0 80 www." + d,
		"one-label." + own + " A 192.0.2.82",
	}
	for service := 8; service < 16; service++ {
		records = append(records, ServiceName(service)+"."+scenario.Namespace+"."+own+` TXT "beside the addresses of the federation"`)
	}
	return records
}

func zoneFile(z Zone) string {
	var b strings.Builder
	d := string(z.Domain)
	// A missing name is remembered for a second.
	fmt.Fprintf(&b, "$TTL 300\n%s SOA ns.%s hostmaster.%s 1 3600 600 86400 1\n", d, d, d)
	for _, line := range z.Foreign() {
		b.WriteString(line + "\n")
	}
	return b.String()
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

// startNameServer starts BIND or Knot for a zone.
func startNameServer(ctx context.Context, lab *scenario.Lab, kind string, z Zone) (*NameServer, error) {
	config, debianPackage, program := bindConfig, "bind9", "named"
	args := []string{"-g", "-4", "-n", "1", "-c"}
	if kind == "knot" {
		config, debianPackage, program = knotConfig, "knot", "knotd"
		args = []string{"-m", "16", "-c"}
	}
	dir := lab.Path("dns", string(z.Name))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	files := map[string]string{"zone": zoneFile(z), "config": fmt.Sprintf(config, dir, z.Address, tsigSecret, foreignSecret, z.Domain)}
	for name, text := range files {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	path, err := lab.Program(debianPackage, program)
	if err != nil {
		return nil, err
	}
	s := &NameServer{zone: z, lab: lab, name: path, args: append(args, dir+"/config")}
	return s, s.Start(ctx)
}

// Start starts the server and waits until it serves the zone.
func (s *NameServer) Start(ctx context.Context) (err error) {
	if s.process, err = s.lab.Run("the DNS server of "+string(s.zone.Domain), "dns-"+string(s.zone.Name), s.name, s.args...); err != nil {
		return err
	}
	return scenario.Poll(ctx, "the DNS server of "+string(s.zone.Domain), func() error {
		if err := s.process.Ended(); err != nil {
			return err
		}
		r, err := scenario.Ask(ctx, s.zone.Address, string(s.zone.Domain), dns.TypeSOA)
		if err == nil && len(r.Answer) != 1 {
			err = fmt.Errorf("it answers %s", dns.RcodeToString[r.Rcode])
		}
		return err
	})
}

// Kill ends the server with SIGKILL.
func (s *NameServer) Kill() { s.process.Kill() }

// Stop ends the server, if it runs.
func (s *NameServer) Stop() error {
	if s.process.Ended() != nil {
		return nil
	}
	return s.process.Stop(10 * time.Second)
}

// Transfer reads the whole zone, as RRsets by owner name.
func (s *NameServer) Transfer() (map[federation.FQDN]map[string][]string, error) {
	m := new(dns.Msg).SetAxfr(string(s.zone.Domain))
	m.SetTsig(foreignName, dns.HmacSHA256, 300, time.Now().Unix())
	t := &dns.Transfer{DialTimeout: 2 * time.Second, ReadTimeout: 5 * time.Second, TsigSecret: map[string]string{foreignName: foreignSecret}}
	in, err := t.In(m, net.JoinHostPort(s.zone.Address, "53"))
	if err != nil {
		return nil, err
	}
	out := map[federation.FQDN]map[string][]string{}
	for e := range in {
		if e.Error != nil {
			err = e.Error
			continue
		}
		for _, rr := range e.RR {
			if rr.Header().Rrtype == dns.TypeSOA {
				continue
			}
			name := federation.CanonicalName(rr.Header().Name)
			if out[name] == nil {
				out[name] = map[string][]string{}
			}
			typ := dns.TypeToString[rr.Header().Rrtype]
			data := strings.TrimPrefix(rr.String(), rr.Header().String())
			out[name][typ] = append(out[name][typ], data)
		}
	}
	return out, err
}
