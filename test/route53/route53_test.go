package route53_test

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/cloudzone"
	"github.com/federation-dns/federation/test/fakecloud"
	"github.com/federation-dns/federation/test/needs"
	"github.com/federation-dns/federation/test/route53"
)

const id = "Z0123456789"

// start starts a fake whose answers are checked against AWS's description.
func start(t *testing.T, zones ...fakecloud.Zone) *route53.Server {
	t.Helper()
	needs.File(t, route53.ModelPath, "python3-botocore")
	if len(zones) == 0 {
		zones = []fakecloud.Zone{{ID: id, Name: "example.com."}}
	}
	s, err := route53.Start(zones...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	model, err := route53.LoadModel()
	if err != nil {
		t.Fatal(err)
	}
	s.Observe(func(e fakecloud.Exchange) {
		if err := model.Check(e); err != nil && !strings.HasPrefix(err.Error(), "request ") {
			t.Error(err)
		}
	})
	return s
}

// send makes a request and returns status and body; -1 is no answer.
func send(t *testing.T, s *route53.Server, method, path, body string, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/2013-04-01/"+path, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Date", time.Now().UTC().Format("20060102T150405Z"))
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 "+
		"Credential=AKIAEXAMPLE000000000/20260101/us-east-1/route53/aws4_request, Signature=0")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return fakecloud.Send(r)
}

// batch is the body of a request with changes "ACTION NAME TYPE TTL DATA...".
func batch(lines ...string) string {
	var b strings.Builder
	b.WriteString(`<ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/">`)
	b.WriteString("<ChangeBatch><Changes>")
	for _, line := range lines {
		w := strings.Fields(line)
		fmt.Fprintf(&b, "<Change><Action>%s</Action><ResourceRecordSet><Name>%s</Name><Type>%s</Type><TTL>%s</TTL>"+
			"<ResourceRecords>", w[0], w[1], w[2], w[3])
		for _, data := range w[4:] {
			fmt.Fprintf(&b, "<ResourceRecord><Value>%s</Value></ResourceRecord>", data)
		}
		b.WriteString("</ResourceRecords></ResourceRecordSet></Change>")
	}
	b.WriteString("</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>")
	return b.String()
}

const rrset = "hostedzone/" + id + "/rrset"

// element returns the texts of an element.
func element(body, name string) (out []string) {
	for _, m := range regexp.MustCompile("<"+name+">([^<]*)</").FindAllStringSubmatch(body, -1) {
		out = append(out, m[1])
	}
	return out
}

func refused(t *testing.T, status int, body string, wantStatus int, code, text string) {
	t.Helper()
	if status != wantStatus || !slices.Equal(element(body, "Code"), []string{code}) || !strings.Contains(body, text) {
		t.Errorf("status %d with %s, want %d with %q and %q", status, body, wantStatus, code, text)
	}
}

func TestChange(t *testing.T) {
	s := start(t)
	ok := "CREATE ok.example.com A 60 192.0.2.1"
	for _, tt := range []struct{ name, body, code, text string }{
		{"UPSERT", batch(ok, "UPSERT x.example.com. A 60 192.0.2.1"), "InvalidInput", "UPSERT"},
		{"another action", batch(ok, "REPLACE x.example.com. A 60 192.0.2.1"), "InvalidInput", "REPLACE"},
		{"no change", batch(), "InvalidInput", "changes"},
		{"no XML", "{}", "InvalidInput", ""},
		{"an unknown element", strings.Replace(batch(ok), "<ChangeBatch>", "<Comment>x</Comment><ChangeBatch>", 1),
			"InvalidInput", "Comment"},
		{"no TTL", strings.Replace(batch(ok), "<TTL>60</TTL>", "", 1), "InvalidInput", "TTL"},
		{"a TTL that is too long", batch("CREATE x.example.com. A 2147483648 192.0.2.1"), "InvalidInput", "TTL"},
		{"a value that is too long", batch("CREATE x.example.com. CNAME 60 " + strings.Repeat("x.", 2001)),
			"InvalidInput", "4000"},
		{"more than 400 values", batch("CREATE x.example.com. A 60" + addresses(401)), "InvalidChangeBatch",
			"401 values"},
		{"another zone", batch(ok, "CREATE example.org. A 60 192.0.2.1"), "InvalidChangeBatch",
			"not permitted in zone"},
		{"a name that is too long", batch("CREATE " + strings.Repeat("x", 64) + ".example.com. A 60 192.0.2.1"),
			"InvalidChangeBatch", "DomainNameInvalid"},
		{"a value twice", batch(ok, "CREATE x.example.com. A 60 192.0.2.1 192.0.2.1"), "InvalidChangeBatch",
			"Duplicate"},
		{"two targets", batch(ok, "CREATE x.example.com. CNAME 60 a.example.org. b.example.org."), "InvalidChangeBatch",
			"more than one value"},
		{"a CNAME at the apex", batch(ok, "CREATE example.com. CNAME 60 a.example.org."), "InvalidChangeBatch", "apex"},
		{"deletion of the SOA", batch(ok, "DELETE example.com. NS 172800 ns.example.org."), "InvalidChangeBatch", "NS"},
		{"an IPv6 address in A", batch(ok, "CREATE x.example.com. A 60 2001:db8::1"), "InvalidChangeBatch", "IPv4"},
		{"an IPv4 address in AAAA", batch(ok, "CREATE x.example.com. AAAA 60 192.0.2.1"), "InvalidChangeBatch", "IPv6"},
		{"text without quotes", batch(ok, "CREATE x.example.com. TXT 60 text"), "InvalidChangeBatch",
			"quotation marks"},
		{"text that does not end", batch(ok, `CREATE x.example.com. TXT 60 "text`), "InvalidChangeBatch",
			"Unterminated"},
		{"text that is too long", batch(ok, `CREATE x.example.com. TXT 60 "`+strings.Repeat("x", 256)+`"`),
			"InvalidChangeBatch", "TooLong"},
		{"twice created", batch(ok, ok), "InvalidChangeBatch", "invalid set of changes"},
		{"twice deleted", batch(ok, "DELETE example.com. NS 172800 ns.example.org.",
			"DELETE example.com. NS 172800 ns.example.org."), "InvalidChangeBatch", "invalid set of changes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, body := send(t, s, "POST", rrset, tt.body)
			refused(t, status, body, 400, tt.code, tt.text)
			if got := len(s.RRsets(id)); got != 2 {
				t.Errorf("the zone has %d RRsets, want none but SOA and NS", got)
			}
		})
	}
	t.Run("all messages", func(t *testing.T) {
		_, body := send(t, s, "POST", rrset, batch("DELETE a.example.com. A 60 192.0.2.1",
			"DELETE b.example.com. A 60 192.0.2.1"))
		if !strings.Contains(body, "a.example.com.") || !strings.Contains(body, "b.example.com.") {
			t.Errorf("got %s", body)
		}
	})
	t.Run("a full zone", func(t *testing.T) {
		s.SetLimits(fakecloud.Limits{RRsets: 3})
		defer s.SetLimits(fakecloud.Limits{})
		status, body := send(t, s, "POST", rrset, batch(ok, "CREATE x.example.com. A 60 192.0.2.1"))
		refused(t, status, body, 400, "InvalidChangeBatch", "limit of 3")
	})
	t.Run("another hosted zone", func(t *testing.T) {
		status, body := send(t, s, "POST", "hostedzone/ZNONE/rrset", batch(ok))
		refused(t, status, body, 404, "NoSuchHostedZone", "ZNONE")
	})
	t.Run("it is served", func(t *testing.T) {
		if status, body := send(t, s, "POST", rrset+"/", batch(`CREATE W\167w.Example.com A 60 192.0.2.1`,
			`CREATE t.example.com. TXT 60 "a\040b"`)); status != 200 {
			t.Fatalf("status %d: %s", status, body)
		}
		for _, tt := range []struct {
			name  string
			qtype uint16
			want  string
		}{{"www.example.com.", dns.TypeA, "192.0.2.1"}, {"t.example.com.", dns.TypeTXT, `"a b"`}} {
			reply, _, err := new(dns.Client).Exchange(new(dns.Msg).SetQuestion(tt.name, tt.qtype), s.DNS)
			if err != nil || len(reply.Answer) != 1 || !strings.HasSuffix(reply.Answer[0].String(), tt.want) {
				t.Errorf("%v, %v", reply, err)
			}
		}
	})
	t.Run("the log", func(t *testing.T) {
		s.Reset()
		_, body := send(t, s, "POST", rrset, batch("CREATE l.example.com. A 60 192.0.2.1 192.0.2.2",
			"CREATE m.example.com. CNAME 60 a.example.org."))
		got := s.Requests()
		if len(got) != 1 || s.Count("ChangeResourceRecordSets") != 1 || s.Count("GetChange") != 0 {
			t.Fatalf("%v", got)
		}
		r := got[0]
		if r.Additions != 2 || r.Deletions != 0 || r.Values != 3 || r.Data != 9+9+14 || r.Zone != id || r.Code != "" ||
			r.Replied != len(body) || !slices.Equal(r.Names, []string{"l.example.com.", "m.example.com."}) {
			t.Errorf("%+v", r)
		}
	})
}

func TestPages(t *testing.T) {
	s := start(t)
	var sets []cloudzone.Set
	for _, n := range []string{"a", "a-b", "x.a", "b", `\052`, `a\.b`} {
		sets = append(sets, cloudzone.Set{Name: strings.ReplaceAll(n, `\052`, "*") + ".example.com.", Type: "A",
			TTL: 60, Data: []string{"192.0.2.1"}})
	}
	sets = append(sets,
		cloudzone.Set{Name: "a.example.com.", Type: "AAAA", TTL: 60, Data: []string{"2001:db8::1"}},
		cloudzone.Set{Name: "p.example.com.", Type: "A", ID: "one", Special: "policy", TTL: 60,
			Data: []string{"192.0.2.1"}},
		cloudzone.Set{Name: "p.example.com.", Type: "A", ID: "two", Special: "policy", TTL: 60,
			Data: []string{"192.0.2.1"}},
		cloudzone.Set{Name: "z.example.com.", Type: "A", Special: "alias"})
	if err := s.Load(id, sets...); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"example.com. NS", "example.com. SOA", `\052.example.com. A`, "a-b.example.com. A", "a.example.com. A",
		"a.example.com. AAAA", "x.a.example.com. A",
		`a\056b.example.com. A`, "b.example.com. A", "p.example.com. A one", "p.example.com. A two", "z.example.com. A",
	}
	if got := page(t, s, ""); !slices.Equal(got, want) {
		t.Errorf("the zone is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for n := 1; n <= len(want)+1; n++ {
		var got []string
		for query := fmt.Sprintf("maxitems=%d", n); query != ""; {
			status, body := send(t, s, "GET", rrset+"?"+query, "")
			if status != 200 {
				t.Fatalf("status %d: %s", status, body)
			}
			got = append(got, setsOf(body)...)
			query = ""
			if element(body, "IsTruncated")[0] == "true" {
				query = fmt.Sprintf("maxitems=%d&name=%s&type=%s", n, element(body, "NextRecordName")[0],
					element(body, "NextRecordType")[0])
				if identifier := element(body, "NextRecordIdentifier"); len(identifier) > 0 {
					query += "&identifier=" + identifier[0]
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %d it is %q", n, got)
		}
	}
	t.Run("from a name that is not there", func(t *testing.T) {
		if got := page(t, s, "?name=c.example.com"); !slices.Equal(got, want[9:]) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("from a type on", func(t *testing.T) {
		if got := page(t, s, "?name=a.example.com&type=AAAA"); !slices.Equal(got, want[5:]) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("300 at most", func(t *testing.T) {
		var more []cloudzone.Set
		for i := range 400 {
			more = append(more, cloudzone.Set{Name: fmt.Sprintf("m%d.example.com.", i), Type: "A", TTL: 60,
				Data: []string{"192.0.2.1"}})
		}
		if err := s.Load(id, more...); err != nil {
			t.Fatal(err)
		}
		for _, query := range []string{"", "?maxitems=1000"} {
			if got := page(t, s, query); len(got) != 300 {
				t.Errorf("%q: %d RRsets", query, len(got))
			}
		}
	})
	for query, text := range map[string]string{"?type=A": "type without a name",
		"?name=a.example.com&identifier=one": "identifier without a type", "?maxitems=x": "maxitems"} {
		status, body := send(t, s, "GET", rrset+query, "")
		refused(t, status, body, 400, "InvalidInput", text)
	}
}

// page returns the RRsets of an answer.
func page(t *testing.T, s *route53.Server, query string) []string {
	t.Helper()
	status, body := send(t, s, "GET", rrset+query, "")
	if status != 200 {
		t.Fatalf("status %d: %s", status, body)
	}
	return setsOf(body)
}

func setsOf(body string) (out []string) {
	one := regexp.MustCompile(`(?s)<ResourceRecordSet>.*?</ResourceRecordSet>`)
	for _, set := range one.FindAllString(body, -1) {
		words := append(append(element(set, "Name"), element(set, "Type")...), element(set, "SetIdentifier")...)
		out = append(out, strings.Join(words, " "))
	}
	return out
}

func TestHostedZones(t *testing.T) {
	s := start(t, fakecloud.Zone{ID: "Z3", Name: "example.org."}, fakecloud.Zone{ID: "Z2", Name: "example.com.",
		Private: true},
		fakecloud.Zone{ID: "Z1", Name: "example.com."}, fakecloud.Zone{ID: "Z4", Name: "a.example.com."})
	ids := func(query string) ([]string, string) {
		status, body := send(t, s, "GET", "hostedzonesbyname"+query, "")
		if status != 200 {
			t.Fatalf("status %d: %s", status, body)
		}
		return element(body, "Id"), body
	}
	for query, want := range map[string][]string{
		"":                                     {"Z1", "Z2", "Z4", "Z3"},
		"?dnsname=a.example.com":               {"Z4", "Z3"},
		"?dnsname=b.example.com.":              {"Z3"},
		"?dnsname=example.com&hostedzoneid=Z2": {"Z2", "Z4", "Z3"},
		"?maxitems=1":                          {"Z1"},
	} {
		got, _ := ids(query)
		for i := range want {
			want[i] = "/hostedzone/" + want[i]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	}
	if _, body := ids("?maxitems=2"); element(body, "NextDNSName")[0] != "a.example.com." ||
		element(body, "NextHostedZoneId")[0] != "Z4" {
		t.Errorf("got %s", body)
	}
	if _, body := send(t, s, "GET", "hostedzone/Z2", ""); element(body, "PrivateZone")[0] != "true" ||
		element(body, "Name")[0] != "example.com." {
		t.Errorf("got %s", body)
	}
	status, body := send(t, s, "GET", "hostedzone/Z9", "")
	refused(t, status, body, 404, "NoSuchHostedZone", "Z9")
}

func TestFaults(t *testing.T) {
	change := batch("CREATE x.example.com. A 60 192.0.2.1")
	at := func(d time.Duration) []string {
		return []string{"X-Amz-Date", time.Now().Add(d).UTC().Format("20060102T150405Z")}
	}
	by := func(key string) []string {
		return []string{"Authorization", "AWS4-HMAC-SHA256 Credential=" + key +
			"/20260101/us-east-1/route53/aws4_request, Signature=0"}
	}
	for _, tt := range []struct {
		name    string
		headers []string
		code    string
		text    string
	}{
		{"an old signature", at(-6 * time.Minute), "SignatureDoesNotMatch", "Signature expired"},
		{"a signature of the future", at(6 * time.Minute), "SignatureDoesNotMatch", "Signature not yet current"},
		{"no signature", []string{"Authorization", ""}, "MissingAuthenticationToken", ""},
		{"an expired key", by(route53.ExpiredKey), "ExpiredToken", ""},
		{"an unknown key", by(route53.UnknownKey), "InvalidClientTokenId", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t)
			status, body := send(t, s, "POST", rrset, change, tt.headers...)
			refused(t, status, body, 403, tt.code, tt.text)
			if len(s.RRsets(id)) != 2 {
				t.Error("the change was made")
			}
		})
	}
	t.Run("a skewed clock", func(t *testing.T) {
		s := start(t)
		s.SetAuthFaults(route53.AuthFaults{Skew: time.Hour})
		status, body := send(t, s, "POST", rrset, change)
		refused(t, status, body, 403, "SignatureDoesNotMatch", "expired")
	})
	t.Run("throttled", func(t *testing.T) {
		s := start(t)
		s.SetLimits(fakecloud.Limits{PerSecond: 3})
		codes := map[string]int{}
		for range 10 {
			_, body := send(t, s, "GET", rrset, "")
			codes[strings.Join(element(body, "Code"), "")]++
		}
		if codes[""] < 6 || codes["Throttling"] == 0 {
			t.Errorf("got %v", codes)
		}
	})
	t.Run("one change at a time", func(t *testing.T) {
		s := start(t)
		s.SetFaults(fakecloud.Faults{ChangeTakes: time.Second})
		var wg sync.WaitGroup
		codes := make([]string, 2)
		for i := range codes {
			wg.Go(func() {
				_, body := send(t, s, "POST", rrset, batch(fmt.Sprintf("CREATE x%d.example.com. A 60 192.0.2.1", i)))
				codes[i] = strings.Join(element(body, "Code"), "")
			})
		}
		wg.Wait()
		slices.Sort(codes)
		if !slices.Equal(codes, []string{"", "PriorRequestNotComplete"}) {
			t.Errorf("got %q", codes)
		}
	})
	t.Run("a change is PENDING, then INSYNC", func(t *testing.T) {
		s := start(t)
		s.SetFaults(fakecloud.Faults{PendingFor: time.Second / 2})
		_, body := send(t, s, "POST", rrset, change)
		path := strings.TrimPrefix(element(body, "Id")[0], "/")
		for seen := ""; seen != "INSYNC"; {
			_, body := send(t, s, "GET", path, "")
			if seen == "" && element(body, "Status")[0] != "PENDING" {
				t.Errorf("got %s", body)
			}
			seen = element(body, "Status")[0]
		}
		status, body := send(t, s, "GET", "change/CNONE", "")
		refused(t, status, body, 404, "NoSuchChange", "CNONE")
	})
}

// addresses are as many, each after a blank.
func addresses(n int) string {
	var all strings.Builder
	for i := range n {
		fmt.Fprintf(&all, " 192.0.%d.%d", 2+i/250, i%250)
	}
	return all.String()
}
