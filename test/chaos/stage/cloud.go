package stage

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/test/clouddns"
	"github.com/federation-dns/federation/test/cloudzone"
	"github.com/federation-dns/federation/test/fakecloud"
	"github.com/federation-dns/federation/test/route53"
	"github.com/federation-dns/federation/test/world"
)

// cloudHost is the stand-in of a cloud behind a link. What it serves by DNS goes
// on while its API is away.
type cloudHost struct {
	link     *cloudLink
	provider func(url string) string
	env      []string
	rrsets   func() []cloudzone.Set
	load     func(...cloudzone.Set) error
	remove   func(...cloudzone.Key)
	close    func()
}

func (h *cloudHost) Provider(syncer int) string { return h.provider(h.link.url(syncer)) }

func (h *cloudHost) Env(int) []string { return h.env }

func (h *cloudHost) Set(m Mode) { h.link.set(func() { h.link.mode = m }) }

func (h *cloudHost) Kill() { h.link.set(func() { h.link.dead = true }) }

func (h *cloudHost) Start(context.Context) error {
	h.link.set(func() { h.link.dead = false })
	return nil
}

func (h *cloudHost) Transfer() (map[federation.FQDN]map[string][]string, error) {
	out := map[federation.FQDN]map[string][]string{}
	for _, set := range h.rrsets() {
		if set.Type == "SOA" {
			continue
		}
		name := federation.CanonicalName(set.Name)
		if out[name] == nil {
			out[name] = map[string][]string{}
		}
		out[name][set.Type] = set.Data
	}
	return out, nil
}

func (h *cloudHost) Edit(_ context.Context, gone []Key, come []string) error {
	for _, k := range gone {
		h.remove(cloudzone.Key{Name: k.Name, Type: k.Type})
	}
	for _, line := range come {
		if err := h.load(setOf(line)); err != nil {
			return err
		}
	}
	return nil
}

func (h *cloudHost) Stop() error {
	h.link.close()
	h.close()
	return nil
}

const (
	hostedZone, managedZone = "ZCHAOS", "chaos"
	accessKey               = "AKIACHAOS00000000000"
)

func startRoute53(z Zone, watch func(Update)) (Host, error) {
	s, err := route53.StartAt(fakecloud.Addresses{API: "127.0.0.1:0", DNS: net.JoinHostPort(z.Address, "53")},
		fakecloud.Zone{ID: hostedZone, Name: string(z.Domain)})
	if err != nil {
		return nil, err
	}
	if err := s.Load(hostedZone, foreignSets(z)...); err != nil {
		s.Close()
		return nil, err
	}
	return &cloudHost{
		link: newCloudLink(api{parseRoute53, failRoute53, refuseRoute53}, z, s, watch),
		provider: func(url string) string {
			return fmt.Sprintf("{route53: {hostedZoneID: %s, endpoint: %q}}", hostedZone, url)
		},
		env: []string{"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=of the stand-in",
			"AWS_CONFIG_FILE=/dev/null",
			"AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true"},
		rrsets: func() []cloudzone.Set { return s.RRsets(hostedZone) },
		load:   func(sets ...cloudzone.Set) error { return s.Load(hostedZone, sets...) },
		remove: func(keys ...cloudzone.Key) { s.Remove(hostedZone, keys...) }, close: s.Close,
	}, nil
}

func startCloudDNS(lab *world.Lab, z Zone, watch func(Update)) (Host, error) {
	s, err := clouddns.StartAt(fakecloud.Addresses{API: "127.0.0.1:0", DNS: net.JoinHostPort(z.Address, "53")},
		fakecloud.Zone{ID: managedZone, Name: string(z.Domain)})
	if err != nil {
		return nil, err
	}
	file := lab.Path("syncer", "google.json")
	credentials, err := s.Credentials()
	if err == nil {
		err = os.WriteFile(file, credentials, 0o600)
	}
	if err == nil {
		err = s.Load(managedZone, foreignSets(z)...)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return &cloudHost{
		link: newCloudLink(api{parseCloudDNS, failCloudDNS, refuseCloudDNS}, z, s, watch),
		provider: func(url string) string {
			return fmt.Sprintf("{cloudDNS: {project: %s, managedZone: %s, endpoint: %q}}",
				clouddns.Project, managedZone, url)
		},
		env:    []string{"GOOGLE_APPLICATION_CREDENTIALS=" + file},
		rrsets: func() []cloudzone.Set { return s.RRsets(managedZone) },
		load:   func(sets ...cloudzone.Set) error { return s.Load(managedZone, sets...) },
		remove: func(keys ...cloudzone.Key) { s.Remove(managedZone, keys...) }, close: s.Close,
	}, nil
}

// foreignSets are Foreign as RRsets, and a SOA with which a missing name is
// remembered for a second.
func foreignSets(z Zone) []cloudzone.Set {
	d := string(z.Domain)
	sets := []cloudzone.Set{{Name: d, Type: "SOA", TTL: 300,
		Data: []string{fmt.Sprintf("ns.%s hostmaster.%s 1 3600 600 86400 1", d, d)}}}
	for _, line := range z.Foreign() {
		sets = append(sets, setOf(line))
	}
	return sets
}

// setOf is the RRset of one record, "name type data".
func setOf(line string) cloudzone.Set {
	f := strings.SplitN(line, " ", 3)
	return cloudzone.Set{Name: f[0], Type: f[1], TTL: 300, Data: []string{f[2]}}
}

func parseRoute53(r *http.Request, body []byte) (elements []element, ok bool) {
	var batch struct {
		Changes []struct {
			Action string
			Set    struct {
				Name, Type string
				Values     []string `xml:"ResourceRecords>ResourceRecord>Value"`
			} `xml:"ResourceRecordSet"`
		} `xml:"ChangeBatch>Changes>Change"`
	}
	if r.Method != http.MethodPost || xml.Unmarshal(body, &batch) != nil || len(batch.Changes) == 0 {
		return nil, false
	}
	for _, c := range batch.Changes {
		elements = append(elements, element{
			deletes: c.Action == "DELETE", compares: c.Action == "DELETE" || c.Action == "CREATE", // not UPSERT
			name: dns.CanonicalName(c.Set.Name), typ: c.Set.Type, data: c.Set.Values,
		})
	}
	return elements, true
}

func failRoute53(w http.ResponseWriter) {
	answerRoute53(w, http.StatusServiceUnavailable, "ServiceUnavailable", "try again")
}

func refuseRoute53(w http.ResponseWriter, name string) {
	answerRoute53(w, http.StatusBadRequest, "InvalidChangeBatch",
		fmt.Sprintf("[RRSet with DNS name %s is not permitted here]", name))
}

func answerRoute53(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0"?><ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/">`+
		`<Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error>`+
		`<RequestId>1</RequestId></ErrorResponse>`, code, message)
}

func parseCloudDNS(r *http.Request, body []byte) (elements []element, ok bool) {
	type set struct {
		Name, Type string
		Data       []string `json:"rrdatas"`
	}
	var change struct{ Additions, Deletions []set }
	if r.Method != http.MethodPost || json.Unmarshal(body, &change) != nil ||
		len(change.Additions)+len(change.Deletions) == 0 {
		return nil, false
	}
	for i, sets := range [][]set{change.Deletions, change.Additions} {
		for _, s := range sets { // a Change compares both
			elements = append(elements,
				element{deletes: i == 0, compares: true, name: dns.CanonicalName(s.Name), typ: s.Type, data: s.Data})
		}
	}
	return elements, true
}

func failCloudDNS(w http.ResponseWriter) {
	answerCloudDNS(w, http.StatusServiceUnavailable, "backendError", "try again")
}

func refuseCloudDNS(w http.ResponseWriter, name string) {
	answerCloudDNS(w, http.StatusBadRequest, "invalid", fmt.Sprintf("Invalid value for 'entity.change': '%s'", name))
}

func answerCloudDNS(w http.ResponseWriter, status int, reason, message string) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error": {"code": %d, "message": %q, `+
		`"errors": [{"domain": "global", "reason": %q, "message": %q}]}}`, status, message, reason, message)
}
