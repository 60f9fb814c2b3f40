package clouddns

import (
	"encoding/json"
	"fmt"
)

// The resources of the API, as far as the stand-in has them.

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

// apiError is an answer that is not 200. Each item has its own message, as one
// request can have many faults.
type apiError struct {
	status int
	items  []jsonItem
}

func (e *apiError) Error() string { return e.items[0].Message }

func failed(status int, reason, format string, args ...any) *apiError {
	return &apiError{status, []jsonItem{{Message: fmt.Sprintf(format, args...), Domain: "global", Reason: reason}}}
}

// and adds an item. The first one decides the status.
func (e *apiError) and(o *apiError) *apiError {
	if e == nil {
		return o
	}
	e.items = append(e.items, o.items...)
	return e
}

func (e *apiError) json() (out jsonError) {
	out.Error.Code, out.Error.Message, out.Error.Errors = e.status, e.items[0].Message, e.items
	return out
}
