package scenario

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/world"
)

const (
	globalName  = "nginx.mynamespace.myfederation.svc.example.com."
	regionName  = "nginx.mynamespace.myfederation.svc.us-central1.example.com."
	centralZone = "nginx.mynamespace.myfederation.svc.us-central1-b.example.com."
)

// TestWrongAnswer shows that the watch distinguishes good answers from bad ones: it is
// what the test of a killed syncer relies on.
func TestWrongAnswer(t *testing.T) {
	all, without, gone := ExpectedTable("all"), ExpectedTable("without-central"), ExpectedTable("gone")
	stays := phase{from: all, to: all}
	failing := phase{from: all, to: without}
	for _, tc := range []struct {
		name   string
		phase  phase
		owner  string
		typ    uint16
		rcode  int
		answer []string
		wrong  string
	}{
		{"as it is", stays, regionName, dns.TypeA, 0, []string{regionName + " 180 IN A 203.0.113.49"}, ""},
		{"no CNAME where addresses stand", stays, regionName, dns.TypeCNAME, 0, nil, ""},
		{"empty", stays, regionName, dns.TypeA, 0, nil, "empty at " + regionName},
		{"no such name", stays, regionName, dns.TypeA, dns.RcodeNameError, nil, "empty at " + regionName},
		{"server failure", stays, regionName, dns.TypeA, dns.RcodeServerFailure, nil, "the status is SERVFAIL"},
		{"too early", stays, regionName, dns.TypeCNAME, 0, []string{regionName + " 180 IN CNAME " + globalName},
			regionName + " CNAME " + globalName + " may not stand there"},
		{"foreign address", failing, regionName, dns.TypeA, 0, []string{regionName + " 180 IN A 203.0.113.17"},
			regionName + " A 203.0.113.17 may not stand there"},
		{"mixed", failing, regionName, dns.TypeA, 0,
			[]string{regionName + " 180 IN A 203.0.113.49", regionName + " 180 IN CNAME " + globalName},
			"mixed: " + regionName + " has RRsets of several types"},
		{"before the change", failing, centralZone, dns.TypeA, 0, []string{centralZone + " 180 IN A 203.0.113.49"}, ""},
		{"half way up", failing, centralZone, dns.TypeA, 0, []string{
			centralZone + " 180 IN CNAME " + regionName, regionName + " 180 IN A 203.0.113.49",
		}, ""},
		{"the whole way up", failing, centralZone, dns.TypeA, 0, []string{
			centralZone + " 180 IN CNAME " + regionName, regionName + " 180 IN CNAME " + globalName,
			globalName + " 180 IN A 203.0.113.17", globalName + " 180 IN A 203.0.113.33",
			globalName + " 180 IN A 203.0.113.65",
		}, ""},
		{"one too few", failing, globalName, dns.TypeA, 0,
			[]string{globalName + " 180 IN A 203.0.113.17", globalName + " 180 IN A 203.0.113.33"},
			globalName + " A 203.0.113.65 is missing"},
		{"a chain to nothing", failing, centralZone, dns.TypeA, dns.RcodeNameError, []string{
			centralZone + " 180 IN CNAME " + regionName, regionName + " 180 IN CNAME " + globalName,
		}, "empty at " + globalName},
		{"gone for good", phase{from: ExpectedTable("europe"), to: gone}, globalName, dns.TypeA, dns.RcodeNameError,
			nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := new(dns.Msg).SetQuestion(tc.owner, tc.typ)
			r.Rcode = tc.rcode
			for _, text := range tc.answer {
				rr, err := dns.NewRR(text)
				if err != nil {
					t.Fatal(err)
				}
				r.Answer = append(r.Answer, rr)
			}
			if diff := cmp.Diff(tc.wrong, wrongAnswer(tc.phase, r)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestPhaseAt(t *testing.T) {
	start := time.Unix(1e9, 0)
	x := &Watch{phases: []phase{{since: start}, {since: start.Add(10 * time.Second)},
		{since: start.Add(20 * time.Second)}}}
	for after, want := range map[time.Duration]int{
		-time.Second: 0, 0: 0, 9 * time.Second: 0, 10 * time.Second: 1, 19 * time.Second: 1, 20 * time.Second: 2,
		time.Hour: 2,
	} {
		if got := x.phaseAt(start.Add(after)); got != want {
			t.Errorf("after %s: phase %d, want %d", after, got, want)
		}
	}
}

func TestLineDiff(t *testing.T) {
	got := lineDiff("NAME  TYPE\na A\nb A\n", "NAME TYPE\nb   A\nc A")
	if diff := cmp.Diff("  NAME TYPE\n- a A\n  b A\n+ c A", got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestExpectedTable(t *testing.T) {
	table := ExpectedTable("without-europe")
	row, ok := table.Find("nginx.mynamespace.myfederation.svc.europe-west1.example.com.", "CNAME")
	want := world.Row{Name: "nginx.mynamespace.myfederation.svc.europe-west1.example.com.", Type: "CNAME", TTL: "180",
		Data: []string{globalName}}
	if diff := cmp.Diff(want, row); !ok || diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if n := len(table.Names()); n != 9 {
		t.Errorf("%d owner names, want 9: global, four regions, four topology zones", n)
	}
}
