package mirror

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/test/fakecloud"
	"github.com/federation-dns/federation/test/proc"
)

const (
	bothHealthy = "eu-a.example.com 203.0.113.1(a); eu.example.com 203.0.113.1(a) 203.0.113.2(b); " +
		"example.com 203.0.113.1(a) 203.0.113.2(b)"
	onlyB = "eu-a.example.com ^eu.example.com; eu.example.com 203.0.113.2(b); example.com 203.0.113.2(b)"
	onlyA = "eu-a.example.com 203.0.113.1(a); eu.example.com 203.0.113.1(a); example.com 203.0.113.1(a)"
)

func TestMirror(t *testing.T) {
	s := newSystem(t)
	s.start()
	t.Run("M8 without the right there is no mirror, and the reason has the remedy", func(t *testing.T) {
		proc.Eventually(t, time.Minute, func() error {
			if !strings.Contains(s.log(), "MirrorRefused") || !strings.Contains(s.log(), "member-mirror-rbac.yaml") {
				return fmt.Errorf("the log does not say so")
			}
			return nil
		})
	})
	s.grant("a")
	t.Run("M10 with exactly the shipped rights the mirror is kept", func(t *testing.T) {
		s := s.in(t)
		s.becomes(90*time.Second, "a", nginx, bothHealthy)
	})
	t.Run("M1 a slice change in one member is told in the other", func(t *testing.T) {
		s := s.in(t)
		s.setReady("b", nginx.Name, false)
		s.becomes(5*time.Second, "a", nginx, onlyA)
		s.setReady("b", nginx.Name, true)
		s.setReady("a", nginx.Name, false)
		s.becomes(5*time.Second, "a", nginx, onlyB)
		s.setReady("a", nginx.Name, true)
		s.becomes(5*time.Second, "a", nginx, bothHealthy)
	})
	t.Run("M9 the name of a port is answered where the service is another member's", func(t *testing.T) {
		s := s.in(t)
		s.startCoreDNS("a")
		s.setReady("a", nginx.Name, false)
		s.becomesSRV("NOERROR; SRV 80 " + plainName + "; A 203.0.113.2")
		s.setPort("b", nginx.Name, 8080) // they differ: the name is gone, and the log says why
		s.becomesSRV("NXDOMAIN")
		if want := "http (tcp) is 80 in a, 8080 in b"; !strings.Contains(s.log(), "reason=ServicePorts") ||
			!strings.Contains(s.log(), want) {
			t.Errorf("the log does not say %q", want)
		}
		s.setPort("a", nginx.Name, 8080)
		s.becomesSRV("NOERROR; SRV 8080 " + plainName + "; A 203.0.113.2")
		s.setReady("a", nginx.Name, true)
		s.becomes(30*time.Second, "a", nginx, bothHealthy)
	})
	t.Run("M4 the heartbeat is renewed, and only a change is", func(t *testing.T) {
		s := s.in(t)
		first, err := s.heartbeat("a")
		if err != nil {
			t.Fatal(err)
		}
		proc.Eventually(t, 12*time.Second, func() error {
			next, err := s.heartbeat("a")
			if err == nil && next.Snapshot < first.Snapshot+2 {
				err = fmt.Errorf("number %d after %d", next.Snapshot, first.Snapshot)
			}
			return err
		})
	})
	t.Run("M3 what is edited by hand, or deleted, is written again and reported", func(t *testing.T) {
		s := s.in(t)
		bucket := id.BucketName(0, 1)
		s.kubectl("a", "", "-n", "federation-mirror", "patch", "cm", bucket, "--type=merge", "-p",
			`{"data": {"services": ""}}`)
		s.becomes(10*time.Second, "a", nginx, bothHealthy)
		s.kubectl("a", "", "-n", "federation-mirror", "delete", "cm", bucket, id.HeartbeatName())
		s.becomes(10*time.Second, "a", nginx, bothHealthy)
		for _, what := range []string{"was edited", "was deleted"} {
			if !strings.Contains(s.log(), what) {
				t.Errorf("the log does not say %q", what)
			}
		}
	})
	t.Run("M4 with the provider down the mirror is told what happens", func(t *testing.T) {
		s := s.in(t)
		s.cloud.SetFaults(fakecloud.Faults{Fate: func(fakecloud.Request) fakecloud.Fate {
			return fakecloud.Fate{Status: 503, Code: "ServiceUnavailable"}
		}})
		s.setReady("a", nginx.Name, false)
		s.becomes(5*time.Second, "a", nginx, onlyB)
		s.setReady("a", nginx.Name, true)
		s.becomes(5*time.Second, "a", nginx, bothHealthy)
	})
	t.Run("M1 a start without the provider goes on from what the mirror says", func(t *testing.T) {
		s := s.in(t)
		s.setReady("a", nginx.Name, false)
		s.becomes(30*time.Second, "a", nginx, onlyB)
		s.stop()
		s.members["b"].Kill()
		before, err := s.heartbeat("a")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		s.run()
		proc.Eventually(t, 2*time.Minute, func() error {
			is, err := s.told("a", nginx)
			if err != nil {
				return err
			}
			if have := describe(is); !strings.HasSuffix(have, "; example.com 203.0.113.2(b)") {
				t.Fatalf("told %q: the address of a member that has not been listed is gone", have)
			}
			now, err := s.heartbeat("a")
			if err == nil && now.Snapshot == before.Snapshot {
				err = fmt.Errorf("the mirror is not kept again")
			}
			return err
		})
		t.Logf("kept again after %v, of which the member that cannot be reached was waited for %v",
			time.Since(began).Round(time.Millisecond), startupTimeout)
		if after, err := s.heartbeat("a"); err != nil || after.Generation <= before.Generation {
			t.Errorf("generation %d after %d, error %v", after.Generation, before.Generation, err)
		}
		s.setReady("a", nginx.Name, true)
		s.becomes(30*time.Second, "a", nginx, onlyA)
	})
	t.Run("M8 a member that leaves has no mirror any more", func(t *testing.T) {
		s := s.in(t)
		s.configure("b")
		proc.Eventually(t, 20*time.Second, func() error {
			if have := s.kubectl("a", "", "-n", "federation-mirror", "get", "cm", "-o", "name", "-l",
				"federation-dns.io/mirror"); have != "" {
				return fmt.Errorf("it still has %q", have)
			}
			return nil
		})
	})
}
