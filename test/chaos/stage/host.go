package stage

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/test/chaos/schedule"
	"github.com/federation-dns/federation/test/world"
)

// Host keeps the zone of a federation, serves it, and fails on request.
type Host interface {
	// Provider is what the configuration of a syncer has after "provider:".
	Provider(syncer int) string
	// Env is what a syncer needs in its environment.
	Env(syncer int) []string
	// Set changes how the way from the syncers fails.
	Set(Mode)
	// Kill ends it at once. Start starts it again, and waits until it serves.
	Kill()
	Start(ctx context.Context) error
	// Transfer reads the whole zone, as the data of RRsets by owner name and type,
	// without its SOA.
	Transfer() (map[federation.FQDN]map[string][]string, error)
	// Edit takes RRsets away and adds records, each "name type data", as somebody
	// else does who may change the zone.
	Edit(ctx context.Context, gone []Key, come []string) error
	Stop() error
}

// Key names an RRset.
type Key struct{ Name, Type string }

// Restorer is a Host that can be given an older zone.
type Restorer interface {
	// Keep keeps the zone as it is.
	Keep() error
	// Restore ends the host at once, and starts it with the older one of the last
	// zones that were kept, and nothing since.
	Restore(ctx context.Context) error
}

// Mode is how the way to a Host fails.
type Mode struct {
	// Down ends all connections, and lets none begin.
	Down bool
	// Delay is how long every message takes.
	Delay time.Duration
	// Servfail answers changes as a server in trouble does.
	Servfail bool
	// Refuse refuses changes of names that begin so.
	Refuse string
	// Unreadable is a name for which there is no answer but SERVFAIL, or, if
	// Referred, that other servers have it.
	Unreadable string
	Referred   bool
	// LoseReply and LoseRequest cut the connection after, or before, the host
	// has a change.
	LoseReply, LoseRequest bool
}

// HostKinds are the words for the hosts.
var HostKinds = []string{"bind", "knot", "pdns", "route53", "clouddns"}

// Without are the classes of faults that cannot be played on a host of the kind,
// and why.
func Without(kind string) (classes []schedule.Class, why string) {
	switch kind {
	case "route53", "clouddns":
		return []schedule.Class{schedule.NameUnreadable, schedule.ZoneRestored, schedule.LevelDelegated},
			"a cloud lists all names with one request, has no zone file, and its stand-in follows no delegation"
	}
	return nil, ""
}

// ParseHosts parses a list of as many words as there are Zones. Cloud DNS may
// have one of them: a syncer has the credentials of one project.
func ParseHosts(list string) ([]string, error) {
	kinds := strings.Split(list, ",")
	if len(kinds) != len(Zones) || slices.ContainsFunc(kinds,
		func(k string) bool { return !slices.Contains(HostKinds, k) }) {
		return nil, fmt.Errorf("hosts %q: want %d of %s, separated by a comma",
			list, len(Zones), strings.Join(HostKinds, ", "))
	}
	if kinds[0] == kinds[1] && kinds[0] == "clouddns" {
		return nil, fmt.Errorf("hosts %q: clouddns may keep one zone", list)
	}
	return kinds, nil
}

// startHost starts a host of the kind for a zone; watch is called for each change
// that it has answered, one after the other.
func startHost(ctx context.Context, lab *world.Lab, kind string, zone Zone, watch func(Update)) (Host, error) {
	switch kind {
	case "route53":
		return startRoute53(zone, watch)
	case "clouddns":
		return startCloudDNS(lab, zone, watch)
	}
	server, err := startNameServer(ctx, lab, kind, zone)
	if err != nil {
		return nil, err
	}
	link, err := newDNSLink(net.JoinHostPort(zone.Address, "53"), Syncers, func(u dnsUpdate) { watch(u.update(zone)) })
	if err != nil {
		return nil, err
	}
	return &dnsHost{server, link}, nil
}

// dnsHost is a DNS server that takes updates, behind a link.
type dnsHost struct {
	*NameServer
	link *DNSLink
}

func (h *dnsHost) Provider(syncer int) string {
	return fmt.Sprintf("{rfc2136: {server: %q, zone: %s, tsig: {name: %s, algorithm: hmac-sha256, secretFile: %s}}}",
		h.link.Addr(syncer), h.zone.Domain, tsigName, h.lab.Path("syncer", "tsig"))
}

func (h *dnsHost) Env(int) []string { return nil }

func (h *dnsHost) Set(m Mode) { h.link.Set(m) }

func (h *dnsHost) Stop() error {
	h.link.Close()
	return h.NameServer.Stop()
}
