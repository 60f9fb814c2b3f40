package clouddns

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/cloudzone"
	"github.com/federation-dns/federation/test/fakecloud"
)

// Limits of a request, and of an RRset.
const (
	maxAdditions = 1000
	maxDeletions = 1000
	maxData      = 100_000
	maxRecords   = 100
)

// makeChange makes a Change, all or nothing.
func (s *Server) makeChange(z managedZone, in jsonChange) (any, *fakecloud.Error) {
	if len(in.Additions)+len(in.Deletions) == 0 {
		return nil, fakecloud.Errorf(http.StatusBadRequest, "required",
			"The 'entity.change' parameter is required but was missing.")
	}
	if err := tooLarge(in); err != nil {
		return nil, err
	}
	deletions, err := parseSets(z.Name, "deletions", in.Deletions)
	if err != nil {
		return nil, err
	}
	additions, err := parseSets(z.Name, "additions", in.Additions)
	if err != nil {
		return nil, err
	}
	time.Sleep(s.Faults().ChangeTakes)
	limit := s.Limits().RRsets
	var refusal *fakecloud.Error
	_ = z.Records.Do(func(tx *cloudzone.Tx) error {
		if refusal = remove(tx, deletions); refusal == nil {
			refusal = add(tx, z.Name, additions)
		}
		if refusal == nil && limit > 0 && tx.Count() > limit {
			refusal = fakecloud.Errorf(http.StatusForbidden, "quotaExceeded",
				"The change would exceed quota for resource record sets per managed zone.")
		}
		if refusal != nil {
			return refusal
		}
		return nil
	})
	if refusal != nil {
		return nil, refusal
	}
	for _, sets := range [][]jsonSet{in.Additions, in.Deletions} {
		for i := range sets {
			sets[i].Kind = "dns#resourceRecordSet"
		}
	}
	out := changeToJSON(s.Submit(z.ID, in))
	out.Status = "pending"
	return out, nil
}

// tooLarge returns the error of a Change that exceeds limits of a request.
func tooLarge(in jsonChange) (err *fakecloud.Error) {
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
			err = err.Join(fakecloud.Errorf(http.StatusForbidden, "quotaExceeded",
				"The change would exceed quota for %s.", limit.what))
		}
	}
	return err
}

// parseSets makes the checks that do not depend on the zone's records.
func parseSets(zone, part string, in []jsonSet) (sets []cloudzone.Set, err *fakecloud.Error) {
	seen := map[cloudzone.Key]bool{}
	for i, one := range in {
		at := fmt.Sprintf("entity.change.%s[%d]", part, i)
		set, wrong := parseSet(zone, at, one)
		if wrong == nil && seen[set.Key()] {
			wrong = fakecloud.Errorf(http.StatusConflict, "alreadyExists",
				"The resource '%s' named '%s (%s)' already exists", at, one.Name, one.Type)
		}
		if wrong != nil {
			err = err.Join(wrong)
			continue
		}
		seen[set.Key()] = true
		sets = append(sets, set)
	}
	return sets, err
}

func parseSet(zone, at string, in jsonSet) (cloudzone.Set, *fakecloud.Error) {
	invalid := func(field, value string) *fakecloud.Error {
		return fakecloud.Errorf(http.StatusBadRequest, "invalid", "Invalid value for '%s.%s': '%s'", at, field, value)
	}
	name, err := parseName(in.Name)
	switch {
	case err != nil || !dns.IsSubDomain(zone, name):
		return cloudzone.Set{}, invalid("name", in.Name)
	case len(in.Routing) > 0:
		return cloudzone.Set{}, fakecloud.Errorf(http.StatusBadRequest, "invalid",
			"the fake changes no routing policies")
	case dns.StringToType[in.Type] == 0:
		return cloudzone.Set{}, invalid("type", in.Type)
	case in.TTL == nil || *in.TTL < 0:
		return cloudzone.Set{}, fakecloud.Errorf(http.StatusBadRequest, "required",
			"The '%s.ttl' parameter is required but was missing.", at)
	case len(in.Data) == 0:
		return cloudzone.Set{}, fakecloud.Errorf(http.StatusBadRequest, "required",
			"The '%s.rrdata' parameter is required but was missing.", at)
	case len(in.Data) > maxRecords:
		return cloudzone.Set{}, fakecloud.Errorf(http.StatusForbidden, "quotaExceeded",
			"The change would exceed quota for resource records per resource record set.")
	case in.Type == "CNAME" && len(in.Data) > 1:
		return cloudzone.Set{}, fakecloud.Errorf(http.StatusBadRequest, "invalidRecordCount",
			"The resource record set '%s' is invalid because it contains more than one record of the type 'CNAME'.", at)
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

// remove deletes the RRsets. The error names those that do not exist or differ.
func remove(tx *cloudzone.Tx, sets []cloudzone.Set) (err *fakecloud.Error) {
	for i, set := range sets {
		is, there := tx.Find(set.Key())
		switch {
		case !there:
			err = err.Join(fakecloud.Errorf(http.StatusNotFound, "notFound",
				"The 'entity.change.deletions[%d]' resource named '%s (%s)' does not exist.", i, set.Name, set.Type))
		case !is.Same(set):
			err = err.Join(fakecloud.Errorf(http.StatusPreconditionFailed, "conditionNotMet",
				"Precondition not met for 'entity.change.deletions[%d]'", i))
		default:
			tx.Delete(set.Key())
		}
	}
	return err
}

// add adds the RRsets. The error names those that exist, and what the zone must not become.
func add(tx *cloudzone.Tx, zone string, sets []cloudzone.Set) (err *fakecloud.Error) {
	for i, set := range sets {
		if _, there := tx.Find(set.Key()); there {
			err = err.Join(fakecloud.Errorf(http.StatusConflict, "alreadyExists",
				"The resource 'entity.change.additions[%d]' named '%s (%s)' already exists", i, set.Name, set.Type))
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
			err = err.Join(fakecloud.Errorf(http.StatusBadRequest, "cnameResourceRecordSetConflict",
				"The resource record set 'entity.change.additions[%s][%s]' is invalid because the DNS name '%s' has "+
					"a resource record set of the type '%s'. A DNS name may have either one CNAME resource record "+
					"set or resource record sets of other types, but not both.", set.Name, set.Type, set.Name,
				other))
		}
	}
	for _, typ := range []string{"SOA", "NS"} {
		if _, there := tx.Find(cloudzone.Key{Name: zone, Type: typ}); !there {
			err = err.Join(fakecloud.Errorf(http.StatusBadRequest, "invalidZoneApex",
				"The resource record set 'entity.change.deletions[%s][%s]' is invalid because a zone must contain "+
					"exactly one resource record set of the type '%s' at the apex.", zone, typ, typ))
		}
	}
	return err
}

func (s *Server) getChange(z managedZone, id string) (any, *fakecloud.Error) {
	n, _ := strconv.Atoi(id) // another form is of no Change
	made, ok := s.Change(z.ID, n)
	if !ok {
		return nil, fakecloud.Errorf(http.StatusNotFound, "notFound",
			"The 'parameters.changeId' resource named '%s' does not exist.", id)
	}
	return changeToJSON(made), nil
}

// changeToJSON returns the resource of a Change that was made.
func changeToJSON(made fakecloud.Change) jsonChange {
	out := made.What.(jsonChange)
	out.Kind, out.ID, out.Status = "dns#change", strconv.Itoa(made.ID), "done"
	out.Started = made.Submitted.UTC().Format("2006-01-02T15:04:05.000Z")
	if made.Pending() {
		out.Status = "pending"
	}
	return out
}
