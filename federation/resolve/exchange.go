package resolve

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

const (
	// ednsSize is the largest UDP reply requested: larger ones may be fragmented.
	ednsSize = 1232
	// readSize has room for the reply of a server that ignores it.
	readSize = 4096
)

// errSilent says that a server has not answered in time.
var errSilent = errors.New("no answer in time")

// isSilence reports whether the server itself did not respond.
func isSilence(err error) bool {
	return errors.Is(err, errSilent) || errors.Is(err, syscall.ECONNREFUSED) ||
		errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH)
}

// ask asks one server: over UDP with EDNS, without EDNS if the server does not support it (RFC 6891, section 7), and
// over TCP if the reply is truncated (RFC 7766).
func (c *Client) ask(ctx context.Context, server netip.AddrPort, question dns.Question) (Answer, error) {
	request := func(edns bool) *dns.Msg {
		m := &dns.Msg{MsgHdr: dns.MsgHdr{Id: dns.Id(), RecursionDesired: true}, Question: []dns.Question{question}}
		if edns {
			m.SetEdns0(ednsSize, false)
		}
		return m
	}
	edns := true
	reply, err := c.exchange(ctx, "udp", server, request(edns))
	if err == nil && lacksEDNS(reply) {
		edns = false
		reply, err = c.exchange(ctx, "udp", server, request(edns))
	}
	if err == nil && reply.Truncated {
		if reply, err = c.exchange(ctx, "tcp", server, request(edns)); err == nil && reply.Truncated {
			err = errors.New("truncated over TCP")
		}
	}
	if err != nil {
		return Answer{}, err
	}
	return read(question, reply)
}

// lacksEDNS reports whether the server rejects the question because it does not support EDNS.
func lacksEDNS(reply *dns.Msg) bool {
	return (reply.Rcode == dns.RcodeFormatError || reply.Rcode == dns.RcodeNotImplemented) && reply.IsEdns0() == nil
}

// exchange sends a request from a new port, and returns the reply to it. It ignores anything else that arrives there,
// which may be late or forged (RFC 5452, section 9.1).
func (c *Client) exchange(
	ctx context.Context, network string, server netip.AddrPort, request *dns.Msg,
) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, c.try)
	defer cancel()
	var dialer net.Dialer
	plain, err := dialer.DialContext(ctx, network, server.String())
	if err != nil {
		return nil, stableError(ctx, err)
	}
	defer plain.Close()
	stop := context.AfterFunc(ctx, func() { _ = plain.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	conn := &dns.Conn{Conn: plain, UDPSize: readSize}
	if err := conn.WriteMsg(request); err != nil {
		return nil, stableError(ctx, err)
	}
	for {
		packet, err := conn.ReadMsgHeader(nil)
		if errors.Is(err, dns.ErrShortRead) && network == "udp" {
			continue
		}
		if err != nil {
			return nil, stableError(ctx, err)
		}
		reply, err := replyTo(request, packet)
		if reply != nil || err != nil {
			return reply, err
		}
		if network != "udp" {
			return nil, errors.New("the reply is to another question")
		}
	}
}

// replyTo unpacks a packet; both results are nil if it is not a reply to the request. A truncated reply is returned
// without its records: it may end anywhere.
func replyTo(request *dns.Msg, packet []byte) (*dns.Msg, error) {
	reply := new(dns.Msg)
	err := reply.Unpack(packet) // header and question may be there even with an error
	switch {
	case reply.Id != request.Id || !reply.Response || reply.Opcode != dns.OpcodeQuery:
		return nil, nil
	case len(reply.Question) == 0 && reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError:
		return &dns.Msg{MsgHdr: reply.MsgHdr}, nil // a server that cannot parse the question need not repeat it
	case len(reply.Question) != 1 || !sameQuestion(reply.Question[0], request.Question[0]):
		return nil, nil
	case reply.Truncated:
		return &dns.Msg{MsgHdr: reply.MsgHdr, Question: reply.Question}, nil
	case err != nil:
		return nil, fmt.Errorf("the reply is malformed: %w", err)
	case !isComplete(reply, packet):
		return nil, errors.New("the reply is malformed: records are missing at the end")
	}
	return reply, nil
}

// isComplete reports whether the reply has as many answer and authority records as its header says: the library accepts
// a packet that ends early, and that would look like a denial.
func isComplete(reply *dns.Msg, packet []byte) bool {
	answers, authority := binary.BigEndian.Uint16(packet[6:]), binary.BigEndian.Uint16(packet[8:])
	return int(answers) == len(reply.Answer) && int(authority) == len(reply.Ns)
}

func sameQuestion(a, b dns.Question) bool {
	return a.Qtype == b.Qtype && a.Qclass == b.Qclass && strings.EqualFold(a.Name, b.Name)
}

// stableError removes what differs between attempts, such as our port, from an error: the same failure has the same
// text.
func stableError(ctx context.Context, err error) error {
	var errno syscall.Errno
	switch {
	case ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded):
		return errSilent
	case errors.As(err, &errno):
		return errno
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was closed")
	}
	return err
}
