package world

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/proc"
)

// The name server of Domain, and the TSIG key (HMAC-SHA256) that may change the zone.
const (
	AuthorityName = "ns." + Domain + "."
	TSIGName      = "syncer."
	TSIGSecret    = "d2Fsay10aHJvdWdoIGtleSwgbm90IGEgc2VjcmV0ISE="
)

// A name that does not exist is remembered for 5 s: a federation's zone has a
// low minimum.
const authorityZone = `$ORIGIN ` + Domain + `.
@    60 IN SOA ` + AuthorityName + ` hostmaster.` + Domain + `. 1 3600 600 86400 5
@    60 IN NS  ` + AuthorityName + `
ns   60 IN A   ` + Authority + `
`

// internetCorefile is the Internet, or the rest of it: there is nothing in it.
const internetCorefile = `.:53 {
	bind %[2]s
	errors
	template ANY ANY {
		rcode NXDOMAIN
	}
}
`

const authorityCorefile = `%[1]s:53 {
	bind %[2]s
	errors
	tsig {
		secret %[3]s %[4]s
		require_opcode UPDATE
	}
	transfer {
		to *
	}
	dynupdate {
		file %[5]q
		database %[6]q
		allow %[3]s * A AAAA CNAME TXT ANY
	}
}
` + internetCorefile

// startAuthority starts the DNS server of Domain: our own coredns with a zone
// that takes updates and keeps them in a database, or that it reads from a
// cloud. Without a provider it has no such zone, and is the rest of the Internet only.
func (w *World) startAuthority(ctx context.Context) error {
	zone, corefile, env := w.Path("dns", "zone"), w.Path("dns", "Corefile"), w.Env()
	if err := os.WriteFile(zone, []byte(authorityZone), 0o644); err != nil {
		return err
	}
	text := fmt.Sprintf(authorityCorefile, Domain, Authority, TSIGName, TSIGSecret, zone, w.Path("dns", "zone.db"))
	var err error
	if w.cloud, err = newCloud(w); err != nil {
		return err
	}
	if w.cloud != nil {
		text = fmt.Sprintf(cloudCorefile, Domain, Authority, w.cloud.plugin())
		env = append(env, w.cloud.pollerEnv()...)
	}
	answers, rcode := 1, dns.RcodeSuccess
	if w.opt.Provider == None {
		text = fmt.Sprintf(internetCorefile, Domain, Authority)
		answers, rcode = 0, dns.RcodeNameError
	}
	if err := os.WriteFile(corefile, []byte(text), 0o644); err != nil {
		return err
	}
	p, err := proc.Start("the DNS server of "+Domain, w.LogFile("authority"), env, w.opt.CoreDNS, "-conf", corefile)
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.authority = p
	w.mu.Unlock()
	return proc.Poll(ctx, p.Name, func() error {
		if err := p.Ended(); err != nil {
			return err
		}
		r, err := Ask(ctx, Authority, Domain+".", dns.TypeSOA)
		if err == nil && (r.Rcode != rcode || len(r.Answer) != answers) {
			err = fmt.Errorf("it answers %s", dns.RcodeToString[r.Rcode])
		}
		return err
	})
}

// StopAuthority ends the DNS server of Domain for good.
func (w *World) StopAuthority() error {
	w.mu.Lock()
	p := w.authority
	w.authority = nil
	w.mu.Unlock()
	return p.Stop(5 * time.Second)
}

// Ask sends one question to port 53 of a server, as a stub resolver does.
func Ask(ctx context.Context, server, name string, typ uint16) (*dns.Msg, error) {
	m := new(dns.Msg).SetQuestion(name, typ)
	m.SetEdns0(1232, false)
	c := &dns.Client{Timeout: 2 * time.Second}
	r, _, err := c.ExchangeContext(ctx, m, net.JoinHostPort(server, "53"))
	if err != nil {
		return nil, fmt.Errorf("%s %s at %s: %w", name, dns.TypeToString[typ], server, err)
	}
	return r, nil
}

// Serial asks for the serial of the zone, which every change raises.
func Serial(ctx context.Context) (uint32, error) {
	r, err := Ask(ctx, Authority, Domain+".", dns.TypeSOA)
	if err != nil {
		return 0, err
	}
	for _, rr := range r.Answer {
		if soa, ok := rr.(*dns.SOA); ok {
			return soa.Serial, nil
		}
	}
	return 0, fmt.Errorf("%s has no SOA record", Domain)
}

// Insert adds records to the zone of Domain, each a line as in a zone file. The
// returned function removes all records of their owners.
func Insert(ctx context.Context, lines ...string) (remove func(context.Context) error, err error) {
	var records []dns.RR
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			return nil, err
		}
		records = append(records, rr)
	}
	remove = func(ctx context.Context) error {
		return update(ctx, func(m *dns.Msg) { m.RemoveName(records) })
	}
	return remove, update(ctx, func(m *dns.Msg) { m.Insert(records) })
}

// Replace puts a record, a line as in a zone file, in the place of all records of its owner and type, in the zone of
// Domain.
func Replace(ctx context.Context, line string) error {
	rr, err := dns.NewRR(line)
	if err != nil {
		return err
	}
	return update(ctx, func(m *dns.Msg) {
		m.RemoveRRset([]dns.RR{rr})
		m.Insert([]dns.RR{rr})
	})
}

// update changes the zone of Domain with the World's key.
func update(ctx context.Context, change func(*dns.Msg)) error {
	m := new(dns.Msg).SetUpdate(Domain + ".")
	change(m)
	m.SetTsig(TSIGName, dns.HmacSHA256, 300, time.Now().Unix())
	c := &dns.Client{Timeout: 3 * time.Second, TsigSecret: map[string]string{TSIGName: TSIGSecret}}
	r, _, err := c.ExchangeContext(ctx, m, Authority+":53")
	if err == nil && r.Rcode != dns.RcodeSuccess {
		err = fmt.Errorf("the update is answered %s", dns.RcodeToString[r.Rcode])
	}
	return err
}
