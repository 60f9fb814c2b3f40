package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/test/chaos/stage"
	"github.com/federation-dns/federation/test/chaos/truth"
	"github.com/federation-dns/federation/test/world"
)

// How often clients ask.
const (
	askLevels  = 5 * time.Millisecond // each DNS server
	askPlugins = 8 * time.Millisecond
	askZones   = time.Second // by transfer
	// askRecords is how often the records of a federation without a zone are read: nobody asks for them by name.
	askRecords = 200 * time.Millisecond
	// askMemory is how often the memory of the syncers is checked.
	askMemory = 100 * time.Millisecond
)

// clients ask all the time, and hold each answer against the truth.
type clients struct{ *run }

// ask starts the clients. What they ask is drawn without the seed: it changes
// nothing.
func (r clients) ask(ctx context.Context, aside *sync.WaitGroup) {
	for i := range stage.Zones {
		if r.zoneless(i) { // all of its names are the plugin's
			aside.Go(func() { every(ctx, askLevels, func() { r.askPlugin(ctx, i) }) })
			aside.Go(func() { every(ctx, askRecords, func() { r.askZone(i) }) })
			continue
		}
		aside.Go(func() { every(ctx, askLevels, func() { r.askLevel(ctx, i) }) })
		aside.Go(func() { every(ctx, askZones, func() { r.askZone(i) }) })
	}
	aside.Go(func() { every(ctx, askPlugins, func() { r.askPlugin(ctx, rand.IntN(len(stage.Zones))) }) })
	aside.Go(func() {
		every(ctx, askMemory, func() {
			for _, s := range r.stage.Syncers {
				r.report.resident(s.Memory())
			}
		})
	})
}

func every(ctx context.Context, d time.Duration, f func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f()
		}
	}
}

func serviceName(service int) federation.ServiceName {
	return federation.ServiceName{Namespace: world.Namespace, Name: stage.ServiceName(service)}
}

// levelOf is the word for a level in package truth: what stands before the
// domain.
func levelOf(z stage.Zone, level federation.FQDN) string {
	return strings.TrimSuffix(strings.TrimSuffix(string(level), string(z.Domain)), ".")
}

// endLevel is levelOf for the owner name at the end of a chain.
func endLevel(z stage.Zone, owner string) string {
	_, level, _ := z.ParseOwner(federation.CanonicalName(owner))
	return levelOf(z, level)
}

func (r clients) askLevel(ctx context.Context, zone int) {
	z := stage.Zones[zone]
	service := rand.IntN(r.services)
	levels := r.levels[zone].All()
	level := levels[rand.IntN(len(levels))].Name
	typ := []uint16{dns.TypeA, dns.TypeA, dns.TypeAAAA}[rand.IntN(3)]
	name := string(z.OwnerName(serviceName(service), level))
	sent := time.Now()
	reply, err := world.Ask(ctx, z.Address, name, typ)
	if ctx.Err() != nil {
		return
	}
	r.report.asked(err == nil)
	if err != nil || reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
		return // it is being restarted
	}
	a := truth.Answer{Federation: string(z.Name), Service: stage.ServiceName(service), Level: levelOf(z, level),
		Type: dns.TypeToString[typ], Sent: sent, Received: time.Now()}
	addrs, end, mixed := follow(reply, name, typ)
	a.Addresses, a.End = addrs, endLevel(z, end)
	if cut := r.cuts[zone].Load(); cut != nil && cut.level == a.End && len(addrs) == 0 {
		return // the server refers to others
	}
	r.judge(name, a, answerText(reply), mixed)
}

// judge holds an answer against the truth.
func (r clients) judge(name string, a truth.Answer, text, mixed string) {
	v := r.truth.Judge(a)
	if mixed != "" {
		v = append(v, truth.Violation{Kind: "mixed", Text: mixed})
	}
	for _, one := range v {
		r.report.violation(violation{Kind: one.Kind, Name: name + " " + a.Type, Service: a.Service, Answer: text,
			Why: one.Text})
	}
}

// follow returns the addresses at the end of the answer's chain, the owner name
// there, and what is mixed on the way.
func follow(reply *dns.Msg, owner string, typ uint16) (addrs []netip.Addr, end, mixed string) {
	for range 8 {
		var target string
		addrs = nil
		types := map[uint16]bool{}
		for _, rr := range reply.Answer {
			if !strings.EqualFold(rr.Header().Name, owner) {
				continue
			}
			types[rr.Header().Rrtype] = true
			switch rr := rr.(type) {
			case *dns.CNAME:
				target = rr.Target
			case *dns.A, *dns.AAAA:
				if a, err := netip.ParseAddr(strings.TrimPrefix(rr.String(), rr.Header().String())); err == nil &&
					rr.Header().Rrtype == typ {
					addrs = append(addrs, a)
				}
			}
		}
		if types[dns.TypeCNAME] && len(types) > 1 {
			return addrs, owner, fmt.Sprintf("%s has a CNAME and something else", owner)
		}
		if target == "" {
			return addrs, owner, ""
		}
		owner = target
	}
	return addrs, owner, "the chain has no end"
}

func answerText(reply *dns.Msg) string {
	lines := []string{"status: " + dns.RcodeToString[reply.Rcode]}
	for _, rr := range reply.Answer {
		lines = append(lines, strings.ReplaceAll(rr.String(), "\t", " "))
	}
	return strings.Join(lines, "\n")
}

func (r clients) askPlugin(ctx context.Context, zone int) {
	z, m := stage.Zones[zone], r.stage.Members[rand.IntN(len(r.stage.Members))]
	service := rand.IntN(r.services)
	typ := []uint16{dns.TypeA, dns.TypeA, dns.TypeAAAA}[rand.IntN(3)]
	name := pluginName(z, stage.ServiceName(service))
	sent := time.Now()
	reply, err := world.Ask(ctx, m.DNS.String(), name, typ)
	if ctx.Err() != nil {
		return
	}
	r.report.askedPlugin(err == nil)
	if err != nil {
		return
	}
	a := truth.PluginAnswer{Member: m.Name, Stale: isStale(reply), Answer: truth.Answer{
		Federation: string(z.Name), Service: stage.ServiceName(service), Type: dns.TypeToString[typ], Sent: sent,
		Received: time.Now(),
	}}
	var mixed string
	a.Addresses, _, mixed = follow(reply, name, typ)
	v := r.truth.JudgePlugin(a)
	if mixed != "" {
		v = append(v, truth.Violation{Kind: "mixed", Text: mixed})
	}
	for _, one := range v {
		r.report.violation(violation{Kind: one.Kind, Name: name + " " + a.Type + " at the CoreDNS of " + m.Name,
			Service: a.Service, Answer: answerText(reply), Why: one.Text})
	}
}

// pluginName is what a pod asks for.
func pluginName(z stage.Zone, service string) string {
	return fmt.Sprintf("%s.%s.%s.svc.cluster.local.", service, world.Namespace, z.Name)
}

// isStale reports whether the reply says that it is a stale answer (RFC 8914).
func isStale(reply *dns.Msg) bool {
	opt := reply.IsEdns0()
	return opt != nil && slices.ContainsFunc(opt.Option, func(o dns.EDNS0) bool {
		ede, ok := o.(*dns.EDNS0_EDE)
		return ok && ede.InfoCode == dns.ExtendedErrorCodeStaleAnswer
	})
}

// askZone reads a whole zone, and judges every name of it.
func (r clients) askZone(zone int) {
	z := stage.Zones[zone]
	sent := time.Now()
	records, err := r.transfer(zone)
	if err != nil {
		return // it is being restarted
	}
	received := time.Now()
	r.report.transferred()
	for _, why := range r.strangers(zone, records) {
		r.report.violation(violation{Kind: "touched", Name: "zone " + string(z.Domain), Why: why})
	}
	for name, sets := range records {
		if _, _, ours := z.ParseOwner(name); ours && len(sets["CNAME"]) > 0 && len(sets) > 1 {
			r.report.violation(violation{Kind: "mixed", Name: string(name),
				Why: fmt.Sprintf("a transfer shows %v there", sets)})
		}
	}
	for service := range r.services {
		for _, lv := range r.levels[zone].All() {
			name := z.OwnerName(serviceName(service), lv.Name)
			for _, typ := range []string{"A", "AAAA"} {
				a := truth.Answer{Federation: string(z.Name), Service: stage.ServiceName(service),
					Level: levelOf(z, lv.Name), Type: typ, Sent: sent, Received: received}
				var end federation.FQDN
				a.Addresses, end = endOf(records, name, typ)
				a.End = endLevel(z, string(end))
				if cut := r.cuts[zone].Load(); cut != nil && cut.level == a.End {
					continue // what stands there is not served
				}
				r.judge(string(name), a, fmt.Sprintf("(transfer) %v", records[name]), "")
			}
		}
	}
}

// endOf follows CNAMEs in a whole zone.
func endOf(
	records map[federation.FQDN]map[string][]string, name federation.FQDN, typ string,
) (addrs []netip.Addr, end federation.FQDN) {
	for range 8 {
		sets := records[name]
		if len(sets["CNAME"]) == 0 {
			for _, d := range sets[typ] {
				if a, err := netip.ParseAddr(d); err == nil {
					addrs = append(addrs, a)
				}
			}
			return addrs, name
		}
		name = federation.CanonicalName(sets["CNAME"][0])
	}
	return nil, name
}

func (r *run) transfer(zone int) (map[federation.FQDN]map[string][]string, error) {
	return r.stage.Hosts[zone].Transfer()
}

// strangers says what is wrong with what is not the syncer's: records of
// somebody else are all there, and nothing else is but names of its own (O2).
func (r clients) strangers(zone int, records map[federation.FQDN]map[string][]string) (wrong []string) {
	z := stage.Zones[zone]
	want, cut := map[string]bool{}, r.cuts[zone].Load()
	if !r.zoneless(zone) {
		for _, line := range z.Foreign() {
			want[line] = true
		}
	}
	for name, sets := range records {
		for typ, data := range sets {
			_, _, ours := z.ParseOwner(name)
			mark := typ == "TXT" && z.Marks(string(name))
			for _, d := range data {
				line := string(name) + " " + typ + " " + d
				switch {
				case want[line]:
					delete(want, line)
				case cut != nil && line == cut.line:
				case ours && slices.Contains([]string{"A", "AAAA", "CNAME"}, typ), mark:
				default:
					wrong = append(wrong, fmt.Sprintf("%s is there, and nobody's", line))
				}
			}
		}
	}
	for line := range want {
		wrong = append(wrong, fmt.Sprintf("%s is gone", line))
	}
	slices.Sort(wrong)
	return wrong
}
