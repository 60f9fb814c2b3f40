package main

import (
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dnstap/golang-dnstap"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"google.golang.org/protobuf/proto"
)

// Neighbours that watch what is asked and answered.

// watched are questions of every result (Q13).
var watched = []struct {
	name   string
	qtype  uint16
	result string
}{
	{federated("healthy"), dns.TypeA, "local"},
	{"_http._tcp." + federated("headless"), dns.TypeSRV, "local"},
	{"hEALTHY.ns.Fed.svc.cluster.local.", dns.TypeA, "local"},
	{federated("healthy"), dns.TypeAAAA, "nodata"},
	{federated("dead"), dns.TypeA, "cname"},
	{federated("dead"), dns.TypeCNAME, "cname"},
	{federated("nodata"), dns.TypeA, "nodata"},
	{federated("gone"), dns.TypeA, "nxdomain"},
	{"no." + federated("headless"), dns.TypeA, "nxdomain"},
	{federated("circle"), dns.TypeA, "servfail"},
}

func TestNeighboursLog(t *testing.T) {
	t.Parallel()
	p, _, _ := world(t, `metadata
    log . "seen {name} {type} {rcode} {/federation/name} {/federation/result}"`)
	c := p.client(t)
	want := []string{}
	for _, q := range watched {
		m := c.ask(q.name, q.qtype)
		want = append(want, "seen "+strings.ToLower(q.name)+" "+dns.TypeToString[q.qtype]+" "+
			dns.RcodeToString[m.Rcode]+" fed "+q.result)
	}
	c.ask("healthy.ns.svc.cluster.local.", dns.TypeA)
	c.ask("www.example.com.", dns.TypeA)
	want = append(want, "seen healthy.ns.svc.cluster.local. A NOERROR - -", "seen www.example.com. A NOERROR - -")
	var seen []string
	poll(t, "what was asked last to be logged", func() bool {
		seen = nil
		for l := range strings.Lines(p.says.String()) {
			_, line, ok := strings.Cut(strings.TrimSuffix(l, "\n"), "[INFO] seen ")
			if ok && !strings.Contains(line, ".svc.zone1.") { // the chases come by here too
				seen = append(seen, "seen "+line)
			}
		}
		return len(seen) >= len(want)
	})
	t.Run("Q13 one line a question, by its own name, with federation/name and federation/result", func(t *testing.T) {
		slices.Sort(want) // a line is written after the reply
		slices.Sort(seen)
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
	t.Run("Q13 a lookup of a chase is not one of the federation", func(t *testing.T) {
		n := 0
		for l := range strings.Lines(p.says.String()) {
			if strings.Contains(l, "seen ") && strings.Contains(l, ".svc.zone1.") {
				if n++; !strings.HasSuffix(l, " - -\n") {
					t.Error(l)
				}
			}
		}
		if n == 0 {
			t.Error("no such line")
		}
	})
}

func TestNeighboursDnstap(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "tap")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	frames := make(chan []byte, 1000)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return // the test has ended
		}
		defer conn.Close()
		if in, err := dnstap.NewFrameStreamInput(conn, true); err == nil {
			in.ReadInto(frames)
		}
	}()

	p, _, _ := world(t, "dnstap "+socket+" full")
	c := p.client(t)
	want := []string{}
	for _, q := range watched {
		m := c.ask(q.name, q.qtype)
		want = append(want, "CLIENT_QUERY "+q.name+" "+dns.TypeToString[q.qtype],
			"CLIENT_RESPONSE "+q.name+" "+dns.TypeToString[q.qtype]+" "+dns.RcodeToString[m.Rcode]+" "+
				strings.ReplaceAll(text(m), "\n", " | "))
	}
	t.Run("Q11 each question is seen as it was asked, with the one reply that was given", func(t *testing.T) {
		var seen []string
		for deadline := time.After(10 * time.Second); len(seen) < len(want); {
			select {
			case <-deadline:
				t.Fatalf("seen (-want +got):\n%s", cmp.Diff(want, seen))
			case frame := <-frames:
				line := tapped(t, frame)
				// Without the chases.
				if line != "" && !strings.Contains(strings.Join(strings.Fields(line)[:2], " "), ".svc.zone1.") {
					seen = append(seen, line)
				}
			}
		}
		slices.Sort(want)
		slices.Sort(seen)
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// tapped is one line for a client's question or reply, "" for all else.
func tapped(t *testing.T, frame []byte) string {
	t.Helper()
	tap := &dnstap.Dnstap{}
	if err := proto.Unmarshal(frame, tap); err != nil {
		t.Fatal(err)
	}
	wire := tap.Message.QueryMessage
	if tap.Message.GetType() == dnstap.Message_CLIENT_RESPONSE {
		wire = tap.Message.ResponseMessage
	} else if tap.Message.GetType() != dnstap.Message_CLIENT_QUERY {
		return ""
	}
	m := new(dns.Msg)
	if err := m.Unpack(wire); err != nil {
		t.Fatal(err)
	}
	line := tap.Message.GetType().String() + " " + m.Question[0].Name + " " + dns.TypeToString[m.Question[0].Qtype]
	if m.Response {
		line += " " + dns.RcodeToString[m.Rcode] + " " + strings.ReplaceAll(text(m), "\n", " | ")
	}
	return line
}

// poll waits for what is to become true.
func poll(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
