package syncer

import (
	"fmt"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/member"
)

func TestStatusInParts(t *testing.T) {
	t.Run("C1 the status of many services is asked for in parts, between which the loop goes on", func(t *testing.T) {
		s, ctx := newSyncer(t)
		s.Apply(ctx, configOf(t, "127.0.0.1:1", ""))
		const n = 3000
		shards := map[member.ShardKey]member.Shard{}
		for i := range n {
			name := federation.ServiceName{Namespace: "ns", Name: fmt.Sprintf("s%d", i)}
			shards[member.ShardKey{Federation: "fed", Service: name}] = member.Shard{}
		}
		s.events <- member.ListEvent{Member: "a", Shards: shards, Topology: federation.Member{Name: "a"}}
		l := s.loops.all()[0]
		for end := time.Now().Add(20 * time.Second); ; {
			known := 0
			l.ask(ctx, func() { known = len(l.services) })
			if known == n {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%d services are known", known)
			}
		}
		parts := 0
		status, ok := statusInParts(func(f func()) bool { parts++; return l.ask(ctx, f) }, l, 0)
		if !ok || len(status.Services) != n {
			t.Fatalf("%t, %d services", ok, len(status.Services))
		}
		if parts < n {
			t.Errorf("%d parts", parts)
		}
		var whole admin.FederationStatus
		l.ask(ctx, func() { whole = l.status(true) })
		if len(whole.Services) != n || whole.Services[0].Name != status.Services[0].Name || whole.Services[n-1].Name != status.Services[n-1].Name {
			t.Error("not the same services in the same order")
		}
	})
}
