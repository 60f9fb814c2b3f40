package netns_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/federation-dns/federation/test/needs"
	"github.com/federation-dns/federation/test/netns"
)

func TestMain(m *testing.M) {
	needs.Main("a private network namespace (root, or a user namespace), and nsenter")
	var options netns.Options
	if !netns.Inside() {
		outside, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		file, err := outside.(*net.TCPListener).File()
		if err != nil {
			panic(err)
		}
		options.Files = []*os.File{file}
	}
	netns.EnterWith(options)
	os.Exit(m.Run())
}

func TestFiles(t *testing.T) {
	files := netns.Files()
	if len(files) != 1 {
		t.Fatalf("%d files, want one", len(files))
	}
	l, err := net.FileListener(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
		c.Close()
		t.Errorf("%s, a socket of the network outside, answers inside", l.Addr())
	}
	out, err := exec.Command("ls", "-l", "/proc/self/fd").Output()
	if err != nil || strings.Contains(string(out), "socket") {
		t.Errorf("what is started inside has it too: %v\n%s", err, out)
	}
}

func TestAddressesOfLocalPrefixesAreReal(t *testing.T) {
	for _, prefix := range []string{"203.0.113.0/24", "2001:db8::/32"} {
		if err := netns.AddLocal(netip.MustParsePrefix(prefix)); err != nil {
			t.Fatal(err)
		}
		if err := netns.AddLocal(netip.MustParsePrefix(prefix)); err != nil {
			t.Fatalf("again: %v", err)
		}
	}
	for _, at := range []string{"203.0.113.7:53", "[2001:db8::7]:53"} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_,
				_ = io.WriteString(w, at)
		})}
		go func() { _ = srv.Serve(l) }()
		t.Cleanup(func() { srv.Close() })
		res, err := http.Get("http://" + at)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || string(body) != at {
			t.Errorf("%s answered %q, %v", at, body, err)
		}
	}
}

func TestFirstProcessIsOurs(t *testing.T) {
	if os.Getppid() != 1 {
		t.Errorf("parent is %d, want 1: the first process of the namespace", os.Getppid())
	}
}

func TestResolvConf(t *testing.T) {
	const inside, pod = "nameserver 192.0.2.1\n", "nameserver 192.0.2.2\n"
	if err := netns.ResolvConf(inside); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte(pod), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := netns.Command(context.Background(), file, "cat", "/etc/resolv.conf").CombinedOutput()
	if err != nil || string(out) != pod {
		t.Errorf("a pod sees %q, %v; want %q", out, err, pod)
	}
	got, err := os.ReadFile("/etc/resolv.conf")
	if err != nil || string(got) != inside {
		t.Errorf("the namespace sees %q, %v; want %q", got, err, inside)
	}
	out, err = netns.Command(context.Background(), file, "sh", "-c", "exit 7").CombinedOutput()
	if err == nil || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("exit 7 gave %v %s", err, out)
	}
}

func TestAddressesOfADevice(t *testing.T) {
	has := func(want netip.Addr) bool {
		addrs, err := net.InterfaceAddrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.Equal(want.AsSlice()) {
				return true
			}
		}
		return false
	}
	for _, text := range []string{"2001:db8::54", "192.0.2.54"} {
		addr := netip.MustParseAddr(text)
		for range 2 {
			if err := netns.AddAddress(addr); err != nil || !has(addr) {
				t.Fatalf("adding %s: %v; the device has it: %t", addr, err, has(addr))
			}
		}
		for range 2 {
			if err := netns.RemoveAddress(addr); err != nil || has(addr) {
				t.Fatalf("removing %s: %v; the device has it: %t", addr, err, has(addr))
			}
		}
	}
}
