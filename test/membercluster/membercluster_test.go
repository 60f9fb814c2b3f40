package membercluster

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

// object returns a MemberCluster with its Secret, whose kubeconfig is text.
func object(name, text, spec string) string {
	return secret(name, text) + fmt.Sprintf(`---
apiVersion: federation-dns.io/v1alpha1
kind: MemberCluster
metadata: {name: %s}
spec: {kubeconfigSecret: {name: member-%s}, topology: {region: eu, zones: [%s]}%s}
`, name, name, name, spec)
}

func secret(name, text string) string {
	return fmt.Sprintf(`---
apiVersion: v1
kind: Secret
metadata: {name: member-%s, namespace: %s}
data: {kubeconfig: %s}
`, name, namespace, base64.StdEncoding.EncodeToString([]byte(text)))
}

// ready returns what the condition Ready of a member says: status, reason and message.
func (s *system) ready(name string) (status, reason, message string) {
	s.Helper()
	out := s.kubectl("", "get", "mc", name, "-o",
		`jsonpath={range .status.conditions[?(@.type=="Ready")]}{.status}|{.reason}|{.message}{end}`)
	parts := strings.SplitN(out+"||", "|", 3)
	return parts[0], parts[1], strings.TrimSuffix(parts[2], "||")
}

// become waits until a member's reason is that, with a message that contains the words, and returns the message.
func (s *system) become(within time.Duration, name, want, words string) {
	s.Helper()
	eventually(s, within, func() error {
		status, reason, message := s.ready(name)
		if reason != want || !strings.Contains(message, words) {
			return fmt.Errorf("%s is %s %s %q, want %s %q", name, status, reason, message, want, words)
		}
		return nil
	})
}

// addresses returns the global records of nginx.shop at the provider.
func (s *system) addresses() []string {
	var found []string
	for _, set := range s.cloud.RRsets(zoneID) {
		if set.Name == "nginx.shop.fed.svc.example.com." && set.Type == "A" {
			found = append(found, set.Data...)
		}
	}
	return found
}

func TestMemberCluster(t *testing.T) {
	s := newSystem(t)
	m := startMembers(t)
	for _, name := range []string{"a", "b", "c", "d"} {
		m.add(name)
	}
	r := s.run("syncer", `[]`)
	t.Run("K1 without the kind everything is as before, and it is said once", func(t *testing.T) {
		s := s.in(t)
		eventually(t, 30*time.Second, func() error {
			if log := r.log(); !strings.Contains(log, "apply deploy/crds") || !strings.Contains(log, "it writes") {
				return fmt.Errorf("the log is\n%s", log)
			}
			return nil
		})
		s.installCRD()
	})
	t.Run("K1 a member from an object is a member", func(t *testing.T) {
		s := s.in(t)
		s.kubectl(object("a", m.kubeconfig("a", "token-1"), ""), "apply", "-f", "-")
		s.become(60*time.Second, "a", "Ready", "")
		t.Logf("%v\n%s", s.addresses(), s.kubectl("", "get", "mc"))
	})
}
