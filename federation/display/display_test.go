package display

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/explain"
)

func TestVersionsFit(t *testing.T) {
	for _, c := range []struct {
		a, b string
		fit  bool
	}{
		{"v0.1.0", "v0.2.7", true},
		{"0.1.0", "v0.3.0", false},
		{"v1.9.0", "v2.0.0", false},
		{"v1.10.0", "v1.9.3-4-gabc", true},
		{"unknown", "v1.0.0", true},
		{"v1.0.0", "", true},
	} {
		if got := VersionsFit(c.a, c.b); got != c.fit {
			t.Errorf("V10 %s and %s: %t", c.a, c.b, got)
		}
	}
}

func TestColors(t *testing.T) {
	status := &admin.Status{Federations: []admin.FederationStatus{{Name: "fed", Domain: "example.com", State: "writing",
		Members: []admin.MemberStatus{{Name: "a", Status: "present"}, {Name: "b", Status: "unreachable"}}}}}
	var plain, colored strings.Builder
	Clusters(&plain, status, Options{Now: time.Unix(0, 0)})
	Clusters(&colored, status, Options{Now: time.Unix(0, 0), Color: true})
	t.Run("V2 no colours unless they are asked for", func(t *testing.T) {
		if strings.Contains(plain.String(), "\x1b") {
			t.Errorf("%q", plain.String())
		}
	})
	t.Run("V2 colours take no column", func(t *testing.T) {
		bare := regexp.MustCompile("\x1b\\[[0-9]+m").ReplaceAllString(colored.String(), "")
		if bare != plain.String() || bare == colored.String() {
			t.Errorf("got\n%q\nwant\n%q", bare, plain.String())
		}
	})
}

func TestServiceState(t *testing.T) {
	shard := []admin.ShardStatus{{Member: "a", Healthy: true}}
	set := admin.RRsetStatus{Name: "x.", Type: "A", Data: []string{"192.0.2.1"}}
	up := admin.RRsetStatus{Name: "x.", Type: "CNAME", Data: []string{"y."}}
	for want, s := range map[string]admin.ServiceStatus{
		"published":   {Records: []admin.RRsetStatus{set, up}},
		"unpublished": {},
		"empty":       {Records: []admin.RRsetStatus{up}}, // P3b: CNAMEs that lead to nothing
		"held":        {Records: []admin.RRsetStatus{set}, Held: []admin.HeldStatus{{Member: "a"}}},
		"changing":    {Coming: []admin.RRsetStatus{set}},
		"refused":     {Refused: []admin.RefusedStatus{{Name: "x."}}},
	} {
		s.Name, s.Shards = "shop/cart", shard
		var out strings.Builder
		Services(&out, []explain.Found{{Federation: &admin.FederationStatus{}, Service: &s}}, Options{})
		if !strings.Contains(out.String(), " "+want+" ") {
			t.Errorf("V4 %s:\n%s", want, out.String())
		}
	}
}
