package clouddns

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/cloudzone"
)

// Limits of a request, and of an RRset.
const (
	maxAdditions = 1000
	maxDeletions = 1000
	maxData      = 100_000
	maxRecords   = 100
)

// made is a Change that was made.
type made struct {
	change jsonChange
	doneAt time.Time
}

// makeChange makes a Change, all or nothing.
func (s *Server) makeChange(z *ManagedZone, in jsonChange) (any, *apiError) {
	if len(in.Additions)+len(in.Deletions) == 0 {
		return nil, failed(http.StatusBadRequest, "required", "The 'entity.change' parameter is required but was missing.")
	}
	if err := tooLarge(in); err != nil {
		return nil, err
	}
	deletions, err := parseSets(z.DNSName, "deletions", in.Deletions)
	if err != nil {
		return nil, err
	}
	additions, err := parseSets(z.DNSName, "additions", in.Additions)
	if err != nil {
		return nil, err
	}
	limit := s.currentLimits().RRsets
	var refusal *apiError
	_ = z.zone.Do(func(tx *cloudzone.Tx) error {
		if refusal = remove(tx, deletions); refusal == nil {
			refusal = add(tx, z.DNSName, additions)
		}
		if refusal == nil && limit > 0 && tx.Count() > limit {
			refusal = failed(http.StatusForbidden, "quotaExceeded", "The change would exceed quota for resource record sets per managed zone.")
		}
		if refusal != nil {
			return refusal
		}
		return nil
	})
	if refusal != nil {
		return nil, refusal
	}
	return s.submitted(z, in), nil
}

// tooLarge says which limits of a request the Change exceeds.
func tooLarge(in jsonChange) (err *apiError) {
	data := 0
	for _, sets := range [][]jsonSet{in.Additions, in.Deletions} {
		for _, set := range sets {
			for _, d := range set.Data {
				data += len(d)
			}
		}
	}
	for _, limit := range []struct {
		is, most int
		what     string
	}{
		{len(in.Additions), maxAdditions, "additions per change"},
		{len(in.Deletions), maxDeletions, "deletions per change"},
		{data, maxData, "total rrdata size per change"},
	} {
		if limit.is > limit.most {
			err = err.and(failed(http.StatusForbidden, "quotaExceeded", "The change would exceed quota for %s.", limit.what))
		}
	}
	return err
}

// parseSets checks what can be checked without a look at the zone.
func parseSets(zone, part string, in []jsonSet) (sets []cloudzone.Set, err *apiError) {
	seen := map[cloudzone.Key]bool{}
	for i, one := range in {
		at := fmt.Sprintf("entity.change.%s[%d]", part, i)
		set, wrong := parseSet(zone, at, one)
		if wrong == nil && seen[set.Key()] {
			wrong = failed(http.StatusConflict, "alreadyExists", "The resource '%s' named '%s (%s)' already exists", at, one.Name, one.Type)
		}
		if wrong != nil {
			err = err.and(wrong)
			continue
		}
		seen[set.Key()] = true
		sets = append(sets, set)
	}
	return sets, err
}

func parseSet(zone, at string, in jsonSet) (cloudzone.Set, *apiError) {
	invalid := func(field, value string) *apiError {
		return failed(http.StatusBadRequest, "invalid", "Invalid value for '%s.%s': '%s'", at, field, value)
	}
	name, err := parseName(in.Name)
	switch {
	case err != nil || !dns.IsSubDomain(zone, name):
		return cloudzone.Set{}, invalid("name", in.Name)
	case len(in.Routing) > 0:
		return cloudzone.Set{}, failed(http.StatusBadRequest, "invalid", "routing policies are not in the stand-in's changes")
	case dns.StringToType[in.Type] == 0:
		return cloudzone.Set{}, invalid("type", in.Type)
	case in.TTL == nil || *in.TTL < 0:
		return cloudzone.Set{}, failed(http.StatusBadRequest, "required", "The '%s.ttl' parameter is required but was missing.", at)
	case len(in.Data) == 0:
		return cloudzone.Set{}, failed(http.StatusBadRequest, "required", "The '%s.rrdata' parameter is required but was missing.", at)
	case len(in.Data) > maxRecords:
		return cloudzone.Set{}, failed(http.StatusForbidden, "quotaExceeded", "The change would exceed quota for resource records per resource record set.")
	case in.Type == "CNAME" && len(in.Data) > 1:
		return cloudzone.Set{}, failed(http.StatusBadRequest, "invalidRecordCount", "The resource record set '%s' is invalid because it contains more than one record of the type 'CNAME'.", at)
	}
	set := cloudzone.Set{Name: name, Type: in.Type, TTL: uint32(*in.TTL)}
	seen := map[string]bool{}
	for i, data := range in.Data {
		text, err := canonical(name, in.Type, data)
		if err != nil || seen[text] {
			return set, invalid(fmt.Sprintf("rrdata[%d]", i), data)
		}
		seen[text] = true
		set.Data = append(set.Data, text)
	}
	return set, nil
}

// remove deletes the RRsets, or says which are not there or are others.
func remove(tx *cloudzone.Tx, sets []cloudzone.Set) (err *apiError) {
	for i, set := range sets {
		is, there := tx.Find(set.Key())
		switch {
		case !there:
			err = err.and(failed(http.StatusNotFound, "notFound", "The 'entity.change.deletions[%d]' resource named '%s (%s)' does not exist.", i, set.Name, set.Type))
		case !is.Same(set):
			err = err.and(failed(http.StatusPreconditionFailed, "conditionNotMet", "Precondition not met for 'entity.change.deletions[%d]'", i))
		default:
			tx.Delete(set.Key())
		}
	}
	return err
}

// add adds the RRsets, or says which are there, or what the zone would be that
// it must not be.
func add(tx *cloudzone.Tx, zone string, sets []cloudzone.Set) (err *apiError) {
	for i, set := range sets {
		if _, there := tx.Find(set.Key()); there {
			err = err.and(failed(http.StatusConflict, "alreadyExists", "The resource 'entity.change.additions[%d]' named '%s (%s)' already exists", i, set.Name, set.Type))
			continue
		}
		tx.Put(set)
	}
	if err != nil {
		return err
	}
	for _, set := range sets {
		if at := tx.At(set.Name); cloudzone.Exclusive(at) {
			other := at[0].Type
			if other == set.Type {
				other = at[1].Type
			}
			err = err.and(failed(http.StatusBadRequest, "cnameResourceRecordSetConflict", "The resource record set 'entity.change.additions[%s][%s]' is invalid because the DNS name '%s' has a resource record set of the type '%s'. A DNS name may have either one CNAME resource record set or resource record sets of other types, but not both.", set.Name, set.Type, set.Name, other))
		}
	}
	for _, typ := range []string{"SOA", "NS"} {
		if _, there := tx.Find(cloudzone.Key{Name: zone, Type: typ}); !there {
			err = err.and(failed(http.StatusBadRequest, "invalidZoneApex", "The resource record set 'entity.change.deletions[%s][%s]' is invalid because a zone must contain exactly one resource record set of the type '%s' at the apex.", zone, typ, typ))
		}
	}
	return err
}

// submitted notes a Change that was made and returns the resource.
func (s *Server) submitted(z *ManagedZone, in jsonChange) jsonChange {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	in.Kind, in.ID, in.Started = "dns#change", strconv.Itoa(len(s.changes[z.Name])+1), now.UTC().Format("2006-01-02T15:04:05.000Z")
	in.Status = "pending"
	for _, sets := range [][]jsonSet{in.Additions, in.Deletions} {
		for i := range sets {
			sets[i].Kind = "dns#resourceRecordSet"
		}
	}
	s.changes[z.Name] = append(s.changes[z.Name], &made{in, now.Add(s.faults.DoneAfter)})
	return in
}

func (s *Server) getChange(z *ManagedZone, id string) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.changes[z.Name] {
		if m.change.ID == id {
			if !time.Now().Before(m.doneAt) {
				m.change.Status = "done"
			}
			return m.change, nil
		}
	}
	return nil, failed(http.StatusNotFound, "notFound", "The 'parameters.changeId' resource named '%s' does not exist.", id)
}
