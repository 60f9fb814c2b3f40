package route53

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/cloudzone"
	"github.com/federation-dns/federation/test/fakecloud"
)

// Limits of a request, and of an RRset.
const (
	maxValues     = 1000
	maxCharacters = 32000
	maxValue      = 4000
	maxRecords    = 400
)

// change makes a batch, in order, all or nothing.
func (s *Server) change(c call) (any, *fakecloud.Error) {
	z := s.Zone(c.id)
	if z == nil {
		return nil, noSuchZone(c.id)
	}
	if !s.busy[z.ID].TryLock() {
		return nil, fakecloud.Errorf(400, "PriorRequestNotComplete",
			"The request was rejected because Route 53 was still processing a prior request.")
	}
	defer s.busy[z.ID].Unlock()
	time.Sleep(s.Faults().ChangeTakes)
	switch {
	case len(c.batch.Unknown) > 0:
		return nil, invalidInput("unknown element %q", c.batch.Unknown[0].XMLName.Local)
	case len(c.batch.Changes) == 0:
		return nil, invalidInput("1 validation error detected: Value '[]' at 'changeBatch.changes' failed to satisfy " +
			"constraint: Member must have length greater than or equal to 1")
	case c.Values > maxValues:
		return nil, invalidBatch(fmt.Sprintf("Number of records limit of %d exceeded.", maxValues))
	case c.Data > maxCharacters:
		return nil, invalidBatch(fmt.Sprintf("Number of characters limit of %d exceeded.", maxCharacters))
	}
	var sets []cloudzone.Set
	for _, change := range c.batch.Changes {
		set, err := parseSet(z.Name, change)
		if err != nil {
			return nil, err
		}
		sets = append(sets, set)
	}
	if messages := repeated(c.batch.Changes, sets); len(messages) > 0 {
		return nil, invalidBatch(messages...)
	}
	limit := s.Limits().RRsets
	var messages []string
	_ = z.Records.Do(func(tx *cloudzone.Tx) error {
		for i, change := range c.batch.Changes {
			if message := apply(tx, z.Name, change.Action, sets[i]); message != "" {
				messages = append(messages, message)
			}
		}
		if limit > 0 && tx.Count() > limit {
			messages = append(messages, fmt.Sprintf("Number of records limit of %d exceeded.", limit))
		}
		if len(messages) > 0 {
			return invalidBatch(messages...)
		}
		return nil
	})
	if len(messages) > 0 {
		return nil, invalidBatch(messages...)
	}
	out := changeInfo("ChangeResourceRecordSetsResponse", s.Submit("", nil)) // their IDs are those of the account
	out.ChangeInfo.Status = "PENDING"
	return out, nil
}

func invalidBatch(messages ...string) *fakecloud.Error {
	return fakecloud.Errorf(400, "InvalidChangeBatch", "[%s]", strings.Join(messages, ", "))
}

// parseSet makes the checks that do not depend on the zone's records.
func parseSet(zone string, change xmlChange) (cloudzone.Set, *fakecloud.Error) {
	in := change.Set
	if change.Action != "CREATE" && change.Action != "DELETE" {
		return cloudzone.Set{}, invalidInput("action %q: the fake accepts CREATE and DELETE only: an UPSERT "+
			"overwrites another client's records", change.Action)
	}
	if in.AliasTarget != nil || in.SetIdentifier != "" || in.Weight != nil {
		return cloudzone.Set{}, invalidInput("the fake changes no aliases and routing policies")
	}
	name, err := parseName(in.Name)
	switch {
	case err != nil:
		return cloudzone.Set{}, invalidBatch(err.Error())
	case in.TTL == nil || in.Records == nil || len(in.Records.Records) == 0:
		return cloudzone.Set{}, invalidInput("Invalid request: Missing field 'TTL' or 'ResourceRecords' in Change "+
			"with [Action=%s, Name=%s, Type=%s]", change.Action, in.Name, in.Type)
	case *in.TTL > 1<<31-1:
		return cloudzone.Set{}, invalidInput("TTL %d is out of range", *in.TTL)
	case !dns.IsSubDomain(zone, name):
		return cloudzone.Set{}, invalidBatch(fmt.Sprintf("RRSet with DNS name %s is not permitted in zone %s", in.Name,
			zone))
	}
	if n := len(in.Records.Records); n > maxRecords {
		return cloudzone.Set{}, invalidBatch(fmt.Sprintf(
			"RRSet with DNS name %s, type %s has %d values, at most %d are allowed", in.Name, in.Type, n, maxRecords))
	}
	set := cloudzone.Set{Name: name, Type: in.Type, TTL: *in.TTL}
	for _, value := range in.values() {
		if len(value) > maxValue {
			return set, invalidInput("1 validation error detected: a value has %d characters, at most %d are allowed",
				len(value), maxValue)
		}
		if slices.Contains(set.Data, value) {
			return set, invalidBatch(fmt.Sprintf("Duplicate Resource Record: '%s'", value))
		}
		set.Data = append(set.Data, value)
	}
	if in.Type == "CNAME" && len(set.Data) > 1 {
		return set, invalidBatch(fmt.Sprintf("RRSet of type CNAME with DNS name %s has more than one value", in.Name))
	}
	for _, value := range set.Data {
		if _, err := record(set, value); err != nil {
			return set, invalidBatch("Invalid Resource Record: '" + err.Error() + "'")
		}
	}
	return set, nil
}

// repeated names the RRsets with more than one deletion and then one creation.
func repeated(changes []xmlChange, sets []cloudzone.Set) (messages []string) {
	seen := map[cloudzone.Key]string{}
	for i, set := range sets {
		k := set.Key()
		if before := seen[k]; before != "" && (before != "DELETE" || changes[i].Action != "CREATE") {
			messages = append(messages, fmt.Sprintf(
				"The request contains an invalid set of changes for a resource record set '%s %s'", set.Type,
				printName(set.Name)))
		}
		seen[k] += changes[i].Action
	}
	return messages
}

// apply makes one change, or returns the message that says why not.
func apply(tx *cloudzone.Tx, zone, action string, set cloudzone.Set) string {
	label := fmt.Sprintf("resource record set [name='%s', type='%s']", printName(set.Name), set.Type)
	is, there := tx.Find(set.Key())
	if action == "DELETE" {
		switch {
		case !there:
			return "Tried to delete " + label + " but it was not found"
		case !is.Same(set):
			return "Tried to delete " + label + " but the values provided do not match the current values"
		case set.Name == zone && (set.Type == "SOA" || set.Type == "NS"):
			return fmt.Sprintf("A HostedZone must contain at least one %s record for the zone itself.", set.Type)
		}
		tx.Delete(set.Key())
		return ""
	}
	if there || slices.ContainsFunc(tx.At(set.Name), func(o cloudzone.Set) bool { return o.Type == set.Type }) {
		return "Tried to create " + label + " but it already exists"
	}
	if set.Type == "CNAME" && set.Name == zone {
		return fmt.Sprintf("RRSet of type CNAME with DNS name %s is not permitted at apex in zone %s",
			printName(set.Name), zone)
	}
	for _, other := range tx.At(set.Name) {
		if (other.Type == "CNAME") != (set.Type == "CNAME") {
			return fmt.Sprintf("RRSet of type %s with DNS name %s is not permitted because a conflicting RRSet of "+
				"type %s with "+
				"the same DNS name already exists in zone %s", set.Type, printName(set.Name), other.Type, zone)
		}
	}
	tx.Put(set)
	return ""
}
