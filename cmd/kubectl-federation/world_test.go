package main

import (
	"bytes"
	"context"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
)

// start is when the world of the tests is looked at.
var start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func ago(d time.Duration) time.Time { return start.Add(-d) }

// testService is a service of the world: its shards, with what the rule makes of them.
type testService struct {
	name   string
	shards []admin.ShardStatus
	held   []admin.HeldStatus
}

func testConfig() *admin.ConfigStatus {
	return &admin.ConfigStatus{Path: "/etc/federation-syncer/config.yaml", SHA256: "0", Since: ago(49 * time.Hour)}
}

func testMembers() []federation.Member {
	return []federation.Member{
		{Name: "gce-asia-east1", Region: "asia-east1", Zones: []federation.Label{"asia-east1-a"}},
		{Name: "gce-europe-west1", Region: "europe-west1",
			Zones: []federation.Label{"europe-west1-b", "europe-west1-c"}},
		{Name: "gce-us-central1", Region: "us-central1", Zones: []federation.Label{"us-central1-a"}},
		{Name: "onprem-fra", Region: "fra"},
	}
}

func testLevels() *federation.Levels {
	core := federation.Federation{Name: "myfederation", Domain: "example.com.", Naming: federation.Flat}
	return federation.NewLevels(core, testMembers(), federation.PublishOptions{})
}

// testStatus is a federation of four members: Asia has no healthy shard of nginx, and one member is unreachable.
func testStatus() *admin.Status {
	members, levels := testMembers(), testLevels()
	contact := ago(3 * time.Second)
	f := admin.FederationStatus{Name: "myfederation", Domain: "example.com", Naming: "flat", State: "writing"}
	for _, m := range members {
		st := admin.MemberStatus{Name: m.Name, Status: "present", Since: ago(49 * time.Hour), Version: "v1.37.2",
			MemberContact: admin.MemberContact{LastContact: &contact, Reachable: true},
			Region:        string(m.Region), Shards: 3, Healthy: 2}
		for _, z := range m.Zones {
			st.Zones = append(st.Zones, string(z))
		}
		f.Members = append(f.Members, st)
	}
	f.Members[2].Object = true
	lost, failed := ago(95*time.Second), ago(124*time.Second)
	f.Members[3].Status, f.Members[3].Since, f.Members[3].LastContact = "unreachable", ago(45*time.Second), &lost
	f.Members[3].Reachable, f.Members[3].Error = false, "dial tcp 203.0.113.9:6443: i/o timeout"
	for _, lv := range levels.All() {
		f.Levels = append(f.Levels, admin.LevelStatus{
			Name: string(lv.Name), Kind: string(lv.Kind), Members: lv.Members,
		})
	}
	for _, s := range []testService{
		{"mynamespace/nginx", []admin.ShardStatus{
			{Member: "gce-asia-east1", Addresses: []string{"203.0.113.30"}, Reason: "NoReadyEndpoints",
				Since: &failed},
			{Member: "gce-europe-west1", Healthy: true, Addresses: []string{"203.0.113.20"}, ReadyEndpoints: 3},
			{Member: "gce-us-central1", Healthy: true, Addresses: []string{"203.0.113.10", "2001:db8::10"},
				ReadyEndpoints: 3},
		}, nil},
		{"shop/cart", []admin.ShardStatus{
			{Member: "onprem-fra", Healthy: true, Addresses: []string{"203.0.113.40"}, ReadyEndpoints: 1},
		}, []admin.HeldStatus{{Member: "onprem-fra", Reason: "MemberUnreachable", Since: ago(45 * time.Second)}}},
		{"shop/pay", []admin.ShardStatus{{Member: "gce-us-central1", Reason: "NoAddress", ReadyEndpoints: 2}}, nil},
	} {
		f.Services = append(f.Services, s.status(levels, false))
	}
	f.Problems = []admin.ProblemStatus{{Member: "gce-us-central1", Service: "shop/pay", Reason: "AddressRefused",
		Detail: "address 10.0.0.7 is private, and in none of the member's addressCIDRs"}}
	f.Waiting = []admin.Waiting{{Federation: "myfederation", Domain: "example.com.", Namespace: "shop", Service: "old",
		Empties: true, Names: 3}, {Federation: "myfederation", Domain: "example.com.", Member: "eks-us-east-1",
		Services: 1, Names: 4, Emptied: []string{"shop/old"}}}
	return &admin.Status{Version: "v0.1.0", Config: testConfig(),
		Federations: []admin.FederationStatus{f}}
}

// testMirrors is the world with mirrors: the last change has not reached the zone, one mirror is refused, and one is in
// the member that is unreachable.
func testMirrors() *admin.Status {
	status := testStatus()
	f := &status.Federations[0]
	renewed, before := ago(2*time.Second), ago(47*time.Second)
	f.Members[0].Mirror = &admin.MirrorStatus{Fresh: true, Renewed: &renewed, Services: 3}
	f.Members[1].Mirror = f.Members[0].Mirror
	f.Members[2].Mirror = &admin.MirrorStatus{Reason: "MirrorRefused", Detail: "the syncer may not keep a mirror in " +
		"the namespace federation-mirror of the member: apply deploy/member-mirror-rbac.yaml there"}
	f.Members[3].Mirror = &admin.MirrorStatus{Renewed: &before, Services: 3}
	nginx := &f.Services[0]
	now := testService{name: nginx.Name, shards: slices.Clone(nginx.Shards)}
	now.shards[1].Healthy = false // what the zone does not know
	nginx.Mirror = &admin.ServiceMirror{Records: now.status(testLevels(), true).Records}
	nginx.Ports = []admin.PortStatus{{Name: "http", Protocol: "tcp", Port: 80}}
	return status
}

func (s testService) status(levels *federation.Levels, had bool) admin.ServiceStatus {
	st := admin.ServiceStatus{Name: s.name, Shards: s.shards, Held: s.held}
	namespace, name, _ := strings.Cut(s.name, "/")
	var shards []federation.Shard
	for _, sh := range s.shards {
		shard := federation.Shard{Member: sh.Member, Healthy: sh.Healthy}
		for _, a := range sh.Addresses {
			shard.Addresses = append(shard.Addresses, netip.MustParseAddr(a))
		}
		slices.SortFunc(shard.Addresses, netip.Addr.Compare)
		shards = append(shards, shard)
	}
	for _, x := range levels.Explain(federation.ServiceName{Namespace: namespace, Name: name}, shards, had) {
		st.Records = append(st.Records, admin.RRsetStatus{Name: string(x.Name), Type: x.Type, TTL: x.TTL, Data: x.Data,
			Reason: string(x.Reason), Members: x.Members})
	}
	return st
}

// fakeSyncer serves a status, and notes what is confirmed.
type fakeSyncer struct {
	status    func() *admin.Status
	confirmed chan []admin.Waiting
}

func (f *fakeSyncer) Status(context.Context, bool) (admin.Status, error) { return *f.status(), nil }

func (f *fakeSyncer) StatusIf(_ context.Context, a admin.Assumption) (admin.Status, error) {
	status := f.status()
	status.If = &a
	for i := range status.Federations[0].Services {
		assume(&status.Federations[0], &status.Federations[0].Services[i], a)
	}
	return *status, nil
}

// assume makes what would follow the service's Coming, as the syncer does.
func assume(f *admin.FederationStatus, s *admin.ServiceStatus, a admin.Assumption) {
	then := testService{name: s.Name, shards: slices.Clone(s.Shards)}
	for i := range then.shards {
		then.shards[i].Healthy = then.shards[i].Healthy && (!a.Drained || then.shards[i].Member != a.Member)
	}
	s.Coming = then.status(testLevels(), len(s.Records) > 0).Records
	kept := func(x admin.RRsetStatus) func(admin.RRsetStatus) bool {
		return func(y admin.RRsetStatus) bool {
			return x.Name == y.Name && x.Type == y.Type && slices.Equal(x.Data, y.Data)
		}
	}
	for i, r := range s.Records {
		if j := slices.IndexFunc(s.Coming, kept(r)); j >= 0 {
			s.Coming = slices.Delete(s.Coming, j, j+1)
		} else {
			s.Records[i].Reason, s.Records[i].Members = "Changing", nil
		}
	}
}

func (f *fakeSyncer) Waiting(context.Context) ([]admin.Waiting, error) {
	return f.status().Federations[0].Waiting, nil
}

func (f *fakeSyncer) Confirm(_ context.Context, list []admin.Waiting) (int, error) {
	f.confirmed <- list
	return len(list), nil
}

// serve serves the syncer on a socket, and returns its path.
func serve(t *testing.T, f *fakeSyncer) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "admin.sock")
	l, err := admin.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	server := admin.NewServer(admin.Handler(f))
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-done })
	return socket
}

// run runs the program, and returns what it prints and its error.
func run(ctx context.Context, stdin string, args ...string) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	cmd := rootCommand("kubectl federation", func() time.Time { return start })
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	err = cmd.ExecuteContext(ctx)
	return out.String(), errs.String(), err
}
