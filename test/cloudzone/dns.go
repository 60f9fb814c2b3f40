package cloudzone

import (
	"net"
	"strings"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/ports"
)

// maxLinks is the longest CNAME chain that an answer follows.
const maxLinks = 8

// Serve answers queries for the zones over UDP and TCP on the address, until stop. With port 0 it picks one for both.
func Serve(address string, zones ...*Zone) (bound string, stop func(), err error) {
	packets, listener, err := ports.Listen(address)
	if err != nil {
		return "", nil, err
	}
	mux := dns.NewServeMux()
	for _, z := range zones {
		mux.Handle(z.name, z)
	}
	servers := []*dns.Server{{PacketConn: packets, Handler: mux}, {Listener: listener, Handler: mux}}
	ended := make(chan struct{})
	for _, s := range servers {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() {
			_ = s.ActivateAndServe() // ends with Shutdown
			ended <- struct{}{}
		}()
		<-started
	}
	return packets.LocalAddr().String(), func() {
		for _, s := range servers {
			_ = s.Shutdown()
			<-ended
		}
	}, nil
}

// ServeDNS answers as an authoritative server does: the records of the name, a CNAME chain within the zone, or the SOA.
func (z *Zone) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	m := new(dns.Msg).SetReply(query)
	m.Authoritative = true
	question := query.Question[0]
	z.mu.RLock()
	m.Rcode = z.answer(m, dns.CanonicalName(question.Name), question.Qtype)
	z.mu.RUnlock()
	size := dns.MinMsgSize
	if opt := query.IsEdns0(); opt != nil {
		size = int(opt.UDPSize())
		m.SetEdns0(opt.UDPSize(), opt.Do())
	}
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		m.Truncate(size)
	}
	_ = w.WriteMsg(m) // the client retries
}

// rrs returns the records of an RRset. What the service makes of a special one is not modeled: it has none.
func (z *Zone) rrs(s Set) (out []dns.RR, err error) {
	if s.Special != "" {
		return nil, nil
	}
	for _, data := range s.Data {
		rr, err := z.record(s, data)
		if err != nil {
			return nil, err
		}
		out = append(out, rr)
	}
	return out, nil
}

// answer fills the message and returns the rcode. The lock is held.
func (z *Zone) answer(m *dns.Msg, name string, qtype uint16) int {
	for range maxLinks {
		at := z.names[name]
		if len(at) == 0 && !z.within(name) {
			z.deny(m)
			return dns.RcodeNameError
		}
		var target string
		found := false
		for _, s := range at {
			rrs, err := z.rrs(s)
			if err != nil {
				return dns.RcodeServerFailure
			}
			for _, rr := range rrs {
				cname, isAlias := rr.(*dns.CNAME)
				if isAlias && qtype != dns.TypeCNAME {
					target = cname.Target
				}
				if isAlias || rr.Header().Rrtype == qtype || qtype == dns.TypeANY {
					m.Answer = append(m.Answer, rr)
					found = true
				}
			}
		}
		switch {
		case !found:
			z.deny(m)
			return dns.RcodeSuccess
		case target == "" || !dns.IsSubDomain(z.name, target):
			return dns.RcodeSuccess
		}
		name = dns.CanonicalName(target)
	}
	return dns.RcodeSuccess
}

// within reports whether there are names below the name: it exists then.
func (z *Zone) within(name string) bool {
	for other := range z.names {
		if strings.HasSuffix(other, "."+name) {
			return true
		}
	}
	return false
}

func (z *Zone) deny(m *dns.Msg) {
	for _, s := range z.names[z.name] {
		if s.Type != "SOA" {
			continue
		}
		if rrs, err := z.rrs(s); err == nil {
			for _, rr := range rrs {
				soa := rr.(*dns.SOA)
				soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
				m.Ns = append(m.Ns, soa)
			}
		}
	}
}
