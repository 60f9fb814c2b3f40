package membercluster

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/federation-dns/federation/test/programs"
)

// TestDrain runs kubectl-federation against a real API server, the real syncer, and a DNS server of the zone.
func TestDrain(t *testing.T) {
	s, m := newSystem(t), startMembers(t)
	s.installCRD()
	for _, name := range []string{"m1", "m2"} {
		m.add(name)
		s.apply(object(name, m.kubeconfig(name, "token-1")))
	}
	r := s.run("syncer", "[]")
	s.becomes("m1", "True Ready", "")
	s.becomes("m2", "True Ready", "")
	cli := func(t *testing.T, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), programs.Kubectl(), append(args, "--query", s.cloud.DNS,
			"--socket", filepath.Join(r.dir, "admin.sock"), "--kubeconfig", s.host.Kubeconfig(), "--timeout", "30s")...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	says := func(t *testing.T, out string, lines ...string) {
		t.Helper()
		for _, line := range lines {
			if !strings.Contains(out, line) {
				t.Errorf("it does not say %q:\n%s", line, out)
			}
		}
	}
	t.Run("V7 a service with another shard moves there", func(t *testing.T) {
		says(t, cli(t, "drain", "m1", "--yes"), "203.0.113.2,+1  203.0.113.3",
			"1 service loses a shard; each has another.",
			"1 of 1 services have their new records", "RRsets agree\ndrained m1\n")
		s.in(t).becomes("m1", "False Drained", "")
	})
	t.Run("V7 what has no other shard has no address", func(t *testing.T) {
		says(t, cli(t, "drain", "m2", "--yes"), "1 service loses a shard; 1 has no other: nginx.shop.",
			"1 of 1 services have their new records", "drained m2\n")
	})
	t.Run("V7 uncordon is the way back, and again it changes nothing", func(t *testing.T) {
		says(t, cli(t, "uncordon", "m1", "--yes"), "1 service gets a shard again.", "uncordoned m1\n")
		before := s.kubectl("", "get", "mc", "m1", "-o", "jsonpath={.metadata.generation}")
		says(t, cli(t, "uncordon", "m1", "--yes"), "spec.drain is false already", "uncordoned m1\n")
		if after := s.kubectl("", "get", "mc", "m1", "-o", "jsonpath={.metadata.generation}"); after != before {
			t.Errorf("generation %s, was %s", after, before)
		}
		says(t, cli(t, "uncordon", "m2", "--yes"), "uncordoned m2\n")
	})
}
