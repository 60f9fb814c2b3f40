package mirror

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/federation-dns/federation/federation"
)

// TestLine compares lines with what encoding/json makes of the same service.
func TestLine(t *testing.T) {
	compare := func(t *testing.T, s Service) {
		t.Helper()
		if got, want := s.Line(), encode(&s, "")+"\n"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	t.Run("M2 a line is the JSON of the service", func(t *testing.T) {
		compare(t, service())
		compare(t, Service{})
		compare(t, Service{Namespace: "n", Name: "left-to-the-upstream", Upstream: true})
	})
	t.Run("M2 a line is the JSON of any service", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		texts := []string{"", "a", "web-1", "example.com.", `quo"te`, `back\slash`, "<&>", "\u2028", "\x00\x7f", "é",
			"\xff"}
		text := func() string { return texts[r.IntN(len(texts))] }
		list := func() (l []string) {
			if r.IntN(3) == 0 {
				l = []string{}
			}
			for range r.IntN(3) {
				l = append(l, text())
			}
			return l
		}
		addresses := []netip.Addr{{}, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"),
			netip.MustParseAddr("::ffff:192.0.2.1"), netip.MustParseAddr(`fe80::1%e"h`)}
		for range 2000 {
			s := Service{Namespace: text(), Name: text(), Upstream: r.IntN(2) == 0}
			for range r.IntN(4) {
				lv := Level{Level: federation.FQDN(text()), TTL: r.Uint32(), Host: federation.FQDN(text()),
					Members: list(), Up: federation.FQDN(text())}
				for range r.IntN(3) {
					lv.Addresses = append(lv.Addresses, Address{addresses[r.IntN(len(addresses))], list()})
				}
				s.Levels = append(s.Levels, lv)
			}
			for range r.IntN(3) {
				s.Ports = append(s.Ports, Port{text(), text(), uint16(r.Uint32())})
			}
			compare(t, s)
		}
	})
}

func BenchmarkLine(b *testing.B) {
	s := service()
	var buf []byte
	for b.Loop() {
		buf = s.AppendLine(buf[:0])
	}
}
