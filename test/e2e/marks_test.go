package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	// What each start of the syncer changes in the main claim.
	generation = regexp.MustCompile(`generation=\d+`)
	instance   = regexp.MustCompile(` "instance=\w+"`)
	// ofListing is what a level's listing says besides the list of earlier releases.
	ofListing = regexp.MustCompile(`^\S+\._levels\.|"owner=[^"]*" | "p=[^"]*"`)
)

// comparable returns the lines of a zone without what each start of the syncer
// raises, and with the list of levels in the form of earlier releases only: the
// one RRset that is kept, which the listings of the levels must equal (O1b).
func comparable(lines []string) []string {
	var out, former, listings []string
	for _, line := range lines {
		name, _, _ := strings.Cut(line, " ")
		switch {
		case strings.Contains(name, "._levels."):
			listings = append(listings, ofListing.ReplaceAllStringFunc(line, func(m string) string {
				if strings.HasSuffix(m, "._levels.") {
					return "_levels."
				}
				return ""
			}))
		case strings.HasPrefix(name, "_levels."):
			former = append(former, line)
			out = append(out, line)
		default:
			out = append(out, instance.ReplaceAllString(generation.ReplaceAllString(line, "generation=N"), ""))
		}
	}
	slices.Sort(former)
	slices.Sort(listings)
	if !slices.Equal(former, listings) {
		out = append(out, fmt.Sprintf("the listings of the levels are not the list of earlier releases: %q, want %q",
			listings, former))
	}
	return out
}
