package world

import (
	"fmt"

	"github.com/federation-dns/federation/test/cloudzone"
	"github.com/federation-dns/federation/test/fakecloud"
	"github.com/federation-dns/federation/test/route53"
)

const (
	hostedZone = "Z0123456789ABCDEFGHIJ"
	// The access keys of the syncer and of the CoreDNS that serves the zone.
	syncerKey, pollerKey = "AKIASYNCER0000000000", "AKIACOREDNS000000000"
)

type cloudRoute53 struct{ *route53.Server }

func newRoute53() (cloud, error) {
	s, err := route53.StartAt(fakecloud.Addresses{API: loopback, DNS: loopback},
		fakecloud.Zone{ID: hostedZone, Name: Domain + "."})
	if err != nil {
		return nil, err
	}
	return cloudRoute53{s}, s.Load(hostedZone, soa)
}

func (c cloudRoute53) provider() string {
	return fmt.Sprintf("    route53: {hostedZoneID: %s, endpoint: %q}\n", hostedZone, c.URL)
}

// plugin has no aws_endpoint: in CoreDNS 1.15.0 that option takes the closing
// brace of its block for the URL. The SDK's own variable does it.
func (c cloudRoute53) plugin() string {
	return fmt.Sprintf("route53 %s.:%s {\n\t\trefresh %s\n\t}", Domain, hostedZone, PollEvery)
}

func (c cloudRoute53) syncerEnv() []string { return credentials(syncerKey) }
func (c cloudRoute53) pollerEnv() []string {
	return append(credentials(pollerKey), "AWS_ENDPOINT_URL_ROUTE_53="+c.URL)
}

func credentials(key string) []string {
	return append([]string{"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=" + key, "AWS_SECRET_ACCESS_KEY=of the stand-in"},
		cleanEnv...)
}

func (c cloudRoute53) rrsets() []cloudzone.Set { return c.RRsets(hostedZone) }

func (c cloudRoute53) take() (out []cloudRequest) {
	for _, r := range c.Take() {
		out = append(out, cloudRequest{at: r.At, ours: r.Client == syncerKey, action: r.Action, elements: r.Elements,
			octets: r.Octets, code: r.Code})
	}
	return out
}

func (c cloudRoute53) close() { c.Close() }
