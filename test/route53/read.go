package route53

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/federation-dns/federation/test/cloudzone"
)

// The most that an answer holds.
const (
	maxSets  = 300
	maxZones = 100
)

func noSuchZone(id string) *apiError {
	return &apiError{404, "NoSuchHostedZone", "No hosted zone found with ID: " + id}
}

// list is a page of the zone.
func (s *Server) list(c call) (any, *apiError) {
	z := s.zone(c.id)
	if z == nil {
		return nil, noSuchZone(c.id)
	}
	query := c.url.Query()
	from := cloudzone.Key{Type: query.Get("type"), ID: query.Get("identifier")}
	n, failed := items(query.Get("maxitems"), maxSets)
	switch {
	case failed != nil:
		return nil, failed
	case from.Type != "" && query.Get("name") == "":
		return nil, invalidInput("The input is not valid: a type without a name")
	case from.ID != "" && from.Type == "":
		return nil, invalidInput("The input is not valid: an identifier without a type")
	}
	if query.Get("name") != "" {
		name, err := parseName(query.Get("name"))
		if err != nil {
			return nil, invalidInput("%v", err)
		}
		from.Name = name
	}
	sets, next := z.zone.List(from, n, nil)
	out := listResponse{MaxItems: strconv.Itoa(n), IsTruncated: next.Name != "", NextType: next.Type, NextIdentifier: next.ID}
	if out.IsTruncated {
		out.NextName = printName(next.Name)
	}
	for _, set := range sets {
		out.Sets = append(out.Sets, toXML(set))
	}
	return out, nil
}

// items is how many an answer may have.
func items(text string, most int) (int, *apiError) {
	if text == "" {
		return most, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, invalidInput("maxitems %q is no number above 0", text)
	}
	return min(n, most), nil
}

func (s *Server) getZone(c call) (any, *apiError) {
	z := s.zone(c.id)
	if z == nil {
		return nil, noSuchZone(c.id)
	}
	return zoneResponse{Zone: z.xml()}, nil
}

func (z *HostedZone) xml() xmlZone {
	out := xmlZone{ID: "/hostedzone/" + z.ID, Name: printName(z.Name), CallerReference: "stand-in " + z.ID, Private: z.Private}
	_ = z.zone.Do(func(tx *cloudzone.Tx) error { out.Count = int64(tx.Count()); return nil })
	return out
}

// zonesByName lists the hosted zones by name, in the order of the API, from
// the name on.
func (s *Server) zonesByName(c call) (any, *apiError) {
	query := c.url.Query()
	n, failed := items(query.Get("maxitems"), maxZones)
	if failed != nil {
		return nil, failed
	}
	from := ""
	if text := query.Get("dnsname"); text != "" {
		name, err := parseName(text)
		if err != nil {
			return nil, &apiError{400, "InvalidDomainName", err.Error()}
		}
		from = reversed(name)
	}
	s.mu.Lock()
	all := slices.Clone(s.zones)
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b *HostedZone) int {
		if order := strings.Compare(reversed(a.Name), reversed(b.Name)); order != 0 {
			return order
		}
		return strings.Compare(a.ID, b.ID)
	})
	out := zonesResponse{DNSName: query.Get("dnsname"), ZoneID: query.Get("hostedzoneid"), MaxItems: strconv.Itoa(n)}
	for _, z := range all {
		at := reversed(z.Name)
		if at < from || at == from && z.ID < query.Get("hostedzoneid") {
			continue
		}
		if len(out.Zones) == n {
			out.IsTruncated, out.NextName, out.NextID = true, printName(z.Name), z.ID
			break
		}
		out.Zones = append(out.Zones, z.xml())
	}
	return out, nil
}

// submitted notes a change and returns its id.
func (s *Server) submitted() (id string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now = time.Now()
	id = fmt.Sprintf("C%010d", len(s.changes)+1)
	s.changes[id] = now.Add(s.faults.SyncAfter)
	return id, now
}

func (s *Server) getChange(c call) (any, *apiError) {
	s.mu.Lock()
	at, there := s.changes[c.id]
	s.mu.Unlock()
	if !there {
		return nil, &apiError{404, "NoSuchChange", "A change with the specified change ID does not exist: " + c.id}
	}
	status := "INSYNC"
	if time.Now().Before(at) {
		status = "PENDING"
	}
	return changeResponse{xml.Name{Space: namespace, Local: "GetChangeResponse"}, xmlChangeInfo{"/change/" + c.id, status, timestamp(at)}}, nil
}
