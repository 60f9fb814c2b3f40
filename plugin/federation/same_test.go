package federation

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"pgregory.net/rapid"
)

// TestSameAsKubernetes holds Q6 against the real thing: whatever a healthy
// Service is, and whatever is asked of it, the answer for the federated name is
// the kubernetes plugin's for the plain one, under the asked owner name.
func TestSameAsKubernetes(t *testing.T) {
	t.Run("Q6 the answer is the kubernetes plugin's", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			c := newCluster()
			drawService(rt, c)
			f := newPlugin(t, c, newRecords(t), usualKubernetes, usualFederation)
			prefix := rapid.SampledFrom([]string{"", "", "", "", "_http._tcp.", "_none._udp.", "host-0.", "172-0-0-1.", "none."}).Draw(rt, "prefix")
			qtype := rapid.SampledFrom([]uint16{dns.TypeA, dns.TypeA, dns.TypeAAAA, dns.TypeAAAA, dns.TypeSRV, dns.TypeTXT, dns.TypeMX, dns.TypeNS,
				dns.TypeSOA, dns.TypeDS, dns.TypeANY, dns.TypeCNAME, dns.TypeHTTPS, dns.TypePTR}).Draw(rt, "type")
			plain := ask(t, f, prefix+"drawn.ns.svc.cluster.local.", qtype)
			federated := ask(t, f, prefix+"drawn.ns.myfed.svc.cluster.local.", qtype)
			if d := cmp.Diff(whole(plain), strings.ReplaceAll(whole(federated), ".ns.myfed.svc.", ".ns.svc.")); d != "" {
				rt.Errorf("%s%s (-plain +federated):\n%s", prefix, dns.TypeToString[qtype], d)
			}
			for _, rr := range federated.Answer {
				if rr.Header().Name == prefix+"drawn.ns.svc.cluster.local." {
					rt.Errorf("an answer of the delegated name: %s", rr)
				}
			}
		})
	})
}

// drawService adds a Service drawn.ns that is healthy.
func drawService(t *rapid.T, c *cluster) {
	var ips []string
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		ips = []string{"10.9.0.1"}
	case 1:
		ips = []string{"10.9.0.1", "fd09::1"}
	case 2:
		ips = []string{"fd09::1"}
	case 3:
		ips = []string{"None"}
	}
	c.service("drawn.ns", ips...)
	n := rapid.IntRange(1, 3).Draw(t, "slices")
	for i := range n {
		var addrs []string
		for j := range rapid.SampledFrom([]int{1, 2, 20}).Draw(t, "endpoints") {
			a := fmt.Sprintf("172.0.%d.%d", rapid.IntRange(0, 1).Draw(t, "net"), j+1) // doubles are meant
			if rapid.IntRange(0, 3).Draw(t, "family") == 0 {
				a = fmt.Sprintf("fd01::%d:%d", i, j+1)
			}
			if rapid.IntRange(0, 9).Draw(t, "mapped") == 0 {
				a = fmt.Sprintf("::ffff:172.0.3.%d", j+1)
			}
			if rapid.Bool().Draw(t, "named") {
				a = fmt.Sprintf("host-%d=%s", j, a)
			}
			addrs = append(addrs, a)
		}
		c.slice("drawn.ns", addrs...)
	}
}

// whole is all of a reply but its id and question.
func whole(m *dns.Msg) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s aa=%t tc=%t rd=%t\n", dns.RcodeToString[m.Rcode], m.Authoritative, m.Truncated, m.RecursionDesired)
	for i, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range section {
			fmt.Fprintf(&b, "%s: %s\n", []string{"answer", "authority", "additional"}[i], rr)
		}
	}
	return b.String()
}
