package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/federation-dns/federation/test/patch"
)

// mutant is one wrong change of one declaration.
type mutant struct {
	clause, what string
	path         string   // of the package or file, from the module's root
	decl         string   // the declaration in the package; empty for a file
	packages     []string // whose tests are run
	from, to     string   // from stands in the declaration exactly once
}

// catalog is what the text files hold.
type catalog struct {
	clauses []string // that must have a mutant each
	mutants []mutant
}

// readMutants reads the text files of the folder.
func readMutants(dir string) (catalog, error) {
	var all catalog
	names, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return all, err
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return all, err
		}
		c, err := parse(string(text))
		if err != nil {
			return all, fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
		all.clauses = append(all.clauses, c.clauses...)
		all.mutants = append(all.mutants, c.mutants...)
	}
	for _, clause := range all.clauses {
		if !slices.ContainsFunc(all.mutants, func(m mutant) bool { return m.clause == clause }) {
			return all, fmt.Errorf("clause %s has no change", clause)
		}
	}
	return all, nil
}

var header = regexp.MustCompile(`^([A-Z]+[0-9]+[a-z]?) (\S.*)$`)

// parse reads the format that clauses.txt describes in its first lines.
func parse(text string) (catalog, error) {
	var f catalog
	for n, block := range blocks(text) {
		if words, ok := strings.CutPrefix(block[0], "clauses "); ok {
			f.clauses = append(f.clauses, strings.Fields(words)...)
			continue
		}
		m, err := parseMutant(block)
		if err != nil {
			return f, fmt.Errorf("block %d (%q): %w", n+1, block[0], err)
		}
		f.mutants = append(f.mutants, m)
	}
	return f, nil
}

// blocks are the runs of lines without an empty one between them, comments
// left out.
func blocks(text string) [][]string {
	var out [][]string
	var block []string
	for line := range strings.SplitSeq(text+"\n\n", "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
		case line != "":
			block = append(block, line)
		case len(block) > 0:
			out = append(out, block)
			block = nil
		}
	}
	return out
}

func parseMutant(block []string) (mutant, error) {
	var m mutant
	head := header.FindStringSubmatch(block[0])
	if head == nil || len(block) < 4 {
		return m, fmt.Errorf("want a clause and what is wrong, a package and a declaration, and lines with - and +")
	}
	m.clause, m.what = head[1], head[2]
	words := strings.Fields(block[1])
	m.path, words = words[0], words[1:]
	dir := m.path
	if path.Ext(m.path) != "" {
		dir = path.Dir(m.path)
	} else if len(words) > 0 {
		m.decl, words = words[0], words[1:]
	}
	if m.packages = words; len(words) == 0 {
		m.packages = []string{"./" + dir}
	}
	for _, p := range m.packages {
		if !strings.HasPrefix(p, "./") {
			return m, fmt.Errorf("the package of the tests %q: ./DIR is wanted", p)
		}
	}
	var from, to []string
	for _, line := range block[2:] {
		switch line[0] {
		case '-':
			from = append(from, line[1:])
		case '+':
			to = append(to, line[1:])
		default:
			return m, fmt.Errorf("line %q begins with neither - nor +", line)
		}
	}
	if len(from) == 0 {
		return m, fmt.Errorf("no line with -")
	}
	m.from, m.to = strings.Join(from, "\n"), strings.Join(to, "\n")
	return m, nil
}

// apply returns the file with the change.
func (m mutant) apply(root string) (patch.Files, error) {
	files := patch.Files{}
	return files, files.Apply(root, patch.Change{Path: m.path, Decl: m.decl, From: m.from, To: m.to})
}

// holds reports whether a test of that name is one of the clause: a word of the
// clause begins its name or that of a subtest on the way.
func (m mutant) holds(test string) bool {
	return regexp.MustCompile(`(^|/)` + m.clause + `([^0-9a-z]|$)`).MatchString(test)
}
