package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/display"
)

func TestStatusNoProvider(t *testing.T) {
	t.Run("M7 the status says that there is no DNS provider", func(t *testing.T) {
		var out strings.Builder
		err := printStatus(&out, &admin.Status{Federations: []admin.FederationStatus{{
			Name: "fed", Domain: "example.com", State: "writing",
			FederationProvider: admin.FederationProvider{NoProvider: true}}}})
		const want = "federation fed in example.com: writing; no DNS provider: the mirrors are the only outlet\n"
		if err != nil || !strings.HasPrefix(out.String(), want) {
			t.Errorf("%v\n%s", err, out.String())
		}
	})
}

func TestStatusWidth(t *testing.T) {
	var many []string
	for i := range 16 {
		many = append(many, fmt.Sprintf("192.0.2.%d", i+1))
	}
	for name, c := range map[string]struct {
		addresses []string
		want      string
	}{
		"one":       {many[:1], "192.0.2.1"},
		"two":       {many[:2], "192.0.2.1,+1"},
		"two short": {[]string{"10.0.0.1", "10.0.0.2"}, "10.0.0.1,+1"},
		"what fits": {[]string{"::1", "::2", "::3"}, "::1,::2,::3"},
		"sixteen":   {many, "192.0.2.1,+15"},
		"one that long": {[]string{"2001:db8:1111:2222:3333:4444:5555:6666", "192.0.2.1"},
			"2001:db8:1111:2222:3333:4444:5555:6666,+1"},
		"none": {nil, ""},
	} {
		if got := (display.Options{}).Some(c.addresses); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	var out strings.Builder
	err := printStatus(&out, &admin.Status{Federations: []admin.FederationStatus{{
		Name: "fed", Domain: "example.com", State: "writing",
		Services: []admin.ServiceStatus{{Name: "default/nginx", Shards: []admin.ShardStatus{
			{Member: "us-central1", Healthy: true, Addresses: many, ReadyEndpoints: 3},
			{Member: "b", Addresses: many[:1], Reason: "NoReadyEndpoints"},
		}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if len(strings.TrimRight(line, "\n")) > 80 {
			t.Errorf("wider than 80 columns:\n%s", line)
		}
	}
}
