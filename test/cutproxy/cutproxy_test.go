package cutproxy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/federation-dns/federation/test/cutproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo starts a server that sends every line back, and a proxy before it.
func echo(t *testing.T) *cutproxy.Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); c.Close() }()
		}
	}()
	p, err := cutproxy.New(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(); l.Close() })
	return p
}

func dial(t *testing.T, p *cutproxy.Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ask sends a line and returns the error of waiting for it.
func ask(c net.Conn, within time.Duration) error {
	if err := c.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		return err
	}
	_, err := bufio.NewReader(c).ReadString('\n')
	return err
}

func TestPass(t *testing.T) {
	if err := ask(dial(t, echo(t)), 5*time.Second); err != nil {
		t.Fatal(err)
	}
}

func TestBlackhole(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	p.Set(cutproxy.Blackhole)
	if err := ask(c, 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("open connection: %v, want a time-out", err)
	}
	if err := ask(dial(t, p), 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("new connection: %v, want a time-out", err)
	}
	p.Set(cutproxy.Pass)
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
		t.Fatalf("what waited was lost: %v", err)
	}
}

func TestReset(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	if err := ask(c, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	p.Set(cutproxy.Reset)
	if err := ask(c, 5*time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("open connection: %v, want a reset", err)
	}
	next, err := net.Dial("tcp", p.Addr()) // the reset may come before it returns
	if err == nil {
		defer next.Close()
		err = ask(next, 5*time.Second)
	}
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("new connection: %v, want a reset", err)
	}
	p.Set(cutproxy.Pass)
	if err := ask(dial(t, p), 5*time.Second); err != nil {
		t.Fatal(err)
	}
}

func TestSlow(t *testing.T) {
	p := echo(t)
	p.Slow(50 * time.Millisecond)
	start := time.Now()
	if err := ask(dial(t, p), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 100*time.Millisecond {
		t.Errorf("there and back took %s, want at least 100ms", took)
	}
}

func TestRedirect(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	if err := ask(c, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	p.Redirect(other.Addr().String())
	if err := ask(c, 5*time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("open connection: %v, want a reset", err)
	}
	dial(t, p)
	there, err := other.Accept()
	if err != nil {
		t.Fatal(err)
	}
	there.Close()
}
