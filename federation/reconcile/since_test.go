package reconcile

import (
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/member"
)

func TestSince(t *testing.T) {
	bubble(t, "V4 a shard's reason has the time since when it is seen, whatever else changes", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(time.Minute)
		failed := time.Now()
		shard := member.Shard{Shard: federation.Shard{Member: "a"}, Reason: federation.ReasonNoReadyEndpoints}
		w.members["a"].change(web, &shard)
		w.after(time.Minute)
		w.set("b", web, false)
		w.after(time.Minute)
		s := w.status().Services[0].Shards
		if s[0].Since == nil || s[0].Since.Sub(failed).Abs() > time.Second || s[2].Since != nil {
			t.Errorf("a since %v, want %v; c since %v, want none", s[0].Since, failed, s[2].Since)
		}
	})
}
