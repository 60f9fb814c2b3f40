package member

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/federation-dns/federation/federation"
)

func TestOutage(t *testing.T) {
	// run has a healthy shard, and an API server that is away for 2 s and then as f leaves it: too short for the member
	// to be lost.
	run := func(name string, f func(*bench, func(func(*api)))) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, healthyAPI(), testConfig(), nil)
				b.list(time.Second)
				f(b, func(change func(*api)) {
					b.api.fault(func(a *api) { a.down = true })
					b.after(2 * time.Second)
					b.api.fault(func(a *api) { change(a); a.down = false })
				})
			})
		})
	}
	run("X2b restored from a backup: what was there then, and what happens from then on",
		func(b *bench, away func(func(*api))) {
			restore := b.api.backup()
			b.api.set(slice(nginx, "a", 0))
			for range 1000 { // resource versions that the backup does not know
				b.api.set(node("n2", "us-central1", "us-central1-a"))
			}
			b.after(time.Second)
			away(restore)
			equal(b.T, "healthy", b.list(10 * time.Second).Shards[nginxKey].Healthy, true)
			b.api.remove(balanced(nginx))
			equal(b.T, "shard", b.shard(time.Second, nginxKey), (*Shard)(nil))
		})
	run("X2b another cluster: its Nodes are not those of before", func(b *bench, away func(func(*api))) {
		other := newAPI()
		other.set(node("m1", "europe-west1", "europe-west1-b"))
		swap := other.backup()
		away(func(a *api) { swap(a); a.uid = "another" })
		l := b.list(10 * time.Second)
		equal(b.T, "uid", l.ClusterUID, "another")
		equal(b.T, "shards", len(l.Shards), 0)
		equal(b.T, "zones", l.Topology, federation.Member{
			Name: "gce", Region: "europe-west1", Zones: []federation.Label{"europe-west1-b"},
		})
	})
	run("X2b the same as before: one list, and no other event", func(b *bench, away func(func(*api))) {
		away(func(*api) {})
		equal(b.T, "healthy", b.list(10 * time.Second).Shards[nginxKey].Healthy, true)
		equal(b.T, "lists", b.api.listsOf("services"), 2)
		equal(b.T, "events", len(b.after(time.Hour)), 0)
	})
	run("X2b no list asks for a resource version", func(b *bench, away func(func(*api))) {
		b.api.fault(func(a *api) { a.refuse["watch"] = 410 })
		b.after(15 * time.Minute) // the watches end, and have expired
		equal(b.T, "resource versions", b.api.asked, map[string]bool{"": true})
	})
}
