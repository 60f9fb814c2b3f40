package clouddns_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/auth/credentials"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/clouddns"
	"github.com/federation-dns/federation/test/cloudzone"
	"github.com/federation-dns/federation/test/fakecloud"
)

const zone = "example-com"

// client talks to a fake as the SDK does not: with any text.
type client struct {
	t     *testing.T
	s     *clouddns.Server
	token string
}

// start starts a fake whose answers are checked against Google's description.
func start(t *testing.T, zones ...fakecloud.Zone) client {
	t.Helper()
	if len(zones) == 0 {
		zones = []fakecloud.Zone{{ID: zone, Name: "example.com."}}
	}
	s, err := clouddns.Start(zones...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	model, err := clouddns.LoadModel()
	if err != nil {
		t.Fatal(err)
	}
	s.Observe(func(e fakecloud.Exchange) {
		err := model.Check(e)
		if err != nil && !strings.HasPrefix(err.Error(), "request ") && !strings.Contains(err.Error(), "is no method") {
			t.Error(err)
		}
	})
	key, err := s.Credentials()
	if err != nil {
		t.Fatal(err)
	}
	creds, err := credentials.NewCredentialsFromJSON(credentials.ServiceAccount, key, &credentials.DetectOptions{
		Scopes: []string{"https://www.googleapis.com/auth/ndev.clouddns.readwrite"},
	})
	if err != nil {
		t.Fatal(err)
	}
	token, err := creds.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return client{t, s, token.Value}
}

// send makes a request and returns status and body; -1 is no answer.
func (c client) send(method, path, body string) (int, string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.s.URL+"/dns/v1/projects/"+clouddns.Project+"/"+path,
		bytes.NewBufferString(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	return fakecloud.Send(r)
}

// change sends the lines, "NAME TYPE TTL DATA..." with "+" or "-" before them.
func (c client) change(lines ...string) (int, string) {
	c.t.Helper()
	sets := map[byte][]map[string]any{'+': {}, '-': {}}
	for _, line := range lines {
		w := strings.SplitN(line[1:]+" ", " ", 4)
		data := strings.Fields(w[3])
		if w[1] == "TXT" || w[1] == "SOA" {
			data = []string{strings.TrimSpace(w[3])}
		}
		sets[line[0]] = append(sets[line[0]], map[string]any{"name": w[0], "type": w[1], "ttl": json.Number(w[2]),
			"rrdatas": data})
	}
	body, err := json.Marshal(map[string]any{"additions": sets['+'], "deletions": sets['-']})
	if err != nil {
		c.t.Fatal(err)
	}
	return c.send("POST", "managedZones/"+zone+"/changes", string(body))
}

// names are those of the zone, without SOA and NS.
func (c client) names() (out []string) {
	for _, set := range c.s.RRsets(zone) {
		if set.Type != "SOA" && set.Type != "NS" {
			out = append(out, set.Name+" "+set.Type)
		}
	}
	return out
}

func TestChange(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change []string
		status int
		text   string // in the answer
		after  []string
	}{
		{"creation", []string{"+new.example.com. A 60 192.0.2.1"}, 200, `"status":"pending"`,
			[]string{"new.example.com. A", "x.example.com. A"}},
		{"all that is wrong is said", []string{"-a.example.com. A 60 192.0.2.1", "-x.example.com. A 61 192.0.2.1"}, 404,
			"deletions[1]", []string{"x.example.com. A"}},
		{"a name in upper case", []string{"+X.example.com. A 60 192.0.2.1"}, 409, "alreadyExists",
			[]string{"x.example.com. A"}},
		{"twice in a Change", []string{"+y.example.com. A 60 192.0.2.1", "+y.example.com. A 60 192.0.2.2"}, 409,
			"additions[1]", []string{"x.example.com. A"}},
		{"a value twice", []string{"+y.example.com. A 60 192.0.2.1 192.0.2.1"}, 400, "rrdata[1]",
			[]string{"x.example.com. A"}},
		{"a name without the trailing dot", []string{"+y.example.com A 60 192.0.2.1"}, 400, "additions[0].name",
			[]string{"x.example.com. A"}},
		{"a target without the trailing dot", []string{"+y.example.com. CNAME 60 www.example.org"}, 400, "rrdata[0]",
			[]string{"x.example.com. A"}},
		{"two CNAMEs", []string{"+y.example.com. CNAME 60 a.example.org. b.example.org."}, 400, "invalidRecordCount",
			[]string{"x.example.com. A"}},
		{"another type", []string{"+y.example.com. B 60 192.0.2.1"}, 400, "additions[0].type",
			[]string{"x.example.com. A"}},
		{"an address of the other family", []string{"+y.example.com. AAAA 60 192.0.2.1"}, 400, "rrdata[0]",
			[]string{"x.example.com. A"}},
		{"no data", []string{"+y.example.com. A 60"}, 400, "required", []string{"x.example.com. A"}},
		{"a negative TTL", []string{"+y.example.com. A -1 192.0.2.1"}, 400, "ttl", []string{"x.example.com. A"}},
		{"a string that is too long", []string{`+y.example.com. TXT 60 "` + strings.Repeat("x", 256) + `"`}, 400,
			"rrdata[0]", []string{"x.example.com. A"}},
		{"101 records", []string{"+y.example.com. A 60 " + hosts(101)}, 403, "quotaExceeded",
			[]string{"x.example.com. A"}},
		{"no SOA any more", []string{"-example.com. SOA 21600 ns.example.org. hostmaster.example.org. 1 21600 3600 " +
			"259200 30"}, 400, "invalidZoneApex", []string{"x.example.com. A"}},
		{"no NS any more", []string{"-example.com. NS 21600 ns.example.org."}, 400, "invalidZoneApex",
			[]string{"x.example.com. A"}},
		{"a CNAME at the apex", []string{"+example.com. CNAME 60 www.example.org."}, 400,
			"cnameResourceRecordSetConflict", []string{"x.example.com. A"}},
		{"a CNAME and another in one Change", []string{"+y.example.com. CNAME 60 www.example.org.",
			"+y.example.com. A 60 192.0.2.1"}, 400, "cnameResourceRecordSetConflict", []string{"x.example.com. A"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := start(t)
			if status, answer := c.change("+x.example.com. A 60 192.0.2.1"); status != 200 {
				t.Fatalf("%d %s", status, answer)
			}
			status, answer := c.change(tt.change...)
			if status != tt.status || !strings.Contains(answer, tt.text) {
				t.Errorf("%d %s, want %d with %q", status, answer, tt.status, tt.text)
			}
			if diff := cmp.Diff(tt.after, c.names()); diff != "" {
				t.Errorf("the zone (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("a string of 255 octets is none too long", func(t *testing.T) {
		c := start(t)
		text := `"` + strings.Repeat(`\195`, 255) + `" "` + strings.Repeat("x", 255) + `" ` + `"\"\\"`
		if status, answer := c.change(`+y.example.com. TXT 60 ` + text); status != 200 {
			t.Errorf("%d %s", status, answer)
		}
	})
}

// hosts are that many addresses.
func hosts(count int) string {
	var out []string
	for i := range count {
		out = append(out, fmt.Sprintf("192.0.2.%d", i))
	}
	return strings.Join(out, " ")
}

func TestRequest(t *testing.T) {
	c := start(t)
	const path = "managedZones/" + zone
	for _, tt := range []struct {
		name         string
		method, path string
		body         string
		status       int
		text         string
	}{
		{"a managed zone", "GET", path, "", 200, `"dnsName":"example.com."`},
		{"managed zones of a domain", "GET", "managedZones?dnsName=example.com.", "", 200, `"name":"example-com"`},
		{"managed zones of another", "GET", "managedZones?dnsName=example.org.", "", 200, `"managedZones":[]`},
		{"a name", "GET", path + "/rrsets?name=example.com.&type=NS", "", 200, `"rrdatas":["ns.example.org."]`},
		{"a type without a name", "GET", path + "/rrsets?type=NS", "", 400, "parameters.name"},
		{"a name that is none", "GET", path + "/rrsets?name=a..b.", "", 400, "a..b."},
		{"a page that is none", "GET", path + "/rrsets?pageToken=x", "", 400, "parameters.pageToken"},
		{"a size that is none", "GET", path + "/rrsets?maxResults=0", "", 400, "maxResults"},
		{"another zone", "GET", "managedZones/other/rrsets", "", 404, "parameters.managedZone"},
		{"a Change that was not made", "GET", path + "/changes/99", "", 404, "parameters.changeId"},
		{"no JSON", "POST", path + "/changes", "{", 400, "parseError"},
		{"a method that is not there", "PATCH", path + "/rrsets/x/A", "{}", 400, "not in the fake"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if status, answer := c.send(tt.method, tt.path, tt.body); status != tt.status ||
				!strings.Contains(answer, tt.text) {
				t.Errorf("%d %s, want %d with %q", status, answer, tt.status, tt.text)
			}
		})
	}
	t.Run("without a token, with a forged one, with one that was revoked", func(t *testing.T) {
		for _, tt := range []struct{ token, reason string }{{"", "required"}, {"ya29.forged", "authError"},
			{c.token, "authError"}} {
			c.s.RevokeTokens()
			other := client{t, c.s, tt.token}
			if status, answer := other.send("GET", path, ""); status != 401 || !strings.Contains(answer, tt.reason) {
				t.Errorf("%d %s, want %q", status, answer, tt.reason)
			}
		}
	})
}

func TestPages(t *testing.T) {
	c := start(t)
	var want []string
	for i := range 250 {
		set := cloudzone.Set{Name: fmt.Sprintf("host-%03d.example.com.", i), Type: "A", TTL: 60,
			Data: []string{"192.0.2.1"}}
		if err := c.s.Load(zone, set); err != nil {
			t.Fatal(err)
		}
		want = append(want, set.Name)
	}
	for size, pages := range map[string]int{"": 3, "&maxResults=10": 26, "&maxResults=5000": 1} {
		var got []string
		token, asked := "", 0
		for ; asked == 0 || token != ""; asked++ {
			status, answer := c.send("GET", "managedZones/"+zone+"/rrsets?pageToken="+token+size, "")
			var page struct {
				Rrsets []struct{ Name, Type string }
				Next   string `json:"nextPageToken"`
			}
			if err := json.Unmarshal([]byte(answer), &page); err != nil || status != 200 {
				t.Fatalf("%d %s", status, answer)
			}
			for _, set := range page.Rrsets {
				if set.Type == "A" {
					got = append(got, set.Name)
				}
			}
			token = page.Next
		}
		if !slices.Equal(got, want) || asked != pages {
			t.Errorf("%q: %d RRsets in %d pages, want %d in %d", size, len(got), asked, len(want), pages)
		}
	}
}

func TestFaults(t *testing.T) {
	const line = "+x.example.com. A 60 192.0.2.1"
	t.Run("throttled", func(t *testing.T) {
		c := start(t)
		c.s.SetLimits(fakecloud.Limits{PerSecond: 2})
		count := map[int]int{}
		for range 10 {
			status, _ := c.send("GET", "managedZones", "")
			count[status]++
		}
		if count[429] == 0 || count[200] < 4 {
			t.Errorf("%v", count)
		}
	})
	t.Run("pending, then done", func(t *testing.T) {
		c := start(t)
		c.s.SetFaults(fakecloud.Faults{PendingFor: time.Hour})
		c.change(line)
		if _, answer := c.send("GET", "managedZones/"+zone+"/changes/1", ""); !strings.Contains(answer,
			`"status":"pending"`) {
			t.Error(answer)
		}
		c.s.SetFaults(fakecloud.Faults{})
		c.change("+y.example.com. A 60 192.0.2.1")
		if _, answer := c.send("GET", "managedZones/"+zone+"/changes/2", ""); !strings.Contains(answer,
			`"status":"done"`) {
			t.Error(answer)
		}
	})
}

func TestDNS(t *testing.T) {
	c := start(t)
	if status, answer := c.change("+x.example.com. CNAME 60 y.example.com.",
		"+y.example.com. A 60 192.0.2.1"); status != 200 {
		t.Fatal(answer)
	}
	if err := c.s.Load(zone, cloudzone.Set{Name: "z.example.com.", Type: "A", TTL: 60, Special: "policy",
		Data: []string{"192.0.2.9"}}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"x.example.com.": 2, "z.example.com.": 0, "none.example.com.": 0} {
		reply, err := dns.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), c.s.DNS)
		if err != nil || len(reply.Answer) != want {
			t.Errorf("%s: %v, %v, want %d records", name, reply, err, want)
		}
	}
}
