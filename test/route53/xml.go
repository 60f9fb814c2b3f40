package route53

import (
	"encoding/xml"
	"time"

	"github.com/federation-dns/federation/test/cloudzone"
	"github.com/federation-dns/federation/test/fakecloud"
)

const namespace = "https://route53.amazonaws.com/doc/2013-04-01/"

// The elements of requests and answers.
type (
	changeRequest struct {
		XMLName xml.Name     `xml:"https://route53.amazonaws.com/doc/2013-04-01/ ChangeResourceRecordSetsRequest"`
		Changes []xmlChange  `xml:"ChangeBatch>Changes>Change"`
		Unknown []xmlUnknown `xml:",any"`
	}
	xmlUnknown struct{ XMLName xml.Name }
	xmlChange  struct {
		Action string
		Set    xmlSet `xml:"ResourceRecordSet"`
	}
	xmlSet struct {
		Name          string
		Type          string
		SetIdentifier string      `xml:",omitempty"`
		Weight        *int        `xml:",omitempty"`
		TTL           *uint32     `xml:",omitempty"`
		Records       *xmlRecords `xml:"ResourceRecords,omitempty"`
		AliasTarget   *xmlAlias   `xml:",omitempty"`
	}
	xmlRecords struct {
		Records []xmlRecord `xml:"ResourceRecord"`
	}
	xmlRecord struct{ Value string }
	xmlAlias  struct {
		HostedZoneID         string `xml:"HostedZoneId"`
		DNSName              string
		EvaluateTargetHealth bool
	}
	xmlChangeInfo struct {
		ID          string `xml:"Id"`
		Status      string
		SubmittedAt string
	}
	xmlZone struct {
		ID              string `xml:"Id"`
		Name            string
		CallerReference string
		Private         bool  `xml:"Config>PrivateZone"`
		Count           int64 `xml:"ResourceRecordSetCount"`
	}
	changeResponse struct {
		XMLName    xml.Name
		ChangeInfo xmlChangeInfo
	}
	listResponse struct {
		XMLName        xml.Name `xml:"https://route53.amazonaws.com/doc/2013-04-01/ ListResourceRecordSetsResponse"`
		Sets           []xmlSet `xml:"ResourceRecordSets>ResourceRecordSet"`
		IsTruncated    bool
		NextName       string `xml:"NextRecordName,omitempty"`
		NextType       string `xml:"NextRecordType,omitempty"`
		NextIdentifier string `xml:"NextRecordIdentifier,omitempty"`
		MaxItems       string
	}
	zoneResponse struct {
		XMLName xml.Name `xml:"https://route53.amazonaws.com/doc/2013-04-01/ GetHostedZoneResponse"`
		Zone    xmlZone  `xml:"HostedZone"`
	}
	zonesResponse struct {
		XMLName     xml.Name  `xml:"https://route53.amazonaws.com/doc/2013-04-01/ ListHostedZonesByNameResponse"`
		Zones       []xmlZone `xml:"HostedZones>HostedZone"`
		DNSName     string    `xml:",omitempty"`
		ZoneID      string    `xml:"HostedZoneId,omitempty"`
		IsTruncated bool
		NextName    string `xml:"NextDNSName,omitempty"`
		NextID      string `xml:"NextHostedZoneId,omitempty"`
		MaxItems    string
	}
	errorResponse struct {
		XMLName xml.Name `xml:"https://route53.amazonaws.com/doc/2013-04-01/ ErrorResponse"`
		Type    string   `xml:"Error>Type"`
		Code    string   `xml:"Error>Code"`
		Message string   `xml:"Error>Message"`
		ID      string   `xml:"RequestId"`
	}
)

// errorOf returns the answer to a refused request.
func errorOf(refusal *fakecloud.Error, id string) errorResponse {
	kind := "Sender"
	if refusal.Status >= 500 {
		kind = "Receiver"
	}
	return errorResponse{Type: kind, Code: refusal.Problems[0].Code, Message: refusal.Problems[0].Message, ID: id}
}

func invalidInput(format string, args ...any) *fakecloud.Error {
	return fakecloud.Errorf(400, "InvalidInput", format, args...)
}

// values returns the values of the RRset's records.
func (s xmlSet) values() (out []string) {
	if s.Records != nil {
		for _, r := range s.Records.Records {
			out = append(out, r.Value)
		}
	}
	return out
}

// toXML returns the RRset as an answer has it.
func toXML(s cloudzone.Set) xmlSet {
	out := xmlSet{Name: printName(s.Name), Type: s.Type, SetIdentifier: s.ID}
	switch s.Special {
	case "alias":
		out.AliasTarget = &xmlAlias{HostedZoneID: "Z2FDTNDATAQYW2", DNSName: "target.example.org."}
		return out
	case "policy":
		weight := 1
		out.Weight = &weight
	}
	ttl := s.TTL
	out.TTL, out.Records = &ttl, &xmlRecords{}
	for _, value := range s.Data {
		out.Records.Records = append(out.Records.Records, xmlRecord{value})
	}
	return out
}

// timestamp is the form of times in answers.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
