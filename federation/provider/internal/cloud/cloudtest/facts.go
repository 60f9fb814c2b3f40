package cloudtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/federation-dns/federation/federation"
)

// Fact is a change of RRsets and its outcome, which the provider takes for granted of the service. The same facts are
// tested against the fake and, with the tag live, against a real account.
type Fact struct {
	Name string
	// Before is in the zone, as "NAME TYPE TTL DATA...". Names are below a suffix unless they end with a dot.
	Before []string
	// Change has the same lines with "+" (addition) or "-" (deletion) before them.
	Change []string
	// Refusal is the service's error; "" is none. Text is in its message.
	Refusal, Text string
	// After is what is in the zone then.
	After []string
}

// FactZone is a zone for facts.
type FactZone interface {
	// Apply sends the lines in one request.
	Apply(ctx context.Context, lines ...string) error
	// All returns all RRsets below the suffix. Data is in the form of the API.
	All(t testing.TB) []federation.RRset
	// Clear deletes them.
	Clear(t testing.TB)
	// Suffix of all names.
	Suffix() string
	// Refused checks the service's error: its code, and a part of its message; "" is no error.
	Refused(t testing.TB, err error, refusal, text string)
}

// Facts tests the facts in the zone.
func Facts(t *testing.T, z FactZone, facts []Fact) {
	for _, tt := range facts {
		t.Run(tt.Name, func(t *testing.T) {
			defer z.Clear(t)
			var additions []string
			for _, line := range tt.Before {
				additions = append(additions, "+"+line)
			}
			if len(additions) > 0 {
				if err := z.Apply(t.Context(), additions...); err != nil {
					t.Fatal(err)
				}
			}
			z.Refused(t, z.Apply(t.Context(), tt.Change...), tt.Refusal, tt.Text)
			want := slices.Sorted(slices.Values(tt.After))
			var got []string
			for _, set := range z.All(t) {
				data := strings.Join(slices.Sorted(slices.Values(set.Data)), " ")
				label := strings.TrimSuffix(string(set.Name), "."+z.Suffix())
				got = append(got, fmt.Sprintf("%s %s %d %s", label, set.Type, set.TTL, data))
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("then there is %q, want %q", got, want)
			}
		})
	}
}

// ParseLine returns the RRset of a line of a Fact.
func ParseLine(line, suffix string) federation.RRset {
	words := strings.SplitN(line, " ", 4)
	set := federation.RRset{Name: federation.FQDN(words[0]), Type: words[1], Data: []string{words[3]}}
	if !strings.HasSuffix(words[0], ".") {
		set.Name = federation.FQDN(words[0] + "." + suffix)
	}
	fmt.Sscan(words[2], &set.TTL)
	if set.Type != "TXT" {
		set.Data = strings.Fields(words[3])
	}
	return set
}

// Many returns that many lines, each with its number for %d.
func Many(format string, count int) (lines []string) {
	for i := range count {
		lines = append(lines, strings.ReplaceAll(format, "%d", fmt.Sprint(i)))
	}
	return lines
}
