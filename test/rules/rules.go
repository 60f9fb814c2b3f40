// Package rules reads the rules of the project, which docs/rules.md defines,
// and finds where they are cited.
package rules

import "regexp"

// id is the form of a rule's id.
const id = `(?:CK|[NHPQOXCSMWKGJVBIU])[0-9]+[a-z]?`

var (
	definition = regexp.MustCompile(`(?m)^\s*- \*\*(` + id + `)\*\* `)
	citation   = regexp.MustCompile(`\b` + id + `\b`)
	// testName is the beginning of a string that names a test.
	testName = regexp.MustCompile("[\"`]((?:" + id + "(?:, | and | ))+)")
	// notRules are words of the same form: elliptic curves, versions of an API.
	notRules = map[string]bool{"P256": true, "P384": true, "P521": true, "V1": true}
)

// Defined returns the ids that the text of docs/rules.md defines, each with the
// number of its definitions.
func Defined(text string) map[string]int {
	ids := map[string]int{}
	for _, m := range definition.FindAllStringSubmatch(text, -1) {
		ids[m[1]]++
	}
	return ids
}

// Cited returns the ids that the text cites, in order, with repetitions.
func Cited(text string) []string {
	var ids []string
	for _, at := range citation.FindAllStringIndex(text, -1) {
		id := text[at[0]:at[1]]
		if notRules[id] {
			continue
		}
		ids = append(ids, id)
	}
	return ids
}

// Named returns the ids that the names of tests in Go source begin with.
func Named(source string) []string {
	var ids []string
	for _, m := range testName.FindAllStringSubmatch(source, -1) {
		ids = append(ids, Cited(m[1])...)
	}
	return ids
}

// Parents returns the rules among ids that have lettered clauses.
func Parents(ids map[string]int) map[string]bool {
	parents := map[string]bool{}
	for id := range ids {
		if last := id[len(id)-1]; last >= 'a' && last <= 'z' {
			parents[id[:len(id)-1]] = true
		}
	}
	return parents
}
