package federation_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/federation-dns/federation/federation"
)

// levelText prints what there is to know of each level, one a line.
func levelText(levels []federation.Level) string {
	var b strings.Builder
	for _, lv := range levels {
		fmt.Fprintf(&b, "%s %s region=%s zone=%s up=%s members=%s", lv.Kind, lv.Name, lv.Region, lv.Zone, lv.Up,
			strings.Join(lv.Members, ","))
		if lv.Conflict {
			b.WriteString(" conflict")
		}
		if lv.Foreign {
			b.WriteString(" foreign")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestLevels(t *testing.T) {
	for _, tt := range []struct {
		id   string
		in   string
		want string
	}{
		{"N2 topology zones, regions, global", `federation myfederation example.com
			member two us-east1 us-east1-b
			member one us-central1 us-central1-b us-central1-a`,
			`topology-zone us-central1-a.example.com. region=us-central1 zone=us-central1-a up=us-central1.example.com. members=one
topology-zone us-central1-b.example.com. region=us-central1 zone=us-central1-b up=us-central1.example.com. members=one
topology-zone us-east1-b.example.com. region=us-east1 zone=us-east1-b up=us-east1.example.com. members=two
region us-central1.example.com. region=us-central1 zone= up=example.com. members=one
region us-east1.example.com. region=us-east1 zone= up=example.com. members=two
global example.com. region= zone= up= members=one,two
`},
		{"N3 nested, and a topology zone without a region", `federation myfederation example.com nested
			member one us-central1 a
			member two - a`,
			`topology-zone a.us-central1.example.com. region=us-central1 zone=a up=us-central1.example.com. members=one
region us-central1.example.com. region=us-central1 zone= up=example.com. members=one
global example.com. region= zone= up= members=one,two
`},
		{"N5 a topology zone named like its own region", `federation myfederation example.com
			member one paris paris
			member two paris paris-2`,
			`topology-zone paris-2.example.com. region=paris zone=paris-2 up=paris.example.com. members=two
region paris.example.com. region=paris zone= up=example.com. members=one,two
global example.com. region= zone= up= members=one,two
`},
		{"N5 conflicts count as topology zones without a region", `federation myfederation example.com
			member one east east-1
			member two west east`,
			`topology-zone east-1.example.com. region=east zone=east-1 up=example.com. members=one
topology-zone east.example.com. region= zone=east up=example.com. members=one,two conflict
region west.example.com. region=west zone= up=example.com. members=two
global example.com. region= zone= up= members=one,two
`},
		{"O1c a foreign region is passed over", `federation myfederation example.com
			foreign east.example.com
			member one east east-1`,
			`topology-zone east-1.example.com. region=east zone=east-1 up=example.com. members=one
region east.example.com. region=east zone= up=example.com. members=one foreign
global example.com. region= zone= up= members=one
`},
		{"H6 a topology zone that is listed twice counts once", `federation myfederation example.com
			member one - a a`,
			`topology-zone a.example.com. region= zone=a up=example.com. members=one
global example.com. region= zone= up= members=one
`},
		{"N2 no members", `federation myfederation example.com`, "global example.com. region= zone= up= members=\n"},
	} {
		t.Run(tt.id, func(t *testing.T) {
			c := parseCase(t, tt.in)
			if diff := cmp.Diff(tt.want, levelText(c.levels().All())); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("N5 nested has no conflicts", rapid.MakeCheck(func(t *rapid.T) {
		c := drawCase(t)
		c.federation.Naming = federation.Nested
		levels := c.levels()
		for _, lv := range levels.All() {
			if lv.Conflict {
				t.Fatalf("level %q has a conflict", lv.Name)
			}
		}
		if p := levels.Problems(); len(p) > 0 {
			t.Fatalf("problems %v", p)
		}
	}))
	t.Run("N5 flat keeps all other levels of a member", rapid.MakeCheck(func(t *rapid.T) {
		c := drawCase(t)
		levels := c.levels()
		for _, m := range c.members {
			at := map[federation.FQDN]bool{}
			for _, lv := range levels.MemberLevels(m.Name) {
				at[lv.Name] = true
			}
			for _, z := range append([]federation.Label{""}, m.Zones...) {
				for _, name := range c.federation.Path(federation.Topology{Region: m.Region, Zone: z}) {
					if !at[name] {
						t.Fatalf("member %q does not stand at %q", m.Name, name)
					}
				}
			}
		}
	}))
	t.Run("N5 problems name each conflict once", func(t *testing.T) {
		c := parseCase(t, `federation myfederation example.com
			member one east a
			member two west a east
			member three west a`)
		if got := len(c.levels().Problems()); got != 2 {
			t.Errorf("got %v, want one for a and one for east", c.levels().Problems())
		}
	})
	t.Run("Of an unknown member", func(t *testing.T) {
		if got := parseCase(t, "federation myfederation example.com").levels().MemberLevels("nobody"); got != nil {
			t.Errorf("got %v", got)
		}
	})
}
