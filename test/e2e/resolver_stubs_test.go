package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/scenario"
	stubs "github.com/federation-dns/federation/test/stub"
	"github.com/federation-dns/federation/test/world"
	"github.com/federation-dns/federation/test/world/outside"
)

// stub is a stub resolver: a program of test/stub, compiled, behind a tap.
type stub struct {
	name string
	argv func(family, name string) []string
	tap  *outside.Tap
	// later is what a program is told when it may try again, never when there
	// is no such name.
	later, never string
	// The documented limits: cutShort takes what is in a truncated answer,
	// forgets the failure of one name when the next of the search path does not
	// exist.
	cutShort, forgets bool
}

// newStubs compiles the programs and puts a tap before the DNS server for
// each. What is compiled needs nothing from the network.
func newStubs(t *testing.T, w *scenario.Play) []*stub {
	t.Helper()
	resolvers := compileStubs(t, filepath.Join(w.Dir(), "stub"))
	const unknownHost = "UnknownHostException: "
	all := []*stub{
		{later: "EAI_AGAIN", never: "EAI_NONAME"},
		{later: "EAI_AGAIN", never: "EAI_NONAME", cutShort: isOldMusl(t)},
		{later: "server misbehaving, temporary", never: "no such host", forgets: true},
		{later: unknownHost + "Temporary failure in name resolution", never: unknownHost + "Name or service not known"},
	}
	for i, s := range all {
		s.name, s.argv = resolvers[i].Name, resolvers[i].Lookup
		var err error
		if s.tap, err = outside.NewTap(w.World, scenario.Central,
			netip.AddrFrom4([4]byte{192, 0, 2, byte(11 + i)})); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.tap.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return all
}

// compileStubs compiles the programs of all resolvers into a folder.
func compileStubs(t *testing.T, dir string) []stubs.Resolver {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	resolvers, err := stubs.Compile(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	return resolvers
}

// find returns the path of a program that a Debian package has.
func find(t *testing.T, debianPackage, name string) string {
	t.Helper()
	path, err := proc.Find(debianPackage, name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var muslVersion = regexp.MustCompile(`(?m)^Version (\d+)\.(\d+)\.(\d+)`)

// isOldMusl reports whether musl is older than 1.2.4: it does not ask again
// over TCP, and knows no EAI_NODATA.
func isOldMusl(t *testing.T) bool {
	t.Helper()
	loaders, _ := filepath.Glob("/lib/ld-musl-*.so.1") // the pattern is good
	if len(loaders) == 0 {
		t.Fatal("there is no /lib/ld-musl-*.so.1: install the Debian package musl-tools")
	}
	out, _ := exec.Command(loaders[0]).CombinedOutput() // it prints its version, and how to use it, as an error
	v := muslVersion.FindStringSubmatch(string(out))
	if v == nil {
		t.Fatalf("%s does not say its version: %s", loaders[0], out)
	}
	t.Logf("musl %s", strings.Join(v[1:], "."))
	return fmt.Sprintf("%03s.%03s.%03s", v[1], v[2], v[3]) < "001.002.004"
}

// takesWhatIsThere is the limit of musl before 1.2.4: of a truncated answer it
// takes what is there, which is right as far as it goes.
func takesWhatIsThere(l lookup, o outcome) bool {
	cut := slices.ContainsFunc(o.exchanges, func(x outside.Exchange) bool { return x.Truncated && x.Octets <= 512 })
	known := !slices.ContainsFunc(o.addrs, func(a netip.Addr) bool { return !slices.Contains(l.want, a) })
	return cut && known && len(o.addrs) > 0 && len(o.addrs) < len(l.want)
}

// The Services that only these lookups need. local4 is in no other cluster and
// not federated; remote4 and sixteen are not in the cluster that asks.
const (
	inFederation = world.Namespace + "." + world.FederationName

	local4Service = `{apiVersion: v1, kind: Service, metadata: {name: local4, namespace: mynamespace}, spec: {
  clusterIP: 10.103.0.84, ipFamilies: [IPv4], ipFamilyPolicy: SingleStack, selector: {app: nginx},
  ports: [{port: 80}]}}`
	// foreignService has a load balancer that is not ours to run: we give it
	// its addresses.
	foreignService = `{apiVersion: v1, kind: Service,
  metadata: {name: %s, namespace: mynamespace, labels: {federation-dns.io/federation: myfederation}},
  spec: {type: LoadBalancer, loadBalancerClass: example.com/foreign, selector: {app: nginx}, ports: [{port: 80}]}}`
)

var (
	local4Addr  = []netip.Addr{netip.MustParseAddr("10.103.0.84")}
	remote4Addr = []netip.Addr{netip.MustParseAddr("198.51.100.100")}
	sixteen4    = successive("198.51.100.128", 16)
	sixteen6    = successive("2001:db8:0:16::1", 16)
)

func successive(first string, n int) []netip.Addr {
	addrs := []netip.Addr{netip.MustParseAddr(first)}
	for len(addrs) < n {
		addrs = append(addrs, addrs[len(addrs)-1].Next())
	}
	return addrs
}

// serveForLookups creates the Services. A shard has at most 16 addresses (H3d):
// those of sixteen are two, one with IPv4 and one with IPv6.
func serveForLookups(t *testing.T, w *scenario.Play) {
	t.Helper()
	asia, europe := w.Member("gce-asia-east1"), w.Member("gce-europe-west1")
	kubectl(t, w.Member(scenario.Central), local4Service, "apply", "-f", "-")
	serveForeign(t, asia, "remote4", remote4Addr)
	serveForeign(t, asia, "sixteen", sixteen4)
	serveForeign(t, europe, "sixteen", sixteen6)
	global := "." + inFederation + ".svc." + world.Domain + "."
	eventually(t, w, func(s *seen) error {
		four, _ := s.records.Find("sixteen"+global, "A")
		six, _ := s.records.Find("sixteen"+global, "AAAA")
		remote, _ := s.records.Find("remote4"+global, "A")
		if len(four.Data) == 16 && len(six.Data) == 16 && len(remote.Data) == 1 {
			return nil
		}
		return fmt.Errorf("the Services are not yet published:\n%s", s.records)
	})
}

func serveForeign(t *testing.T, m *world.Member, name string, addrs []netip.Addr) {
	t.Helper()
	var ingress []string
	for _, a := range addrs {
		ingress = append(ingress, fmt.Sprintf(`{"ip":%q}`, a))
	}
	kubectl(t, m, fmt.Sprintf(foreignService, name), "apply", "-f", "-")
	kubectl(t, m, "", "patch", "service", name, "--namespace", world.Namespace, "--subresource", "status",
		"--type", "merge", "--patch", `{"status":{"loadBalancer":{"ingress":[`+strings.Join(ingress, ",")+`]}}}`)
}

func stopServingForLookups(t *testing.T, w *scenario.Play) {
	t.Helper()
	kubectl(t, w.Member(scenario.Central), "", "delete", "service", "local4", "--namespace", world.Namespace)
	kubectl(t, w.Member("gce-asia-east1"), "", "delete", "service", "remote4", "sixteen", "--namespace",
		world.Namespace)
	kubectl(t, w.Member("gce-europe-west1"), "", "delete", "service", "sixteen", "--namespace", world.Namespace)
	eventually(t, w, func(s *seen) error { return onlyWalkThrough(s.records) })
}

// onlyWalkThrough expects the records of the walk-through, all healthy.
func onlyWalkThrough(records world.Table) error {
	if want := scenario.ExpectedTable("all"); records.String() != want.String() {
		return fmt.Errorf("there are other records than those of the walk-through:\n%s", records)
	}
	return nil
}
