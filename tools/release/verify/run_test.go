package verify

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// rootfsVariable names the folder of the images' root file systems to the process in the private namespaces.
const rootfsVariable = "RELEASE_ROOTFS"

// TestRun starts the programs as a container runtime does: in a root file system made of the image alone, as its user,
// in network and process namespaces of their own.
func TestRun(t *testing.T) {
	if os.Getuid() != 0 {
		if needAll() {
			t.Fatal("chroot and file capabilities need root: run make test-release as root")
		}
		t.Skip("chroot and file capabilities need root")
	}
	dir := t.TempDir()
	for _, p := range programs {
		img := images(t, readIndex(t, p))[runtime.GOARCH]
		if img == nil {
			t.Fatalf("there is no image of %s for this machine (%s)", p, runtime.GOARCH)
		}
		names, files := layers(t, img)
		for _, name := range slices.Concat(names...) {
			unpackFile(t, filepath.Join(dir, p), files[name])
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread() // the child is killed when its parent's thread ends
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestInNamespaces$", "-test.v", "-dist="+*dist,
		"-go="+*goVersion)
	cmd.Env = append(os.Environ(), rootfsVariable+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWPID,
		Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}

func unpackFile(t *testing.T, root string, f file) {
	t.Helper()
	path := filepath.Join(root, f.header.Name)
	mode := f.header.FileInfo().Mode()
	var err error
	if mode.IsDir() {
		err = os.MkdirAll(path, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
		err = os.WriteFile(path, f.data, 0o644)
	}
	if err == nil {
		err = os.Chown(path, f.header.Uid, f.header.Gid)
	}
	if err == nil {
		err = os.Chmod(path, mode)
	}
	if value := f.header.PAXRecords["SCHILY.xattr.security.capability"]; err == nil && value != "" {
		err = unix.Lsetxattr(path, "security.capability", []byte(value), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestInNamespaces(t *testing.T) {
	dir := os.Getenv(rootfsVariable)
	if dir == "" {
		return // TestRun runs it
	}
	loopbackUp(t)
	t.Run("I2 coredns -version names the release", func(t *testing.T) {
		out, err := inImage(t.Context(), dir, "coredns", "-version").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "federation-"+version(t)) ||
			!strings.Contains(string(out), *goVersion) {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("I2 federation-syncer version names the release", func(t *testing.T) {
		out, err := inImage(t.Context(), dir, "federation-syncer", "--version").CombinedOutput()
		if err != nil || !strings.Contains(string(out), version(t)) {
			t.Errorf("%v: %s", err, out)
		}
	})

	certificate, ca := authority(t)
	go serveDNS(t, certificate)
	const config = `.:53 {
    errors
    forward . tls://127.0.0.1 {
        tls_servername dns.example.com
    }
}
`
	if err := os.WriteFile(filepath.Join(dir, "coredns/Corefile"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Run("I1 an unknown CA is refused", func(t *testing.T) {
		log := startCoreDNS(t, dir)
		if addresses, err := ask(t); err == nil {
			t.Errorf("answer %q", addresses)
		}
		if !strings.Contains(log(), "certificate signed by unknown authority") {
			t.Errorf("log:\n%s", log())
		}
	})
	t.Run("I1 a user binds port 53, and the CA certificates of the image are in use", func(t *testing.T) {
		f, err := os.OpenFile(filepath.Join(dir, "coredns", bundle), os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = f.Write(ca)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		log := startCoreDNS(t, dir)
		if addresses, err := ask(t); err != nil || !slices.Equal(addresses, []string{"192.0.2.1"}) {
			t.Errorf("answer %q (%v); log:\n%s", addresses, err, log())
		}
	})
}

// inImage is a command in the image of a program, as its user and with its environment.
func inImage(ctx context.Context, dir, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/"+program, args...)
	cmd.Env, cmd.Dir = []string{"PATH=/", "SSL_CERT_FILE=/" + bundle}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: filepath.Join(dir, program),
		Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	return cmd
}

// startCoreDNS returns what reads the log.
func startCoreDNS(t *testing.T, dir string) func() string {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := inImage(t.Context(), dir, "coredns", "-conf", "/Corefile")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	return func() string {
		text, err := os.ReadFile(log.Name())
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
}

// ask asks CoreDNS, which may not listen yet.
func ask(t *testing.T) (addresses []string, err error) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", "127.0.0.1:53")
	}}
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		addresses, err = resolver.LookupHost(ctx, "www.example.com.")
		if err == nil || !strings.Contains(err.Error(), "connection refused") {
			return addresses, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-tick.C:
		}
	}
}

// authority makes a CA and a certificate of it for dns.example.com.
func authority(t *testing.T) (certificate tls.Certificate, ca []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test"}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageCertSign}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{"dns.example.com"},
		NotBefore: root.NotBefore, NotAfter: root.NotAfter}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: key},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER})
}

// serveDNS answers DNS over TLS: every question for A has the address 192.0.2.1.
func serveDNS(t *testing.T, certificate tls.Certificate) {
	l, err := tls.Listen("tcp", "127.0.0.1:853", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Error(err)
		return
	}
	t.Cleanup(func() { _ = l.Close() })
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			for answerOne(c) == nil {
			}
		}()
	}
}

func answerOne(c net.Conn) error {
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return err
	}
	query := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, query); err != nil {
		return err
	}
	end := 12
	for query[end] != 0 { // the labels of the question
		end += 1 + int(query[end])
	}
	end += 5
	reply := slices.Clone(query[:end])
	reply[2] |= 0x80                                    // a response
	reply[3] = 0x80                                     // recursion available, no error
	copy(reply[4:], []byte{0, 1, 0, 0, 0, 0, 0, 0})     // one question
	if binary.BigEndian.Uint16(query[end-4:end]) == 1 { // A
		reply[7] = 1
		reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 192, 0, 2, 1)
	}
	_, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
	return err
}

func loopbackUp(t *testing.T) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		t.Fatal(err)
	}
}
