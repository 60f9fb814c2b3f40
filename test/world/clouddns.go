package world

import (
	"fmt"
	"os"

	"github.com/federation-dns/federation/test/clouddns"
	"github.com/federation-dns/federation/test/cloudzone"
	"github.com/federation-dns/federation/test/fakecloud"
)

const (
	managedZone = "example-com"
	// The service account of the CoreDNS that serves the zone.
	pollerAccount = "coredns@" + clouddns.Project + ".iam.gserviceaccount.com"
)

type cloudDNS struct {
	*clouddns.Server
	syncer, poller string // key files
}

func newCloudDNS(w *World) (cloud, error) {
	s, err := clouddns.StartAt(fakecloud.Addresses{API: loopback, DNS: loopback},
		fakecloud.Zone{ID: managedZone, Name: Domain + "."})
	if err != nil {
		return nil, err
	}
	c := cloudDNS{s, w.Path("syncer", "account.json"), w.Path("dns", "account.json")}
	for path, account := range map[string]string{c.syncer: clouddns.Account, c.poller: pollerAccount} {
		key, err := s.CredentialsOf(account)
		if err != nil {
			return c, err
		}
		if err := os.WriteFile(path, key, 0o600); err != nil {
			return c, err
		}
	}
	return c, s.Load(managedZone, soa)
}

func (c cloudDNS) provider() string {
	return fmt.Sprintf("    cloudDNS: {project: %s, managedZone: %s, endpoint: %q}\n",
		clouddns.Project, managedZone, c.URL)
}

func (c cloudDNS) plugin() string {
	return fmt.Sprintf("clouddns %s.:%s:%s {\n\t\tcredentials %s\n\t\tendpoint %s/\n\t\trefresh %s\n\t}",
		Domain, clouddns.Project, managedZone, c.poller, c.URL, PollEvery)
}

func (c cloudDNS) syncerEnv() []string {
	return append(append([]string{}, cleanEnv...), "GOOGLE_APPLICATION_CREDENTIALS="+c.syncer)
}

func (c cloudDNS) pollerEnv() []string { return cleanEnv }

func (c cloudDNS) rrsets() []cloudzone.Set { return c.RRsets(managedZone) }

func (c cloudDNS) take() (out []cloudRequest) {
	for _, r := range c.Take() {
		code := r.Code
		if code != "" {
			code = fmt.Sprintf("%d %s", r.Status, r.Code)
		}
		out = append(out, cloudRequest{
			at: r.At, ours: r.Client == clouddns.Account, action: r.Action, elements: r.Elements, octets: r.Octets,
			code: code,
		})
	}
	return out
}

func (c cloudDNS) close() { c.Close() }
