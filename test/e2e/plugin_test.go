package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/cutproxy"
	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/plugincases"
	"github.com/federation-dns/federation/test/world/pluginworld"
)

// TestPlugin asks each setup of package plugincases its questions: a whole
// CoreDNS of its own, with a real API server. The plugin's own tests ask the
// same of its handler.
func TestPlugin(t *testing.T) {
	setups, err := plugincases.Setups()
	if err != nil {
		t.Fatal(err)
	}
	w := startPlugin(t)
	t.Run("setups", func(t *testing.T) { // ends when all of its subtests have
		t.Run("Q8a 1,001 equal questions at once", func(t *testing.T) {
			t.Parallel()
			testManyAtOnce(t, w, setup(t, setups, "usual"), 0, func(int) uint16 { return dns.TypeA })
		})
		// A client address may hold as many slots as are free: 500 of 1,000.
		t.Run("Q8a 1,001 questions of one client at once", func(t *testing.T) {
			t.Parallel()
			testManyAtOnce(t, w, setup(t, setups, "usual"), 501, func(i int) uint16 { return uint16(2000 + i) })
		})
		t.Run("Q9 until the sync nobody is sent abroad",
			func(t *testing.T) { t.Parallel(); testUnsynced(t, w, setup(t, setups, "usual")) })
		t.Run("programs in pods", func(t *testing.T) { t.Parallel(); testPodsOfCollisions(t, w, setups) })
		for _, s := range setups {
			t.Run(s.Name, func(t *testing.T) { t.Parallel(); testSetup(t, w, s) })
		}
	})
}

func startPlugin(t *testing.T) *pluginworld.World {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	w, err := pluginworld.Start(ctx, options(t))
	if w != nil {
		t.Cleanup(func() {
			if err := w.Stop(); err != nil {
				t.Errorf("stopping: %v", err)
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func setup(t *testing.T, setups []plugincases.Setup, name string) plugincases.Setup {
	t.Helper()
	for _, s := range setups {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no setup is called %q", name)
	return plugincases.Setup{}
}

// startSetup starts a CoreDNS for the time of the test.
func startSetup(t *testing.T, w *pluginworld.World, s plugincases.Setup, kubeconfig string) *pluginworld.Server {
	t.Helper()
	server, err := w.StartCoreDNS(s, kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("it logged:\n%s", w.Log(server))
		}
	})
	return server
}

func testSetup(t *testing.T, w *pluginworld.World, s plugincases.Setup) {
	server := startSetup(t, w, s, w.Kubeconfig(s.Refused))
	if err := server.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := dialPlugin(t, server.Addr)
	for _, e := range s.Cases {
		t.Run(e.Rule, func(t *testing.T) {
			for _, q := range e.Questions {
				m, err := c.ask(q.Msg(), q.TCP)
				if err != nil {
					t.Errorf("%s: %v", q, err)
				} else if got := plugincases.Text(m); got != q.Want {
					t.Errorf("%s\n got %s\nwant %s", q, got, q.Want)
				}
			}
		})
	}
	if s.Name == "usual" {
		testBig(t, c)
	}
	t.Run("Q11 no question is answered twice", func(t *testing.T) {
		_ = c.udp.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if m, err := c.udp.ReadMsg(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v, %v", m, err)
		}
	})
}

// pluginClient asks from one socket, so that a second reply would be seen.
type pluginClient struct {
	addr string
	udp  *dns.Conn
}

func dialPlugin(t *testing.T, addr string) *pluginClient {
	t.Helper()
	c := &pluginClient{addr: net.JoinHostPort(addr, "53")}
	conn, err := net.Dial("udp", c.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c.udp = &dns.Conn{Conn: conn, UDPSize: dns.MaxMsgSize}
	return c
}

// ask returns the reply, which is well-formed whatever it says.
func (c *pluginClient) ask(q *dns.Msg, tcp bool) (*dns.Msg, error) {
	conn := c.udp
	if tcp {
		dialed, err := net.Dial("tcp", c.addr)
		if err != nil {
			return nil, err
		}
		defer dialed.Close()
		conn = &dns.Conn{Conn: dialed}
	}
	_ = conn.SetDeadline(time.Now().Add(8 * time.Second))
	if err := conn.WriteMsg(q); err != nil {
		return nil, err
	}
	m, err := conn.ReadMsg()
	if err != nil {
		return nil, err
	}
	return m, plugincases.WellFormed(q, m)
}

// testBig asks for what does not fit a reply over UDP.
func testBig(t *testing.T, c *pluginClient) {
	for _, tc := range []struct {
		rule, name string
		first      int // records before the addresses
	}{
		{"Q6 a big answer from here", "many.ns.myfed.svc.cluster.local.", 0},
		{"Q8b a big answer from abroad", "big.ns.myfed.svc.cluster.local.", 1},
	} {
		for _, size := range []uint16{0, 512, 1232} {
			t.Run(fmt.Sprintf("%s over UDP, %d octets", tc.rule, size), func(t *testing.T) {
				q := new(dns.Msg).SetQuestion(tc.name, dns.TypeA)
				if size > 0 {
					q.SetEdns0(size, false)
				}
				m, err := c.ask(q, false)
				if err != nil {
					t.Fatal(err)
				}
				m.Compress = true
				if !m.Truncated || m.Rcode != dns.RcodeSuccess || len(m.Answer) > plugincases.Many ||
					m.Len() > max(512, int(size)) {
					t.Errorf("TC %t, %s, %d answers, %d octets",
						m.Truncated, dns.RcodeToString[m.Rcode], len(m.Answer), m.Len())
				}
			})
		}
		t.Run(tc.rule+" over TCP", func(t *testing.T) {
			m, err := c.ask(new(dns.Msg).SetQuestion(tc.name, dns.TypeA), true)
			if err != nil {
				t.Fatal(err)
			}
			if m.Truncated || len(m.Answer) != plugincases.Many+tc.first {
				t.Errorf("TC %t, %d answers", m.Truncated, len(m.Answer))
			}
		})
	}
}

// testManyAtOnce asks 1,001 times for a name whose lookup takes longer than a
// chase may: for these types, of which so many are refused.
func testManyAtOnce(t *testing.T, w *pluginworld.World, s plugincases.Setup, refusals int, typ func(i int) uint16) {
	const most = 1000
	server := startSetup(t, w, s, w.Kubeconfig(false))
	if err := server.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	// All replies come at the same moment: a socket's buffer would not hold them.
	var clients [11]*pluginClient
	for i := range clients {
		clients[i] = dialPlugin(t, server.Addr)
	}
	other := dialPlugin(t, server.Addr)
	quick := new(dns.Msg).SetQuestion("healthy.ns.myfed.svc.cluster.local.", dns.TypeA)
	start := time.Now()
	for i := range most + 1 {
		q := new(dns.Msg).SetQuestion("silent.ns.myfed.svc.cluster.local.", typ(i))
		q.SetEdns0(1232, false)
		q.Id = uint16(i)
		if err := clients[i%len(clients)].udp.WriteMsg(q); err != nil {
			t.Fatal(err)
		}
		if i%20 == 0 { // what was sent before has been read when this is answered
			if m, err := other.ask(quick, false); err != nil || m.Rcode != dns.RcodeSuccess {
				t.Fatalf("after %d questions: %v, %v", i, m, err)
			}
		}
	}
	if sent := time.Since(start); sent > 2500*time.Millisecond {
		t.Fatalf("sending took %s: too long for them to be at once", sent)
	}
	seen := map[uint16]bool{}
	refused := 0
	for i := range most + 1 {
		udp := clients[i%len(clients)].udp
		_ = udp.SetDeadline(start.Add(8 * time.Second))
		m, err := udp.ReadMsg()
		if err != nil {
			t.Fatalf("after %d replies: %v", len(seen), err)
		}
		if text := plugincases.Text(m); seen[m.Id] || !strings.HasPrefix(text, "SERVFAIL") || len(m.Answer) > 0 {
			t.Errorf("question %d (answered before: %t): %s", m.Id, seen[m.Id], text)
		}
		seen[m.Id] = true
		if o := m.IsEdns0(); o != nil && len(o.Option) == 1 &&
			o.Option[0].(*dns.EDNS0_EDE).ExtraText == "too many lookups at once" {
			refused++
		}
	}
	if refused != refusals {
		t.Errorf("%d were refused at once, want %d", refused, refusals)
	}
}

// testUnsynced starts a CoreDNS that cannot reach its API server at first.
func testUnsynced(t *testing.T, w *pluginworld.World, s plugincases.Setup) {
	link, err := cutproxy.New(strings.TrimPrefix(w.Server(), "https://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { link.Close() })
	link.Set(cutproxy.Reset)
	kubeconfig := t.TempDir() + "/kubeconfig"
	if err := kube.KubeconfigVia(w.Kubeconfig(false), "https://"+link.Addr(), kubeconfig); err != nil {
		t.Fatal(err)
	}
	server := startSetup(t, w, s, kubeconfig)
	c := dialPlugin(t, server.Addr)
	answers := func(name, want string) {
		t.Helper()
		q := new(dns.Msg).SetQuestion(name, dns.TypeA)
		q.SetEdns0(1232, false)
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			m, err := c.ask(q, false) // the server may not listen yet
			if err == nil && plugincases.Text(m) == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v\n got %v\nwant %s", name, err, m, want)
			}
		}
	}
	for _, name := range []string{"healthy", "dead", "up", "_http._tcp.healthy"} {
		answers(name+".ns.myfed.svc.cluster.local.", fmt.Sprintf("SERVFAIL; ede %d", dns.ExtendedErrorCodeNotReady))
	}
	link.Set(cutproxy.Pass)
	answers("healthy.ns.myfed.svc.cluster.local.", "NOERROR; healthy.ns.myfed.svc.cluster.local. A 10.96.1.1")
	answers("up.ns.myfed.svc.cluster.local.",
		"NOERROR; up.ns.myfed.svc.cluster.local. CNAME up.ns.myfed.svc.example.com.; "+
			"up.ns.myfed.svc.example.com. A 203.0.113.2")
}
