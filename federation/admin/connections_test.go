package admin

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// serveBounded serves h at a loopback address.
func serveBounded(t *testing.T, h http.Handler) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := NewServer(h)
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return l.Addr().String()
}

func dialTo(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// open reports how many of the connections the server holds still open, once no more than want are.
func open(t *testing.T, conns []net.Conn, want int) int {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		n := 0
		for _, conn := range conns {
			_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !isReset(err) {
				n++
			}
		}
		if n <= want || time.Now().After(end) {
			return n
		}
	}
}

func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout()
}

func TestConnections(t *testing.T) {
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	t.Run("C1 connections that ask nothing keep nobody out", func(t *testing.T) {
		address := serveBounded(t, ok)
		var conns []net.Conn
		for i := range 3 * maxConnections {
			conn := dialTo(t, address)
			if i%2 == 0 { // these have asked once
				fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				if res, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil ||
					res.StatusCode != http.StatusOK {
					t.Fatalf("connection %d: %v", i, err)
				}
			}
			conns = append(conns, conn)
		}
		if n := open(t, conns, maxConnections); n > maxConnections {
			t.Errorf("%d connections are open", n)
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := client.Get("http://" + address)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	})
	t.Run("C1 requests under way are not ended by new connections", func(t *testing.T) {
		release, asked := make(chan struct{}), make(chan struct{}, maxConnections)
		address := serveBounded(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked <- struct{}{}
			<-release
			fmt.Fprintln(w, "ok")
		}))
		var conns []net.Conn
		for range maxConnections {
			conn := dialTo(t, address)
			fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			<-asked
			conns = append(conns, conn)
		}
		if n := open(t, []net.Conn{dialTo(t, address)}, 0); n != 0 {
			t.Error("one more is open")
		}
		close(release)
		for _, conn := range conns {
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			if res, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil ||
				res.StatusCode != http.StatusOK {
				t.Fatal(err)
			}
		}
	})
	t.Run("C1 a server gives up on those that ask, read or say nothing", func(t *testing.T) {
		if s := NewServer(ok); s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.WriteTimeout <= 0 ||
			s.IdleTimeout <= 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestListenMode(t *testing.T) {
	t.Run("C1 never more open than 0600, whatever the umask", func(t *testing.T) {
		before := syscall.Umask(0)
		defer syscall.Umask(before)
		dir := t.TempDir()
		var worst atomic.Uint32
		stop, done := make(chan struct{}), make(chan struct{})
		path := filepath.Join(dir, "admin.sock")
		go func() {
			defer close(done)
			for {
				if info, err := os.Lstat(path); err == nil {
					worst.Store(worst.Load() | uint32(info.Mode().Perm()))
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		}()
		for range 200 {
			l, err := Listen(path)
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
		}
		close(stop)
		<-done
		if worst.Load()&0o177 != 0 {
			t.Errorf("the socket was seen with mode %o", worst.Load())
		}
		if now := syscall.Umask(0); now != 0 {
			t.Errorf("the umask is %o afterwards", now)
		}
	})
}

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "admin.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("C1 mode 0600", func(t *testing.T) {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", info.Mode(), err)
		}
	})
	t.Run("C1 one that answers is not replaced", func(t *testing.T) {
		if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "another syncer runs") {
			t.Errorf("error: %v", err)
		}
	})
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	t.Run("C1 a dead one is replaced", func(t *testing.T) {
		next, err := Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		next.Close()
	})
	t.Run("C1 what is no socket is not", func(t *testing.T) {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "is not a socket") {
			t.Errorf("a file was replaced: %v", err)
		}
	})
}
