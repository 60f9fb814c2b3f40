package stage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/test/chaos/schedule"
	"github.com/federation-dns/federation/test/chaos/stage/records"
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
var HostKinds = []string{"bind", "knot", "pdns", "route53", "clouddns", None}

// None is the host without a DNS zone: the records are kept in the first cluster, and pods are answered from the
// mirrors alone (M7).
const None = "none"

// Without are the classes of faults that cannot be played on a host of the kind,
// and why.
func Without(kind string) (classes []schedule.Class, why string) {
	switch kind {
	case "route53", "clouddns":
		return []schedule.Class{schedule.NameUnreadable, schedule.ZoneRestored, schedule.LevelDelegated},
			"a cloud lists all names with one request, has no zone file, and its stand-in follows no delegation"
	case None:
		return []schedule.Class{schedule.NameUnreadable, schedule.ZoneRestored, schedule.LevelDelegated},
			"the records are read with one request, there is no zone file, and nobody resolves them"
	}
	return nil, ""
}

// ParseHosts parses a list of as many words as there are Zones, or one word for all. Cloud DNS may
// have one of them: a syncer has the credentials of one project.
func ParseHosts(list string) ([]string, error) {
	kinds := strings.Split(list, ",")
	if len(kinds) == 1 {
		kinds = slices.Repeat(kinds, len(Zones))
	}
	if len(kinds) != len(Zones) || slices.ContainsFunc(kinds,
		func(k string) bool { return !slices.Contains(HostKinds, k) }) {
		return nil, fmt.Errorf("hosts %q: want %d of %s, separated by a comma, or one for all",
			list, len(Zones), strings.Join(HostKinds, ", "))
	}
	if kinds[0] == kinds[1] && kinds[0] == "clouddns" {
		return nil, fmt.Errorf("hosts %q: clouddns may keep one zone", list)
	}
	return kinds, nil
}

// startHost starts a host of the kind for a zone; watch is called for each change
// that it has answered, one after the other.
func (s *Stage) startHost(ctx context.Context, kind string, zone Zone, watch func(Update)) (Host, error) {
	switch kind {
	case "route53":
		return startRoute53(zone, watch)
	case "clouddns":
		return startCloudDNS(s.lab, zone, watch)
	case None:
		return s.startRecords(ctx, zone, watch)
	}
	server, err := startNameServer(ctx, s.lab, kind, zone)
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

// recordsHost keeps the records of a federation without a zone: ConfigMaps of the first cluster, behind a link.
type recordsHost struct {
	records.Records
	link *records.Link
}

// recordsNamespace is where they are, with the Lease; see deploy/host-rbac.yaml.
const recordsNamespace = accountNamespace

// startRecords starts the link to the first cluster, if there is none, and gives the syncers what they need there.
func (s *Stage) startRecords(ctx context.Context, zone Zone, watch func(Update)) (Host, error) {
	m := s.Members[0]
	if s.records == nil {
		var err error
		if s.records, err = records.NewLink(m.Cluster.Server(), m.config, Syncers); err != nil {
			return nil, err
		}
		if _, err := m.Kubectl(ctx, "", "apply", "-f", filepath.Join(s.lab.Deploy(), "host-rbac.yaml"),
			"-f", filepath.Join(s.lab.Deploy(), "host-records-rbac.yaml")); err != nil {
			return nil, err
		}
		for i := range Syncers {
			path := s.hostKubeconfig(i)
			err := m.AccountKubeconfig(ctx, accountNamespace, accountName, m.Cluster.Server(), path)
			if err == nil {
				err = s.records.Kubeconfig(path, i)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	r := records.Records{Federation: zone.Federation,
		ConfigMaps: m.client.CoreV1().ConfigMaps(recordsNamespace)}
	s.records.Watch(r, func(c records.Change) {
		u := Update{Syncer: c.Syncer, Made: c.Made, Asserts: c.Asserts, Names: map[string]Change{}}
		for name, n := range c.Names {
			u.Names[name] = Change{Switches: n.Switches(), Uncompared: c.Uncompared()}
		}
		watch(u)
	})
	return &recordsHost{r, s.records}, nil
}

// hostKubeconfig is that of a syncer for the cluster with the records.
func (s *Stage) hostKubeconfig(syncer int) string {
	return s.lab.Path("syncer", fmt.Sprintf("host-%d.kubeconfig", syncer))
}

func (h *recordsHost) Provider(int) string { return "{none: {}}" }

func (h *recordsHost) Env(int) []string { return nil }

func (h *recordsHost) Set(m Mode) {
	h.link.Set(h.Federation.Name, records.Mode{Down: m.Down, Delay: m.Delay, Fail: m.Servfail, Refuse: m.Refuse,
		LoseReply: m.LoseReply, LoseRequest: m.LoseRequest})
}

// Kill cuts the way to the records off: the faults of the cluster itself are those of a member.
func (h *recordsHost) Kill() { h.Set(Mode{Down: true}) }

func (h *recordsHost) Start(context.Context) error {
	h.Set(Mode{})
	return nil
}

func (h *recordsHost) Transfer() (map[federation.FQDN]map[string][]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), requestTime)
	defer cancel()
	return h.Read(ctx)
}

func (h *recordsHost) Edit(ctx context.Context, gone []Key, come []string) error {
	if len(come) > 0 {
		return errors.New("nothing is added to the records of a federation without a zone")
	}
	return h.Remove(ctx, func(name, typ string) bool { return slices.Contains(gone, Key{name, typ}) })
}

func (h *recordsHost) Stop() error { return nil } // the link is the Stage's
