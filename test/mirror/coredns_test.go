package mirror

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/programs"
)

// The CoreDNS of a member, in the namespace that is ours alone.
const (
	dnsHost   = "127.0.1.1"
	plainName = "nginx.default.fed.svc.cluster.local."

	memberCorefile = `.:53 {
	bind %[1]s
	ready %[1]s:8181
	federation cluster.local {
		fed example.com
	}
	kubernetes cluster.local {
		kubeconfig %[2]q
	}
}
`
)

// startCoreDNS starts that of a member, with exactly the shipped rights, and ends it with the test.
func (s *system) startCoreDNS(name string) {
	s.Helper()
	s.kubectl(name, "", "apply", "-f", filepath.Join(root, "deploy/coredns-rbac.yaml"))
	kubeconfig, corefile := filepath.Join(s.dir, "coredns.kubeconfig"), filepath.Join(s.dir, "Corefile")
	m := s.members[name]
	if err := m.AccountKubeconfig(s.Context(), "kube-system", "coredns", m.Server(), kubeconfig); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(corefile, fmt.Appendf(nil, memberCorefile, dnsHost, kubeconfig), 0o600); err != nil {
		s.Fatal(err)
	}
	log := filepath.Join(s.dir, "coredns.log")
	env := append(os.Environ(), "NODE_NAME=node-1")
	p, err := proc.Start("CoreDNS", log, env, programs.CoreDNS(), "-conf", corefile)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		if s.Failed() {
			s.Logf("CoreDNS logged:\n%s", proc.Tail(log, 30))
		}
		if err := p.Stop(20 * time.Second); err != nil {
			s.Error(err)
		}
	})
}

// becomesSRV waits until CoreDNS answers this for the port of nginx: the rcode, SRV records, and the addresses beside
// them.
func (s *system) becomesSRV(want string) {
	s.Helper()
	client, server := &dns.Client{Timeout: 2 * time.Second}, net.JoinHostPort(dnsHost, "53")
	proc.Eventually(s, time.Minute, func() error {
		m := new(dns.Msg).SetQuestion("_http._tcp."+plainName, dns.TypeSRV)
		r, _, err := client.ExchangeContext(s.Context(), m, server)
		if err != nil {
			return err
		}
		parts := []string{dns.RcodeToString[r.Rcode]}
		for _, rr := range append(r.Answer, r.Extra...) {
			switch rr := rr.(type) {
			case *dns.SRV:
				parts = append(parts, fmt.Sprintf("SRV %d %s", rr.Port, rr.Target))
			case *dns.A:
				parts = append(parts, "A "+rr.A.String())
			}
		}
		if got := strings.Join(parts, "; "); got != want {
			return fmt.Errorf("answered %q, want %q", got, want)
		}
		return nil
	})
}

// setPort gives a member's Service another number for its only port.
func (s *system) setPort(name, service string, port int) {
	s.Helper()
	s.kubectl(name, "", "patch", "service", service, "--type=json", "-p",
		fmt.Sprintf(`[{"op": "replace", "path": "/spec/ports/0/port", "value": %d}]`, port))
}
