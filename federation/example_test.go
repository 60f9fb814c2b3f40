package federation_test

import (
	"fmt"
	"net/netip"

	"github.com/federation-dns/federation/federation"
)

// The service of the package's documentation: the shard in Europe is not healthy, so its topology zone is a CNAME to
// its region, and the region one to global. The reasons say so.
func Example() {
	f := federation.Federation{Name: "myfederation", Domain: "example.com.", Naming: federation.Flat}
	levels := federation.NewLevels(f, []federation.Member{
		{Name: "gce-europe-west1", Region: "europe-west1", Zones: []federation.Label{"europe-west1-b"}},
		{Name: "gce-us-east1", Region: "us-east1", Zones: []federation.Label{"us-east1-b"}},
	}, federation.PublishOptions{})

	nginx := federation.ServiceName{Namespace: "mynamespace", Name: "nginx"}
	shards := []federation.Shard{
		{Member: "gce-europe-west1", Healthy: false, Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.2")}},
		{Member: "gce-us-east1", Healthy: true, Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.4")}},
	}
	sets, _ := levels.RRsets(nginx, shards, true)
	for _, set := range sets {
		fmt.Print(set)
	}
	fmt.Println()
	for _, set := range levels.Explain(nginx, shards, true) {
		_, level, _ := f.ParseOwner(set.Name)
		fmt.Println(level, set.Reason, set.Members)
	}
	// Output:
	// nginx.mynamespace.myfederation.svc.europe-west1-b.example.com. 180 IN CNAME nginx.mynamespace.myfederation.svc.europe-west1.example.com.
	// nginx.mynamespace.myfederation.svc.europe-west1.example.com. 180 IN CNAME nginx.mynamespace.myfederation.svc.example.com.
	// nginx.mynamespace.myfederation.svc.example.com. 180 IN A 203.0.113.4
	// nginx.mynamespace.myfederation.svc.us-east1-b.example.com. 180 IN A 203.0.113.4
	// nginx.mynamespace.myfederation.svc.us-east1.example.com. 180 IN A 203.0.113.4
	//
	// europe-west1-b.example.com. NoHealthyShard []
	// europe-west1.example.com. NoHealthyShard []
	// example.com. HealthyShards [gce-us-east1]
	// us-east1-b.example.com. HealthyShards [gce-us-east1]
	// us-east1.example.com. HealthyShards [gce-us-east1]
}

func ExampleLevels_All() {
	f := federation.Federation{Name: "myfederation", Domain: "example.com.", Naming: federation.Nested}
	levels := federation.NewLevels(f, []federation.Member{
		{Name: "gce-us-east1", Region: "us-east1", Zones: []federation.Label{"us-east1-b", "us-east1-c"}},
	}, federation.PublishOptions{})
	for _, lv := range levels.All() {
		fmt.Printf("%s %s leads to %q\n", lv.Kind, lv.Name, lv.Up)
	}
	// Output:
	// topology-zone us-east1-b.us-east1.example.com. leads to "us-east1.example.com."
	// topology-zone us-east1-c.us-east1.example.com. leads to "us-east1.example.com."
	// region us-east1.example.com. leads to "example.com."
	// global example.com. leads to ""
}

func ExampleFederation_ParseOwner() {
	f := federation.Federation{Name: "myfederation", Domain: "example.com.", Naming: federation.Flat}
	fmt.Println(f.ParseOwner("nginx.mynamespace.myfederation.svc.us-east1.example.com."))
	fmt.Println(f.ParseOwner("www.example.com."))
	// Output:
	// mynamespace/nginx us-east1.example.com. true
	// /  false
}

func ExampleFederation_Path() {
	f := federation.Federation{Name: "myfederation", Domain: "example.com.", Naming: federation.Flat}
	fmt.Println(f.Path(federation.Topology{Region: "us-east1", Zone: "us-east1-b"}))
	// Output: [us-east1-b.example.com. us-east1.example.com. example.com.]
}

func ExampleClaim() {
	f := federation.Federation{Name: "myfederation", Domain: "example.com.", Naming: federation.Flat}
	claim := federation.Claim{Owner: "syncer-eu", Generation: 7, Federation: f.Name, Naming: f.Naming}
	fmt.Print(claim.RRset(f.ClaimName(f.Domain)))
	// Output:
	// _claim.myfederation.svc.example.com. 60 IN TXT "heritage=federation-dns" "version=1" "owner=syncer-eu" "generation=7" "federation=myfederation" "naming=flat"
}
