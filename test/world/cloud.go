package world

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/cloudzone"
)

// The providers of the walk-through.
const (
	RFC2136  = "rfc2136"
	Route53  = "route53"
	CloudDNS = "clouddns"
	// None is no DNS zone at all: pods are answered from the mirrors in their clusters (M7).
	None = "none"
)

// Providers are all that the walk-through can run with.
var Providers = []string{RFC2136, Route53, CloudDNS, None}

// Titles are the names of those that are stand-ins of an API.
var Titles = map[string]string{Route53: "Route 53", CloudDNS: "Cloud DNS"}

// PollEvery is how often CoreDNS reads the zone from the stand-in of a cloud's
// API; its default is a minute.
const PollEvery = 500 * time.Millisecond

// cloud is a stand-in of a cloud's API, with the zone of Domain.
type cloud interface {
	// provider has the lines of the syncer's configuration.
	provider() string
	// plugin has the lines of a Corefile with which CoreDNS serves the zone.
	plugin() string
	// syncerEnv and pollerEnv are the environment with the credentials of the
	// syncer and of the CoreDNS that serves the zone.
	syncerEnv() []string
	pollerEnv() []string
	// rrsets are those of the zone, with data in the presentation form of DNS.
	rrsets() []cloudzone.Set
	// take returns the requests since the last take.
	take() []cloudRequest
	close()
}

// cloudRequest is a request to a stand-in.
type cloudRequest struct {
	at       time.Time
	ours     bool // it is the syncer's
	action   string
	elements []string // "DELETE A www.example.com."
	octets   int
	code     string // "" was granted
}

// soa is the zone's: as that of the DNS server that takes updates, a name that
// does not exist is remembered for 5 s.
var soa = cloudzone.Set{Name: Domain + ".", Type: "SOA", TTL: 60,
	Data: []string{AuthorityName + " hostmaster." + Domain + ". 1 3600 600 86400 5"}}

func newCloud(w *World) (cloud, error) {
	switch w.opt.Provider {
	case "", RFC2136, None:
		return nil, nil
	case Route53:
		return newRoute53()
	case CloudDNS:
		return newCloudDNS(w)
	}
	return nil, fmt.Errorf("provider %q: %s are there", w.opt.Provider, strings.Join(Providers, ", "))
}

// cloudCorefile serves the zone with CoreDNS's own plugin for that cloud.
const cloudCorefile = `%[1]s:53 {
	bind %[2]s
	errors
	%[3]s
}
` + internetCorefile

// cloudRecords are the records at the stand-in, once CoreDNS
// answers with them.
func (w *World) cloudRecords(ctx context.Context) (Table, error) {
	var stored Table
	names := slices.Clone(w.opt.Names)
	for _, set := range w.cloud.rrsets() {
		if set.Type != "A" && set.Type != "AAAA" && set.Type != "CNAME" {
			continue
		}
		data := slices.Clone(set.Data)
		slices.SortFunc(data, compareData)
		stored = append(stored, Row{Name: set.Name, Type: set.Type, TTL: fmt.Sprint(set.TTL), Data: data})
		names = append(names, set.Name)
	}
	slices.SortFunc(stored, compareRows)
	slices.Sort(names)
	served, err := served(ctx, slices.Compact(names))
	if err != nil {
		return nil, err
	}
	if served.String() != stored.String() {
		return nil, fmt.Errorf("the DNS server of %s has not read the zone yet: it answers\n%s\nand the zone has\n%s",
			Domain, served, stored)
	}
	return served, nil
}

// served asks the DNS server of Domain for the names.
func served(ctx context.Context, names []string) (t Table, err error) {
	for _, name := range names {
		for _, typ := range []uint16{dns.TypeCNAME, dns.TypeA, dns.TypeAAAA} {
			r, err := Ask(ctx, Authority, name, typ)
			if err != nil {
				return nil, err
			}
			row := Row{Name: name, Type: dns.TypeToString[typ]}
			for _, rr := range r.Answer {
				if rr.Header().Name == name && rr.Header().Rrtype == typ {
					row.TTL, row.Data = fmt.Sprint(rr.Header().Ttl), append(row.Data, RData(rr))
				}
			}
			if row.Data != nil {
				slices.SortFunc(row.Data, compareData)
				t = append(t, row)
			}
		}
	}
	slices.SortFunc(t, compareRows)
	return t, nil
}

// Requests are the requests that the syncer has sent to the API of its provider
// since the last call: for each a line, and one for each name that it changes.
// There are none with an RFC 2136 server.
func (w *World) Requests() (lines []string) {
	if w.cloud == nil {
		return nil
	}
	polls := 0
	for _, r := range w.cloud.take() {
		if !r.ours {
			polls++
			continue
		}
		result := "granted"
		if r.code != "" {
			result = r.code
		}
		lines = append(lines, fmt.Sprintf("%s %s, %d octets: %s",
			r.at.Format("15:04:05.000"), r.action, r.octets, result))
		lines = append(lines, byName(r.elements)...)
	}
	if polls > 0 {
		lines = append(lines, fmt.Sprintf("and %d by the CoreDNS that serves the zone, which reads it every %s",
			polls, PollEvery))
	}
	return lines
}

// byName has a line for each name: "  nginx.svc: -A -AAAA +CNAME".
func byName(elements []string) (lines []string) {
	var names []string
	changes := map[string]string{}
	for _, e := range elements {
		f := strings.Fields(e)
		name := strings.TrimSuffix(f[2], "."+Domain+".")
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		changes[name] += map[bool]string{true: " -", false: " +"}[f[0] == "DELETE"] + f[1]
	}
	for _, name := range names {
		lines = append(lines, "  "+name+":"+changes[name])
	}
	return lines
}

// cleanEnv keeps what the environment of whoever runs this says of clouds
// away from our programs.
var cleanEnv = []string{
	"AWS_PROFILE=", "AWS_SESSION_TOKEN=", "AWS_ROLE_ARN=", "AWS_WEB_IDENTITY_TOKEN_FILE=", "AWS_ENDPOINT_URL=",
	"AWS_ENDPOINT_URL_ROUTE_53=",
	"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true",
	"AWS_CA_BUNDLE=",
	"GOOGLE_APPLICATION_CREDENTIALS=", "GOOGLE_CLOUD_QUOTA_PROJECT=", "GOOGLE_CLOUD_UNIVERSE_DOMAIN=",
}

// loopback is where the stand-ins listen.
var loopback = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), 0).String()
