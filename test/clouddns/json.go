package clouddns

import (
	"encoding/json"

	"github.com/federation-dns/federation/test/fakecloud"
)

// The resources of the API, as far as the fake has them.

type jsonSet struct {
	Kind    string          `json:"kind,omitempty"`
	Name    string          `json:"name"`
	Type    string          `json:"type"`
	TTL     *int64          `json:"ttl,omitempty"`
	Data    []string        `json:"rrdatas,omitempty"`
	Signed  []string        `json:"signatureRrdatas,omitempty"`
	Routing json.RawMessage `json:"routingPolicy,omitempty"`
}

type jsonChange struct {
	Kind      string    `json:"kind,omitempty"`
	ID        string    `json:"id,omitempty"`
	Additions []jsonSet `json:"additions,omitempty"`
	Deletions []jsonSet `json:"deletions,omitempty"`
	Started   string    `json:"startTime,omitempty"`
	Status    string    `json:"status,omitempty"`
}

type jsonSets struct {
	Kind   string    `json:"kind"`
	RRsets []jsonSet `json:"rrsets"`
	Next   string    `json:"nextPageToken,omitempty"`
}

type jsonZone struct {
	Kind        string          `json:"kind"`
	ID          string          `json:"id"`
	Name        string          `json:"name"`
	DNSName     string          `json:"dnsName"`
	Description string          `json:"description"`
	Visibility  string          `json:"visibility"`
	Created     string          `json:"creationTime"`
	NameServers []string        `json:"nameServers"`
	Forwarding  json.RawMessage `json:"forwardingConfig,omitempty"`
}

type jsonZones struct {
	Kind  string     `json:"kind"`
	Zones []jsonZone `json:"managedZones"`
	Next  string     `json:"nextPageToken,omitempty"`
}

type jsonError struct {
	Error struct {
		Code    int        `json:"code"`
		Message string     `json:"message"`
		Errors  []jsonItem `json:"errors"`
	} `json:"error"`
}

type jsonItem struct {
	Message string `json:"message"`
	Domain  string `json:"domain"`
	Reason  string `json:"reason"`
}

func errorToJSON(e *fakecloud.Error) (out jsonError) {
	out.Error.Code, out.Error.Message = e.Status, e.Error()
	for _, p := range e.Problems {
		out.Error.Errors = append(out.Error.Errors, jsonItem{Message: p.Message, Domain: "global", Reason: p.Code})
	}
	return out
}
