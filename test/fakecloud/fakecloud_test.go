package fakecloud_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/cloudzone"
	"github.com/federation-dns/federation/test/fakecloud"
)

const zone = "Z1"

// start starts a service that adds an address at the name in a request's body.
func start(t *testing.T) *fakecloud.Server {
	t.Helper()
	var s *fakecloud.Server
	service := fakecloud.Service{
		Apex:  []cloudzone.Set{{Type: "NS", TTL: 60, Data: []string{"ns.example.org."}}},
		Order: func(name string) string { return name },
		Record: func(set cloudzone.Set, data string) (dns.RR, error) {
			if rr, ok := set.Address(data); ok {
				return rr, nil
			}
			return &dns.NS{Hdr: set.Header(), Ns: data}, nil
		},
		MaxBody: 100,
		ServeCredentials: func(_ http.ResponseWriter, r *http.Request, _ []byte) bool {
			return r.URL.Path == "/credentials"
		},
		Parse: func(_ *http.Request, body []byte) (fakecloud.Request, func() (any, *fakecloud.Error)) {
			r := fakecloud.Request{Action: "change", Zone: zone, Client: "a client"}
			r.Add("ADD", "A", string(body), []string{"192.0.2.1"})
			return r, func() (any, *fakecloud.Error) {
				if s.Throttled() {
					return nil, fakecloud.Errorf(429, "throttled", "too many")
				}
				err := s.Load(zone, cloudzone.Set{Name: string(body), Type: "A", TTL: 60, Data: []string{"192.0.2.1"}})
				if err != nil {
					t.Error(err)
				}
				s.Submit(zone, r.Names)
				return "made", nil
			}
		},
		Encode: func(_ http.Header, answer any, refusal *fakecloud.Error) []byte {
			if refusal != nil {
				return []byte(refusal.Problems[0].Code + ": " + refusal.Error())
			}
			return []byte(answer.(string))
		},
	}
	s, err := fakecloud.New(service, fakecloud.Zone{ID: zone, Name: "example.com."})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(fakecloud.Loopback); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// send makes a request and returns status and body; -1 is no reply.
func send(t *testing.T, s *fakecloud.Server, path, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return fakecloud.Send(r)
}

func TestFates(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fate   fakecloud.Fate
		status int
		text   string
		made   bool
	}{
		{"served", fakecloud.Fate{}, 200, "made", true},
		{"hung up before", fakecloud.Fate{HangUp: true}, -1, "", false},
		{"hung up after", fakecloud.Fate{HangUp: true, Done: true}, -1, "", true},
		{"an error before", fakecloud.Fate{Status: 503, Code: "busy", Message: "later"}, 503, "busy: later", false},
		{"an error after", fakecloud.Fate{Status: 500, Code: "internal", Done: true}, 500, "as the test wants it",
			true},
		{"a page", fakecloud.Fate{Status: 502, HTML: true}, 502, "<html>", false},
		{"slow", fakecloud.Fate{Delay: time.Millisecond, Stall: time.Millisecond}, 200, "made", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t)
			s.SetFaults(fakecloud.Faults{Fate: func(r fakecloud.Request) fakecloud.Fate {
				if r.Action != "change" || r.Additions != 1 || r.Octets == 0 {
					t.Errorf("%+v", r)
				}
				return tt.fate
			}})
			status, body := send(t, s, "/", "x.example.com.")
			if status != tt.status || !strings.Contains(body, tt.text) {
				t.Errorf("%d %s, want %d with %q", status, body, tt.status, tt.text)
			}
			if made := len(s.RRsets(zone)) == 2; made != tt.made {
				t.Errorf("made: %v", made)
			}
			got := s.Requests()[0]
			if got.Code != tt.fate.Code || got.Replied != len(body) && !tt.fate.HTML {
				t.Errorf("the log has %+v", got)
			}
		})
	}
}

func TestLog(t *testing.T) {
	s := start(t)
	var seen []fakecloud.Exchange
	s.Observe(func(e fakecloud.Exchange) { seen = append(seen, e) })
	send(t, s, "/", "x.example.com.")
	send(t, s, "/credentials", "a key")
	if len(seen) != 1 || seen[0].Client != "a client" || string(seen[0].Answer) != "made" || seen[0].Status != 200 {
		t.Errorf("observed %+v", seen)
	}
	if s.Count("") != 1 || s.Count("change") != 1 || s.Count("list") != 0 {
		t.Errorf("requests %+v", s.Requests())
	}
	if got := s.Take(); len(got) != 1 || !slices.Equal(got[0].Elements, []string{"ADD A x.example.com."}) {
		t.Errorf("took %+v", got)
	}
	s.SetFaults(fakecloud.Faults{Fate: func(fakecloud.Request) fakecloud.Fate { return fakecloud.Fate{HangUp: true} }})
	s.Reset()
	if status, _ := send(t, s, "/", "y.example.com."); status != 200 || s.Count("") != 1 {
		t.Errorf("after Reset: %d, %d requests", status, s.Count(""))
	}
}

func TestThrottled(t *testing.T) {
	s := start(t)
	s.SetLimits(fakecloud.Limits{PerSecond: 2})
	count := map[int]int{}
	for range 10 {
		status, _ := send(t, s, "/", "x.example.com.")
		count[status]++
	}
	if count[429] == 0 || count[200] < 4 {
		t.Errorf("%v", count)
	}
}

func TestChange(t *testing.T) {
	s := start(t)
	s.SetFaults(fakecloud.Faults{PendingFor: time.Hour})
	send(t, s, "/", "x.example.com.")
	s.SetFaults(fakecloud.Faults{})
	send(t, s, "/", "y.example.com.")
	for id, pending := range map[int]bool{1: true, 2: false} {
		if c, ok := s.Change(zone, id); !ok || c.ID != id || c.Pending() != pending {
			t.Errorf("change %d is %+v, %v", id, c, ok)
		}
	}
	for _, id := range []int{0, 3} {
		if c, ok := s.Change(zone, id); ok {
			t.Errorf("change %d is %+v", id, c)
		}
	}
}

func TestZones(t *testing.T) {
	s := start(t)
	send(t, s, "/", "x.example.com.")
	reply, err := dns.Exchange(new(dns.Msg).SetQuestion("x.example.com.", dns.TypeA), s.DNS)
	if err != nil || len(reply.Answer) != 1 {
		t.Errorf("%v, %v", reply, err)
	}
	s.Remove(zone, cloudzone.Key{Name: "x.example.com.", Type: "A"})
	if got := s.RRsets(zone); len(got) != 1 {
		t.Errorf("the zone has %v", got)
	}
	if err := s.Load("Z2"); err == nil || s.RRsets("Z2") != nil || s.Zone("Z2") != nil || len(s.Zones()) != 1 {
		t.Errorf("there is another zone: %v", err)
	}
}
