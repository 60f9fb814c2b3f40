package rfc2136

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation/provider"
)

const (
	// maxIdle and maxUses bound the reuse of a connection well below what servers allow (10 s and 128 messages are
	// common): an update whose connection is closed by the server at the wrong moment has an open outcome.
	maxIdle = 2 * time.Second
	maxUses = 100
	// After more than trust, an idle connection is read for the time of peek (in effect a millisecond) to see whether
	// the server has closed it.
	trust = 100 * time.Millisecond
	peek  = 50 * time.Microsecond
	// maxPipeline is how many queries are sent before the first reply is read. They and their replies fit into the
	// buffers of a connection.
	maxPipeline = 64
)

// conn is one TCP connection with messages framed by their length.
type conn struct {
	net.Conn
	timeout time.Duration
	uses    int
	idle    time.Time // since when
}

// client sends messages over one connection, which it keeps open for a short while.
type client struct {
	server  string
	timeout time.Duration
	key     TSIG

	turn chan struct{} // holds one token; its holder owns kept
	kept *conn
}

func (c *client) dial(ctx context.Context) (*conn, error) {
	d := net.Dialer{Timeout: c.timeout}
	nc, err := d.DialContext(ctx, "tcp", c.server)
	if err != nil {
		return nil, c.failed(ctx, provider.ErrNotSent, err)
	}
	return &conn{Conn: nc, timeout: c.timeout}, nil
}

// lost is the kind of error of a message that was sent and got no trustworthy reply.
func lost(m *dns.Msg) error {
	if m.Opcode == dns.OpcodeUpdate && len(m.Ns) > 0 {
		return provider.ErrUnknownOutcome
	}
	return provider.ErrUnavailable // it changes nothing
}

// failed makes the error of a transport failure. The dialer's and the connection's own errors name both addresses; the
// server's is enough.
func (c *client) failed(ctx context.Context, kind, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	if !errors.Is(kind, provider.ErrNotSent) {
		return fmt.Errorf("server %s: %w: no reply: %w", c.server, kind, err)
	}
	return fmt.Errorf("server %s: %w: %w", c.server, kind, err)
}

// exchange sends the messages, all of them before it reads the replies, and returns the verified replies in the order
// of the messages. It waits its turn. If the kept connection turns out to be dead, queries are sent again; updates only
// if the server cannot have received them.
func (c *client) exchange(ctx context.Context, msgs ...*dns.Msg) ([]*dns.Msg, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return nil, c.failed(ctx, provider.ErrNotSent, ctx.Err())
	}
	co := c.idleConn(len(msgs))
	for reused := co != nil; ; reused = false {
		if co == nil {
			var err error
			if co, err = c.dial(ctx); err != nil {
				return nil, err
			}
		}
		replies, err := c.roundTrip(ctx, co, msgs)
		if err == nil {
			co.uses += len(msgs)
			co.idle = time.Now()
			c.kept = co
			return replies, nil
		}
		co.Close()
		co = nil
		again := errors.Is(err, provider.ErrNotSent) || msgs[0].Opcode == dns.OpcodeQuery
		if !reused || !again || ctx.Err() != nil {
			return nil, err
		}
	}
}

// idleConn returns the kept connection if it is good for n more messages.
func (c *client) idleConn(n int) *conn {
	co := c.kept
	c.kept = nil
	if co != nil && (time.Since(co.idle) > maxIdle || co.uses+n > maxUses || !co.quiet()) {
		co.Close()
		return nil
	}
	return co
}

// quiet reports whether the connection is open and has nothing to read.
func (co *conn) quiet() bool {
	if time.Since(co.idle) < trust {
		return true
	}
	if err := co.SetDeadline(time.Now().Add(peek)); err != nil {
		return false
	}
	_, err := co.Read(make([]byte, 1))
	return errors.Is(err, os.ErrDeadlineExceeded)
}

func (c *client) close() {
	c.turn <- struct{}{}
	if c.kept != nil {
		c.kept.Close()
		c.kept = nil
	}
	<-c.turn
}

func (c *client) roundTrip(ctx context.Context, co *conn, msgs []*dns.Msg) ([]*dns.Msg, error) {
	release := co.bind(ctx)
	replies, err := c.sendAndReceive(ctx, co, msgs)
	if unharmed := release(); !unharmed && err == nil {
		co.uses = maxUses // ctx ended just now: its deadline may hit the next user
	}
	return replies, err
}

func (c *client) sendAndReceive(ctx context.Context, co *conn, msgs []*dns.Msg) ([]*dns.Msg, error) {
	macs := make(map[uint16]int, len(msgs))
	requestMACs := make([]string, len(msgs))
	for i, m := range msgs {
		m.Id = msgs[0].Id + uint16(i)
		macs[m.Id] = i
		wire, mac, err := c.key.sign(m)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", provider.ErrNotSent, err)
		}
		requestMACs[i] = mac
		if err := co.write(ctx, wire); err != nil {
			return nil, c.failed(ctx, provider.ErrNotSent, err)
		}
	}
	replies := make([]*dns.Msg, len(msgs))
	kind := lost(msgs[0])
	for range msgs {
		wire, err := co.read(ctx)
		if err != nil {
			return nil, c.failed(ctx, kind, err)
		}
		reply := new(dns.Msg)
		if err := reply.Unpack(wire); err != nil {
			return nil, fmt.Errorf("server %s: %w: malformed reply: %w", c.server, kind, err)
		}
		i, ok := macs[reply.Id]
		if !ok || replies[i] != nil || !reply.Response || reply.Opcode != msgs[i].Opcode {
			return nil, fmt.Errorf("server %s: %w: the reply belongs to no request of ours", c.server, kind)
		}
		if err := c.key.verify(wire, reply, requestMACs[i]); err != nil {
			return nil, fmt.Errorf("server %s: %w: %w", c.server, kind, err)
		}
		replies[i] = reply
	}
	return replies, nil
}

// bind makes the connection's operations fail once ctx ends; release undoes it and reports whether ctx is still alive.
func (co *conn) bind(ctx context.Context) (release func() bool) {
	// It fails only on a closed connection, which needs no deadline.
	return context.AfterFunc(ctx, func() { _ = co.SetDeadline(time.Unix(1, 0)) })
}

// deadline sets the time limit of the next operation, unless ctx has ended.
func (co *conn) deadline(ctx context.Context) error {
	if err := co.SetDeadline(time.Now().Add(co.timeout)); err != nil {
		return err
	}
	return ctx.Err() // checked last: bind's function may have come before
}

// write sends one message. After an error the server has not received all of it.
func (co *conn) write(ctx context.Context, wire []byte) error {
	if len(wire) > dns.MaxMsgSize {
		return fmt.Errorf("message of %d octets, at most %d are possible", len(wire), dns.MaxMsgSize)
	}
	if err := co.deadline(ctx); err != nil {
		return err
	}
	framed := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(wire)), uint16(len(wire)))
	_, err := co.Write(append(framed, wire...))
	return err
}

func (co *conn) read(ctx context.Context) ([]byte, error) {
	if err := co.deadline(ctx); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(co, length[:]); err != nil {
		return nil, err
	}
	wire := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(co, wire)
	return wire, err
}
