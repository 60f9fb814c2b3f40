package mirror

import (
	"hash/fnv"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/federation-dns/federation/federation"
)

var id = IdentityOf(federation.Federation{Name: "myfederation", Domain: "example.com."})

func service() Service {
	return Service{
		Namespace: "mynamespace", Name: "nginx",
		Levels: []Level{
			{Level: "us-central1-a.example.com.", TTL: 60, Up: "us-central1.example.com."},
			{Level: "us-central1.example.com.", TTL: 60, Host: "lb.example.net.", Members: []string{"a"}},
			{Level: "example.com.", TTL: 60, Addresses: []Address{
				{netip.MustParseAddr("203.0.113.10"), []string{"a", "b"}},
				{netip.MustParseAddr("2001:db8::10"), []string{"b"}},
			}},
		},
		Ports: []Port{{Name: "http", Protocol: "tcp", Port: 80}},
	}
}

func TestForm(t *testing.T) {
	t.Run("M2 a heartbeat is read as it was written", func(t *testing.T) {
		want := &Heartbeat{
			Format: Format, Identity: id, Member: "a", Owner: "fed", Generation: 3, Set: "x",
			Buckets: []BucketState{{"h", true}}, Starts: []Start{{"r", "z"}, {}}, StaleUntil: time.Unix(1e9, 0).UTC(),
			Snapshot: 7,
		}
		got, err := DecodeHeartbeat(want.Encode())
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("-want +got:\n%s%v", diff, err)
		}
	})
	t.Run("M2 a bucket is read as it was written", func(t *testing.T) {
		h, one, other := Header{Format: Format, Identity: id, Owner: "fed", Set: "x", Count: 1}, service(), service()
		other.Name = "a"
		data := EncodeBucket(h, []string{one.Line(), other.Line()})
		gotHeader, got, err := DecodeBucket(data)
		diff := cmp.Diff([]Service{other, one}, got, cmpopts.EquateComparable(netip.Addr{}))
		if diff += cmp.Diff(h, gotHeader); diff != "" || err != nil {
			t.Errorf("-want +got:\n%s%v", diff, err)
		}
	})
	t.Run("M2 a service's bucket is the same in every version, and found without an allocation", func(t *testing.T) {
		svc := federation.ServiceName{Namespace: "mynamespace", Name: "nginx"}
		h := fnv.New64a()
		h.Write([]byte("set\x00mynamespace/nginx"))
		want := int((h.Sum64() ^ h.Sum64()>>32) % 64)
		if got := BucketOf("set", 64, svc); got != want {
			t.Errorf("bucket %d, want %d", got, want)
		}
		if n := testing.AllocsPerRun(100, func() { _ = BucketOf("set", 64, svc) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
	t.Run("M5 H3a an address that is never published is refused", func(t *testing.T) {
		h, s := Header{Format: Format, Identity: id, Count: 1}, service()
		s.Levels[2].Addresses[0].Address = netip.MustParseAddr("127.0.0.1")
		if _, _, err := DecodeBucket(EncodeBucket(h, []string{s.Line()})); err == nil {
			t.Error("it is taken")
		}
	})
	t.Run("M9 a port that no Service has is refused", func(t *testing.T) {
		for _, bad := range []Port{{"http", "TCP", 80}, {"a.b", "tcp", 80}, {"http", "tcp", 0}, {"", "tcp", 80}} {
			h, s := Header{Format: Format, Identity: id, Count: 1}, service()
			s.Ports[0] = bad
			if _, _, err := DecodeBucket(EncodeBucket(h, []string{s.Line()})); err == nil {
				t.Errorf("%+v is taken", bad)
			}
		}
	})
	t.Run("M1 a whole mirror is read, without what cannot be", func(t *testing.T) {
		b := Heartbeat{Format: Format, Identity: id, Member: "a", Owner: "fed", Set: "x",
			Buckets: []BucketState{{}, {}, {}, {}}}
		h, s := Header{Format: Format, Identity: id, Owner: "fed", Set: "x", Count: 4}, service()
		other := h
		other.Set = "y" // of a set before
		objects := map[string]map[string]string{
			id.HeartbeatName(): b.Encode(), id.BucketName(1, 4): {servicesKey: "junk"},
			id.BucketName(0, 4): EncodeBucket(h, []string{s.Line()}),
			id.BucketName(2, 4): EncodeBucket(other, []string{s.Line()}),
		}
		got := ReadContents(id, objects)
		if got == nil || len(got.Services) != 1 || got.Services[0].Name != s.Name || got.Heartbeat.Member != "a" {
			t.Errorf("%+v", got)
		}
		delete(objects, id.HeartbeatName())
		if got := ReadContents(id, objects); got != nil {
			t.Errorf("without a heartbeat: %+v", got)
		}
	})
	t.Run("M4 the hash follows the data", func(t *testing.T) {
		s, h := service(), Header{Format: Format, Identity: id, Count: 1}
		data, same := EncodeBucket(h, []string{s.Line()}), EncodeBucket(h, []string{s.Line()})
		if Hash(data) != Hash(same) {
			t.Error("equal data, two hashes")
		}
		data[servicesKey] += " "
		if Hash(data) == Hash(same) {
			t.Error("other data, the same hash")
		}
	})
}
