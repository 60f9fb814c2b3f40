package main

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

// mutant is one wrong change of one file.
type mutant struct {
	clause, what string
	file         string   // from the module's root
	packages     []string // whose tests are run
	from, to     string   // from stands in the file exactly once
}

// file is what mutants.txt holds.
type file struct {
	clauses []string // that must have a mutant each
	mutants []mutant
}

func readMutants(name string) (file, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return file{}, err
	}
	f, err := parse(string(text))
	if err != nil {
		return f, fmt.Errorf("%s: %w", path.Base(name), err)
	}
	return f, nil
}

var header = regexp.MustCompile(`^([A-Z][0-9]+[a-z]?) (\S.*)$`)

// parse reads the format that mutants.txt describes in its first lines.
func parse(text string) (file, error) {
	var f file
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
	for _, c := range f.clauses {
		if !slices.ContainsFunc(f.mutants, func(m mutant) bool { return m.clause == c }) {
			return f, fmt.Errorf("clause %s has no change", c)
		}
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
		return m, fmt.Errorf("want a clause and what is wrong, a file, and lines with - and +")
	}
	m.clause, m.what = head[1], head[2]
	words := strings.Fields(block[1])
	m.file, m.packages = words[0], words[1:]
	if len(m.packages) == 0 {
		m.packages = []string{"./" + path.Dir(m.file)}
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

// apply makes the change in the text of the file.
func (m mutant) apply(text string) (string, error) {
	if n := strings.Count(text, m.from); n != 1 {
		return "", fmt.Errorf("%s: the text to change stands there %d times, want once: %q", m.file, n, m.from)
	}
	return strings.Replace(text, m.from, m.to, 1), nil
}

// holds reports whether a test of that name is one of the clause: a word of the
// clause begins its name or that of a subtest on the way.
func (m mutant) holds(test string) bool {
	return regexp.MustCompile(`(^|/)` + m.clause + `([^0-9a-z]|$)`).MatchString(test)
}
