package clouddns

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/federation-dns/federation/test/cloudzone"
	"github.com/federation-dns/federation/test/fakecloud"
)

// defaultPage and maxPage are how many an answer holds: the API has the server decide, and says no numbers.
const (
	defaultPage = 100
	maxPage     = 1000
)

// list is a page of the zone.
func (s *Server) list(z managedZone, c call) (any, *fakecloud.Error) {
	query := c.query
	n, err := s.pageSize(query.Get("maxResults"))
	if err != nil {
		return nil, err
	}
	from, err := parsePageToken(query.Get("pageToken"))
	if err != nil {
		return nil, err
	}
	text, typ := query.Get("name"), query.Get("type")
	if text == "" {
		if typ != "" {
			return nil, fakecloud.Errorf(http.StatusBadRequest, "invalid",
				"The 'parameters.name' parameter is required when 'parameters.type' is specified.")
		}
		return answer(z.Records.List(from, n, nil)), nil
	}
	name, bad := parseName(text)
	if bad != nil {
		return nil, fakecloud.Errorf(http.StatusBadRequest, "invalid", "Invalid value for 'parameters.name': '%s'",
			text)
	}
	if from.Name == "" {
		from.Name = name
	}
	// What is at the name, without a walk through the rest of the zone.
	sets, next := z.Records.List(from, n, nil)
	sets = slices.DeleteFunc(sets, func(set cloudzone.Set) bool {
		return set.Name != name || typ != "" && set.Type != typ
	})
	if next.Name != name {
		next = cloudzone.Key{}
	}
	return answer(sets, next), nil
}

func answer(sets []cloudzone.Set, next cloudzone.Key) jsonSets {
	out := jsonSets{Kind: "dns#resourceRecordSetsListResponse", RRsets: []jsonSet{}}
	if next.Name != "" {
		out.Next = pageToken(next)
	}
	for _, set := range sets {
		out.RRsets = append(out.RRsets, toJSON(set))
	}
	return out
}

// toJSON returns the RRset as the API has it.
func toJSON(set cloudzone.Set) jsonSet {
	ttl := int64(set.TTL)
	out := jsonSet{Kind: "dns#resourceRecordSet", Name: set.Name, Type: set.Type, TTL: &ttl, Data: set.Data}
	if set.Special != "" {
		item, err := json.Marshal(map[string]any{"kind": "dns#rRSetRoutingPolicy", "wrr": map[string]any{
			"kind":  "dns#rRSetRoutingPolicyWrrPolicy",
			"items": []any{map[string]any{"weight": 1, "rrdatas": set.Data}}}})
		if err != nil {
			panic(err) // strings and numbers
		}
		out.Data, out.Routing = nil, item
	}
	return out
}

// pageSize is how many an answer may have.
func (s *Server) pageSize(text string) (int, *fakecloud.Error) {
	most := maxPage
	if limit := s.Limits().Page; limit > 0 {
		most = limit
	}
	if text == "" {
		return min(defaultPage, most), nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fakecloud.Errorf(http.StatusBadRequest, "invalidParameter", "Invalid value '%s' for 'maxResults'",
			text)
	}
	return min(n, most), nil
}

func pageToken(k cloudzone.Key) string {
	return base64.URLEncoding.EncodeToString([]byte(k.Name + "\x00" + k.Type))
}

func parsePageToken(text string) (k cloudzone.Key, err *fakecloud.Error) {
	if text == "" {
		return k, nil
	}
	raw, bad := base64.URLEncoding.DecodeString(text)
	name, typ, cut := strings.Cut(string(raw), "\x00")
	if bad != nil || !cut {
		return k, fakecloud.Errorf(http.StatusBadRequest, "invalid", "Invalid value for 'parameters.pageToken': '%s'",
			text)
	}
	return cloudzone.Key{Name: name, Type: typ}, nil
}

func (z managedZone) json() jsonZone {
	out := jsonZone{
		Kind: "dns#managedZone", ID: fmt.Sprint(z.number), Name: z.ID, DNSName: z.Name, Visibility: "public",
		Description: "fake", Created: "2026-01-01T00:00:00.000Z", NameServers: []string{"ns.example.org."},
	}
	if z.Private {
		out.Visibility = "private"
	}
	if z.Forwards {
		out.Forwarding = json.RawMessage(`{"kind":"dns#managedZoneForwardingConfig","targetNameServers":[` +
			`{"kind":"dns#managedZoneForwardingConfigNameServerTarget","ipv4Address":"192.0.2.53"}]}`)
	}
	return out
}

// listZones lists the managed zones, or those of exactly one domain.
func (s *Server) listZones(c call) (any, *fakecloud.Error) {
	query := c.query
	n, err := s.pageSize(query.Get("maxResults"))
	if err != nil {
		return nil, err
	}
	from, err := parsePageToken(query.Get("pageToken"))
	if err != nil {
		return nil, err
	}
	all := s.managedZones()
	slices.SortFunc(all, func(a, b managedZone) int { return strings.Compare(a.ID, b.ID) })
	out := jsonZones{Kind: "dns#managedZonesListResponse", Zones: []jsonZone{}}
	for _, z := range all {
		if z.ID < from.Name || query.Has("dnsName") && query.Get("dnsName") != z.Name {
			continue
		}
		if len(out.Zones) == n {
			out.Next = pageToken(cloudzone.Key{Name: z.ID})
			break
		}
		out.Zones = append(out.Zones, z.json())
	}
	return out, nil
}
