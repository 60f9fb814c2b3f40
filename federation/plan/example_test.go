package plan_test

import (
	"fmt"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
)

// The only shard of a region fails: the region's name switches to a CNAME, and global, which it leads to, has been
// written first.
func ExampleDiff() {
	current := []federation.RRset{
		{Name: "nginx.ns.fed.svc.us-east1.example.com.", Type: federation.TypeA, TTL: 180,
			Data: []string{"203.0.113.4"}},
	}
	desired := []federation.RRset{
		{Name: "nginx.ns.fed.svc.us-east1.example.com.", Type: federation.TypeCNAME, TTL: 180,
			Data: []string{"nginx.ns.fed.svc.example.com."}},
		{Name: "nginx.ns.fed.svc.example.com.", Type: federation.TypeA, TTL: 180, Data: []string{"203.0.113.1"}},
	}
	for _, c := range plan.Diff(current, desired) {
		fmt.Printf("%s: %d RRsets -> %d\n", c.Name, len(c.From), len(c.To))
	}
	// Output:
	// nginx.ns.fed.svc.example.com.: 0 RRsets -> 1
	// nginx.ns.fed.svc.us-east1.example.com.: 1 RRsets -> 1
}

func ExampleApply() {
	current := []federation.RRset{{Name: "www.example.com.", Type: federation.TypeA, TTL: 180,
		Data: []string{"192.0.2.1"}}}
	stale := plan.Change{
		Name: "www.example.com.",
		From: []federation.RRset{{Name: "www.example.com.", Type: federation.TypeA, TTL: 180,
			Data: []string{"192.0.2.7"}}},
	}
	_, err := plan.Apply(current, []plan.Change{stale})
	fmt.Println(err)
	// Output: change of "www.example.com.": the name does not have the expected RRsets
}
