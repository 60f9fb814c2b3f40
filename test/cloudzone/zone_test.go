package cloudzone_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/cloudzone"
)

// reversed sorts by the labels from the right.
func reversed(name string) string {
	labels := strings.Split(name, ".")
	slices.Reverse(labels)
	return strings.Join(labels, ".")
}

// record parses data in the presentation form of DNS.
func record(s cloudzone.Set, data string) (dns.RR, error) {
	return dns.NewRR(fmt.Sprintf("%s %d IN %s %s", s.Name, s.TTL, s.Type, data))
}

func set(name, typ string, data ...string) cloudzone.Set {
	return cloudzone.Set{Name: name, Type: typ, TTL: 60, Data: data}
}

func newZone(t *testing.T, sets ...cloudzone.Set) *cloudzone.Zone {
	t.Helper()
	z := cloudzone.New("example.com.", reversed, record)
	if err := z.Load(sets...); err != nil {
		t.Fatal(err)
	}
	return z
}

// keys lists the zone in pages of n.
func keys(z *cloudzone.Zone, n int, keep func(cloudzone.Set) bool) (all []string) {
	from := cloudzone.Key{}
	for {
		sets, next := z.List(from, n, keep)
		for _, s := range sets {
			all = append(all, s.Name+" "+s.Type)
		}
		if from = next; next.Name == "" {
			return all
		}
	}
}

func TestList(t *testing.T) {
	z := newZone(t,
		set("b.example.com.", "A", "192.0.2.1"), set("example.com.", "SOA", "ns. root. 1 2 3 4 30"),
		set("a.b.example.com.", "TXT", `"a"`), set("a.b.example.com.", "A", "192.0.2.1"),
		set("a.example.com.", "A", "192.0.2.1"))
	want := []string{"example.com. SOA", "a.example.com. A", "b.example.com. A", "a.b.example.com. A",
		"a.b.example.com. TXT"}
	for n := 1; n <= 6; n++ {
		if diff := cmp.Diff(want, keys(z, n, nil)); diff != "" {
			t.Errorf("in pages of %d (-want +got):\n%s", n, diff)
		}
	}
	if diff := cmp.Diff([]string{"a.example.com. A", "b.example.com. A", "a.b.example.com. A"},
		keys(z, 1, func(s cloudzone.Set) bool { return s.Type == "A" })); diff != "" {
		t.Errorf("only A (-want +got):\n%s", diff)
	}
	t.Run("from a name that is not there", func(t *testing.T) {
		sets, next := z.List(cloudzone.Key{Name: "aa.example.com."}, 1, nil)
		if len(sets) != 1 || sets[0].Name != "b.example.com." || next.Name != "a.b.example.com." || next.Type != "A" {
			t.Errorf("got %v, next %v", sets, next)
		}
	})
	t.Run("from a type on", func(t *testing.T) {
		if sets, next := z.List(cloudzone.Key{Name: "a.b.example.com.", Type: "CNAME"}, 9, nil); len(sets) != 1 ||
			sets[0].Type != "TXT" || next.Name != "" {
			t.Errorf("got %v, next %v", sets, next)
		}
	})
	t.Run("what is gone, and what is new", func(t *testing.T) {
		err := z.Do(func(tx *cloudzone.Tx) error {
			tx.Delete(cloudzone.Key{Name: "b.example.com.", Type: "A"})
			tx.Put(set("c.example.com.", "A", "192.0.2.1"))
			tx.Put(set("a.example.com.", "A", "192.0.2.2"))
			return nil
		})
		want := []string{"example.com. SOA", "a.example.com. A", "a.b.example.com. A", "a.b.example.com. TXT",
			"c.example.com. A"}
		if diff := cmp.Diff(want, keys(z, 2, nil)); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	})
}

func TestDo(t *testing.T) {
	z := newZone(t, set("a.example.com.", "A", "192.0.2.1"), set("b.example.com.", "A", "192.0.2.1"))
	wrong := errors.New("wrong")
	err := z.Do(func(tx *cloudzone.Tx) error {
		tx.Delete(cloudzone.Key{Name: "a.example.com.", Type: "A"})
		tx.Put(set("a.example.com.", "CNAME", "c.example.com."))
		tx.Put(set("b.example.com.", "A", "192.0.2.2"))
		tx.Put(set("c.example.com.", "A", "192.0.2.1"))
		if got := tx.Count(); got != 3 {
			t.Errorf("%d RRsets amid the change, want 3", got)
		}
		if s, there := tx.Find(cloudzone.Key{Name: "b.example.com.", Type: "A"}); !there || s.Data[0] != "192.0.2.2" {
			t.Errorf("amid the change there is %v", s)
		}
		return wrong
	})
	if !errors.Is(err, wrong) {
		t.Errorf("error is %v", err)
	}
	if diff := cmp.Diff([]string{"a.example.com. A", "b.example.com. A"}, keys(z, 9, nil)); diff != "" {
		t.Errorf("after a change that failed (-want +got):\n%s", diff)
	}
	sets, _ := z.List(cloudzone.Key{Name: "b.example.com."}, 1, nil)
	if sets[0].Data[0] != "192.0.2.1" {
		t.Errorf("a change that failed has left %v", sets[0])
	}
}

func TestLoad(t *testing.T) {
	z := newZone(t, set("a.example.com.", "A", "192.0.2.1"))
	if err := z.Load(set("a.example.com.", "CNAME", "b.example.com.")); err == nil {
		t.Error("a CNAME stands beside an A")
	}
	if diff := cmp.Diff([]string{"a.example.com. A"}, keys(z, 9, nil)); diff != "" {
		t.Error(diff)
	}
}

func TestSame(t *testing.T) {
	a := set("a.example.com.", "A", "192.0.2.1", "192.0.2.2")
	b, ttl, data := set("a.example.com.", "A", "192.0.2.2", "192.0.2.1"), a, set("a.example.com.", "A", "192.0.2.1")
	ttl.TTL = 30
	if !a.Same(b) || a.Same(ttl) || a.Same(data) {
		t.Errorf("Same: order %v, TTL %v, data %v", a.Same(b), a.Same(ttl), a.Same(data))
	}
}

func TestServe(t *testing.T) {
	z := newZone(t,
		set("example.com.", "SOA", "ns.example.com. root.example.com. 1 7200 900 1209600 30"),
		set("a.example.com.", "A", "192.0.2.1"), set("a.example.com.", "AAAA", "2001:db8::1"),
		set("alias.example.com.", "CNAME", "a.example.com."), set("out.example.com.", "CNAME", "www.example.org."),
		set("x.y.example.com.", "A", "192.0.2.1"), set("dangling.example.com.", "CNAME", "nothing.example.com."),
		set("circle.example.com.", "CNAME", "circle.example.com."))
	address, stop, err := cloudzone.Serve("127.0.0.1:0", z)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for _, tt := range []struct {
		name    string
		qtype   uint16
		rcode   int
		answers int
		soa     bool
	}{
		{"a.example.com.", dns.TypeA, dns.RcodeSuccess, 1, false},
		{"A.Example.Com.", dns.TypeA, dns.RcodeSuccess, 1, false},
		{"a.example.com.", dns.TypeTXT, dns.RcodeSuccess, 0, true},
		{"a.example.com.", dns.TypeANY, dns.RcodeSuccess, 2, false},
		{"alias.example.com.", dns.TypeAAAA, dns.RcodeSuccess, 2, false},
		{"alias.example.com.", dns.TypeTXT, dns.RcodeSuccess, 1, true},
		{"alias.example.com.", dns.TypeCNAME, dns.RcodeSuccess, 1, false},
		{"out.example.com.", dns.TypeA, dns.RcodeSuccess, 1, false},
		{"dangling.example.com.", dns.TypeA, dns.RcodeNameError, 1, true},
		{"y.example.com.", dns.TypeA, dns.RcodeSuccess, 0, true},
		{"nothing.example.com.", dns.TypeA, dns.RcodeNameError, 0, true},
		{"circle.example.com.", dns.TypeA, dns.RcodeSuccess, 8, false},
		{"example.org.", dns.TypeA, dns.RcodeRefused, 0, false},
	} {
		for _, network := range []string{"udp", "tcp"} {
			t.Run(network+" "+tt.name+" "+dns.TypeToString[tt.qtype], func(t *testing.T) {
				reply, _, err := (&dns.Client{Net: network}).Exchange(new(dns.Msg).SetQuestion(tt.name, tt.qtype),
					address)
				if err != nil {
					t.Fatal(err)
				}
				if reply.Rcode != tt.rcode || len(reply.Answer) != tt.answers || (len(reply.Ns) == 1) != tt.soa {
					t.Errorf("got %v", reply)
				}
			})
		}
	}
}
