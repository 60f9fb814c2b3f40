package route53

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/federation-dns/federation/test/cloudzone"
	"github.com/federation-dns/federation/test/fakecloud"
)

// The most that an answer holds.
const (
	maxSets  = 300
	maxZones = 100
)

func noSuchZone(id string) *fakecloud.Error {
	return fakecloud.Errorf(404, "NoSuchHostedZone", "No hosted zone found with ID: %s", id)
}

// list is a page of the zone.
func (s *Server) list(c call) (any, *fakecloud.Error) {
	z := s.Zone(c.id)
	if z == nil {
		return nil, noSuchZone(c.id)
	}
	query := c.query
	from := cloudzone.Key{Type: query.Get("type"), ID: query.Get("identifier")}
	n, failed := s.pageSize(query.Get("maxitems"), maxSets)
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
	sets, next := z.Records.List(from, n, nil)
	out := listResponse{
		MaxItems: strconv.Itoa(n), IsTruncated: next.Name != "", NextType: next.Type, NextIdentifier: next.ID,
	}
	if out.IsTruncated {
		out.NextName = printName(next.Name)
	}
	for _, set := range sets {
		out.Sets = append(out.Sets, toXML(set))
	}
	return out, nil
}

// pageSize is how many an answer may have.
func (s *Server) pageSize(text string, most int) (int, *fakecloud.Error) {
	if limit := s.Limits().Page; limit > 0 {
		most = min(most, limit)
	}
	if text == "" {
		return most, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, invalidInput("maxitems %q is no number above 0", text)
	}
	return min(n, most), nil
}

func (s *Server) getZone(c call) (any, *fakecloud.Error) {
	z := s.Zone(c.id)
	if z == nil {
		return nil, noSuchZone(c.id)
	}
	return zoneResponse{Zone: zoneToXML(z)}, nil
}

func zoneToXML(z *fakecloud.Zone) xmlZone {
	out := xmlZone{
		ID: "/hostedzone/" + z.ID, Name: printName(z.Name), CallerReference: "fake " + z.ID, Private: z.Private,
	}
	_ = z.Records.Do(func(tx *cloudzone.Tx) error { out.Count = int64(tx.Count()); return nil })
	return out
}

// zonesByName lists the hosted zones by name, in the order of the API, from the name on.
func (s *Server) zonesByName(c call) (any, *fakecloud.Error) {
	query := c.query
	n, failed := s.pageSize(query.Get("maxitems"), maxZones)
	if failed != nil {
		return nil, failed
	}
	from := ""
	if text := query.Get("dnsname"); text != "" {
		name, err := parseName(text)
		if err != nil {
			return nil, fakecloud.Errorf(400, "InvalidDomainName", "%v", err)
		}
		from = reversed(name)
	}
	all := s.Zones()
	slices.SortFunc(all, func(a, b *fakecloud.Zone) int {
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
		out.Zones = append(out.Zones, zoneToXML(z))
	}
	return out, nil
}

// changeIDs is the form of the IDs of changes.
const changeIDs = "C%010d"

func (s *Server) getChange(c call) (any, *fakecloud.Error) {
	var n int
	_, _ = fmt.Sscanf(c.id, changeIDs, &n) // another form is of no change
	made, ok := s.Change("", n)
	if !ok {
		return nil, fakecloud.Errorf(404, "NoSuchChange", "A change with the specified change ID does not exist: %s",
			c.id)
	}
	return changeInfo("GetChangeResponse", made), nil
}

// changeInfo is what is to be known of a change.
func changeInfo(element string, made fakecloud.Change) changeResponse {
	info := xmlChangeInfo{"/change/" + fmt.Sprintf(changeIDs, made.ID), "INSYNC", timestamp(made.Submitted)}
	if made.Pending() {
		info.Status = "PENDING"
	}
	return changeResponse{xml.Name{Space: namespace, Local: element}, info}
}
