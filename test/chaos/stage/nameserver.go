package stage

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/world"
)

// The key of the syncers, and that of everybody else.
const (
	tsigName, tsigSecret       = "syncer.", "d2Fsay10aHJvdWdoIGtleSwgbm90IGEgc2VjcmV0ISE="
	foreignName, foreignSecret = "foreign.", "YW5vdGhlciBrZXksIG5laXRoZXIgb25lIGEgc2VjcmV0"
)

// NameServer is a DNS server with the zone of a federation.
type NameServer struct {
	zone    Zone
	lab     *world.Lab
	program program
	path    string // of the program
	dir     string
	process *proc.Process
	// kept are zone files of earlier times, the oldest first.
	kept []string
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
		records = append(records,
			ServiceName(service)+"."+world.Namespace+"."+own+` TXT "beside the addresses of the federation"`)
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

// startNameServer starts a DNS server for a zone.
func startNameServer(ctx context.Context, lab *world.Lab, kind string, z Zone) (*NameServer, error) {
	s := &NameServer{zone: z, lab: lab, program: programs[kind], dir: lab.Path("dns", string(z.Name))}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, err
	}
	if err := s.write(zoneFile(z)); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(s.dir, s.program.configFile), []byte(s.program.config(s.dir, z)),
		0o644); err != nil {
		return nil, err
	}
	var err error
	if s.path, err = lab.Program(s.program.debian, s.program.command); err != nil {
		return nil, err
	}
	return s, s.Start(ctx)
}

// write gives the server, which must not run, the zone to begin with, in place
// of all that it has.
func (s *NameServer) write(zone string) error {
	for _, pattern := range s.program.keeps {
		kept, err := filepath.Glob(filepath.Join(s.dir, pattern))
		if err != nil {
			return err
		}
		for _, path := range kept {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	if err := os.WriteFile(filepath.Join(s.dir, "zone"), []byte(zone), 0o644); err != nil {
		return err
	}
	if s.program.prepare == nil {
		return nil
	}
	return s.program.prepare(s.dir, s.zone)
}

// Start starts the server and waits until it serves the zone.
func (s *NameServer) Start(ctx context.Context) (err error) {
	if s.process, err = s.lab.Run("the DNS server of "+string(s.zone.Domain), "dns-"+string(s.zone.Name), s.path,
		s.program.args(s.dir)...); err != nil {
		return err
	}
	return proc.Poll(ctx, "the DNS server of "+string(s.zone.Domain), func() error {
		if err := s.process.Ended(); err != nil {
			return err
		}
		r, err := world.Ask(ctx, s.zone.Address, string(s.zone.Domain), dns.TypeSOA)
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
	rrs, err := s.transfer()
	if err != nil {
		return nil, err
	}
	out := map[federation.FQDN]map[string][]string{}
	for _, rr := range rrs {
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
	return out, nil
}

func (s *NameServer) transfer() (rrs []dns.RR, err error) {
	m := new(dns.Msg).SetAxfr(string(s.zone.Domain))
	m.SetTsig(foreignName, dns.HmacSHA256, 300, time.Now().Unix())
	t := &dns.Transfer{DialTimeout: 2 * time.Second, ReadTimeout: 5 * time.Second,
		TsigSecret: map[string]string{foreignName: foreignSecret}}
	in, err := t.In(m, s.addr())
	if err != nil {
		return nil, err
	}
	for e := range in {
		if e.Error != nil {
			err = e.Error
		}
		rrs = append(rrs, e.RR...)
	}
	return rrs, err
}

func (s *NameServer) addr() string { return net.JoinHostPort(s.zone.Address, "53") }

// Edit implements Host, by an update with a key that is not the syncer's.
func (s *NameServer) Edit(ctx context.Context, gone []Key, come []string) error {
	m := new(dns.Msg).SetUpdate(string(s.zone.Domain))
	for _, k := range gone {
		m.RemoveRRset([]dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: k.Name, Rrtype: dns.StringToType[k.Type]}}})
	}
	for _, line := range come {
		rr, err := dns.NewRR(line)
		if err != nil {
			return err
		}
		rr.Header().Ttl = 60
		m.Insert([]dns.RR{rr})
	}
	m.SetTsig(foreignName, dns.HmacSHA256, 300, time.Now().Unix())
	client := &dns.Client{Net: "tcp", Timeout: 3 * time.Second,
		TsigSecret: map[string]string{foreignName: foreignSecret}}
	reply, _, err := client.ExchangeContext(ctx, m, s.addr())
	if err == nil && reply.Rcode != dns.RcodeSuccess {
		err = fmt.Errorf("an update of %s is answered %s", s.zone.Domain, dns.RcodeToString[reply.Rcode])
	}
	return err
}

// keptZones is how many zones Keep keeps.
const keptZones = 2

// Keep implements Restorer.
func (s *NameServer) Keep() error {
	rrs, err := s.transfer()
	if err != nil || len(rrs) == 0 {
		return err
	}
	var b strings.Builder
	for _, rr := range rrs[:len(rrs)-1] { // the SOA comes again at the end
		b.WriteString(rr.String() + "\n")
	}
	s.kept = append(s.kept, b.String())
	s.kept = s.kept[max(0, len(s.kept)-keptZones):]
	return nil
}

// Restore implements Restorer.
func (s *NameServer) Restore(ctx context.Context) error {
	s.Kill()
	if len(s.kept) > 0 {
		if err := s.write(s.kept[0]); err != nil {
			return err
		}
	}
	return s.Start(ctx)
}
