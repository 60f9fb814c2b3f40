// Package texts collects what the checks say of a federation in which something is wrong, for docs/checks.md.
package texts

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/test/docs"
)

// Seen are the texts that tests have provoked, each once.
type Seen map[string]string

// Add adds a text, with "..." for what is different each time, unless it is that of a check that passes. More says what
// comes with it; it may be "".
func (s Seen) Add(id string, outcome check.Outcome, text, more string) {
	if outcome == check.OK {
		return
	}
	s[id+" "+text] = fmt.Sprintf("`%s` %s: `%s`%s", id, outcome, text, more)
}

// Table returns the texts as a list of Markdown, in order.
func (s Seen) Table() string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(s)) {
		b.WriteString(docs.ListItem(s[key]))
	}
	return b.String()
}

// InUnitTests compares the part of docs/checks.md that says which texts only the unit tests of a package of checks
// provoke, or writes it.
func (s Seen) InUnitTests(t *testing.T, pkg string, update bool) {
	t.Helper()
	if !t.Failed() {
		docs.CheckGenerated(t, "../../../docs/checks.md", "federation/check/"+pkg, update,
			map[string]string{pkg + "-texts": s.Table()})
	}
}

// Like reports whether the text is like the pattern, in which "..." stands for anything.
func Like(text, pattern string) bool {
	parts := strings.Split(regexp.QuoteMeta(pattern), regexp.QuoteMeta("..."))
	return regexp.MustCompile("(?s)^" + strings.Join(parts, ".*") + "$").MatchString(text)
}
