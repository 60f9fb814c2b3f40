package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/fakeapi"
)

// cpuTime is what all threads of the server have used.
func (s *server) cpuTime() (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", s.cmd.Process.Pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("the server has ended, or this kernel has no schedstat: %w", err)
	}
	var sum time.Duration
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // a thread that has ended
		}
		ns, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", f, err)
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// answers reports whether the server knows the last of the Services.
func (s *server) answers() bool {
	m := new(dns.Msg).SetQuestion(fakeapi.ServiceName(services-1)+".svc.cluster.local.", dns.TypeA)
	c := &dns.Client{Timeout: time.Second}
	r, _, err := c.Exchange(m, net.JoinHostPort("127.0.0.1", s.port))
	return err == nil && r.Rcode == dns.RcodeSuccess && len(r.Answer) > 0
}

// freePort is one that is free for UDP now.
func freePort() (string, error) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(c.LocalAddr().String())
	return port, errors.Join(err, c.Close())
}
