package outside

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/netns"
	"github.com/federation-dns/federation/test/world"
)

// Exchange is a question that a stub resolver asked, and what it was answered.
type Exchange struct {
	Name string // without the trailing dot, as it was asked
	Type string
	TCP  bool
	// EDNS is the UDP size that the question offers; 0 is a question without
	// EDNS.
	EDNS int
	// Rcode, Truncated and Octets are the reply's; Data says that it has records
	// of the type that was asked for.
	Rcode           string
	Truncated, Data bool
	Octets          int
}

// Tap is between a stub resolver and the DNS server of a cluster, and sees
// what passes. It changes nothing: the octets of both sides pass as they are.
type Tap struct {
	// View is the view of a pod whose resolv.conf is that of the cluster, but
	// for the address of the server.
	View string

	upstream string
	udp      net.PacketConn
	tcp      net.Listener
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu   sync.Mutex
	seen []Exchange
}

// tapTimeout is longer than any stub resolver waits before it asks again.
const tapTimeout = 10 * time.Second

// NewTap makes a tap at port 53 of the address, which is made local, before
// the DNS server of the cluster.
func NewTap(w *world.World, cluster string, at netip.Addr) (*Tap, error) {
	m := w.Member(cluster)
	if err := netns.AddLocal(netip.PrefixFrom(at, at.BitLen())); err != nil {
		return nil, err
	}
	t := &Tap{View: cluster + "-by-" + at.String(), upstream: net.JoinHostPort(m.DNS.String(), "53")}
	if err := w.WriteResolv(t.View, at.String(), world.PodResolv...); err != nil {
		return nil, err
	}
	var err error
	if t.udp, err = net.ListenPacket("udp", net.JoinHostPort(at.String(), "53")); err != nil {
		return nil, err
	}
	if t.tcp, err = net.Listen("tcp", t.udp.LocalAddr().String()); err != nil {
		return nil, errors.Join(err, t.udp.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.cancel = cancel
	t.wg.Go(t.serveUDP)
	t.wg.Go(func() { t.serveTCP(ctx) })
	return t, nil
}

// Take returns what has passed since the last Take, in the order of the
// questions' answers.
func (t *Tap) Take() []Exchange {
	t.mu.Lock()
	defer t.mu.Unlock()
	seen := t.seen
	t.seen = nil
	return seen
}

// Close ends the tap.
func (t *Tap) Close() error {
	t.cancel()
	err := errors.Join(t.udp.Close(), t.tcp.Close())
	t.wg.Wait()
	return err
}

func (t *Tap) serveUDP() {
	buf := make([]byte, dns.MaxMsgSize)
	for {
		n, client, err := t.udp.ReadFrom(buf)
		if err != nil {
			return // closed
		}
		query := append([]byte(nil), buf[:n]...)
		t.wg.Go(func() {
			if reply, err := t.ask(query); err == nil {
				t.note(query, reply, false)
				_, _ = t.udp.WriteTo(reply, client) // a client that has gone
			}
		})
	}
}

// ask sends a datagram to the cluster's server and waits for one.
func (t *Tap) ask(query []byte) ([]byte, error) {
	conn, err := net.Dial("udp", t.upstream)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(tapTimeout)); err != nil {
		return nil, err
	}
	if _, err := conn.Write(query); err != nil {
		return nil, err
	}
	buf := make([]byte, dns.MaxMsgSize)
	n, err := conn.Read(buf)
	return buf[:n], err
}

func (t *Tap) serveTCP(ctx context.Context) {
	for {
		client, err := t.tcp.Accept()
		if err != nil {
			return // closed
		}
		t.wg.Go(func() {
			defer client.Close()
			defer context.AfterFunc(ctx, func() { client.Close() })()
			t.stream(client)
		})
	}
}

// stream passes the messages of one connection on, one after the other.
func (t *Tap) stream(client net.Conn) {
	server, err := net.Dial("tcp", t.upstream)
	if err != nil {
		return
	}
	defer server.Close()
	for {
		deadline := time.Now().Add(tapTimeout)
		if errors.Join(client.SetDeadline(deadline), server.SetDeadline(deadline)) != nil {
			return
		}
		query, err := passMessage(server, client)
		if err != nil {
			return
		}
		reply, err := passMessage(io.Discard, server)
		if err != nil {
			return
		}
		t.note(query, reply, true)
		if _, err := client.Write(framed(reply)); err != nil {
			return
		}
	}
}

// passMessage reads a message with its length before it, and writes it so.
func passMessage(to io.Writer, from io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(from, size[:]); err != nil {
		return nil, err
	}
	msg := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(from, msg); err != nil {
		return nil, err
	}
	_, err := to.Write(framed(msg))
	return msg, err
}

func framed(msg []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...)
}

// note adds an exchange to what was seen, before the client has its answer.
func (t *Tap) note(query, reply []byte, tcp bool) {
	var q, r dns.Msg
	x := Exchange{TCP: tcp, Octets: len(reply)}
	if q.Unpack(query) != nil || len(q.Question) != 1 {
		x.Name = fmt.Sprintf("(no question: %x)", query)
	} else {
		x.Name, x.Type = strings.TrimSuffix(q.Question[0].Name, "."), dns.TypeToString[q.Question[0].Qtype]
	}
	if opt := q.IsEdns0(); opt != nil {
		x.EDNS = int(opt.UDPSize())
	}
	if r.Unpack(reply) != nil {
		x.Rcode = "(no answer that can be read)"
	} else {
		x.Rcode, x.Truncated = dns.RcodeToString[r.Rcode], r.Truncated
		x.Data = slices.ContainsFunc(r.Answer,
			func(rr dns.RR) bool { return dns.TypeToString[rr.Header().Rrtype] == x.Type })
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen = append(t.seen, x)
}
