package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/federation-dns/federation/test/chaos/schedule"
)

// bug is a planted one.
type bug struct {
	name string
	// favour are the classes of faults that there are, all if it is empty; finds
	// are the kinds of violations that show the bug.
	favour, finds []string
	changes       []change
}

// change is one change of a file: from stands in it exactly once.
type change struct{ file, from, to string }

// parse reads the format that bugs.txt describes in its first lines.
func parse(text string) (bugs []bug, err error) {
	var block []string
	for line := range strings.SplitSeq(text+"\n\n", "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
		case line != "":
			block = append(block, line)
		case len(block) > 0:
			b, err := parseBug(block)
			if err != nil {
				return nil, fmt.Errorf("bug %q: %w", block[0], err)
			}
			bugs = append(bugs, b)
			block = nil
		}
	}
	return bugs, nil
}

func parseBug(block []string) (bug, error) {
	b := bug{name: block[0]}
	for _, line := range block[1:] {
		last := len(b.changes) - 1
		switch word, rest, _ := strings.Cut(line, " "); {
		case word == "favour":
			b.favour = strings.Fields(rest)
		case word == "finds":
			b.finds = strings.Fields(rest)
		case word == "file":
			b.changes = append(b.changes, change{file: rest})
		case line[0] == '-' && last >= 0:
			b.changes[last].from += line[1:] + "\n"
		case line[0] == '+' && last >= 0:
			b.changes[last].to += line[1:] + "\n"
		default:
			return b, fmt.Errorf("line %q is none of favour, finds, file, -, +", line)
		}
	}
	for _, class := range b.favour {
		if !slices.Contains(schedule.Classes, schedule.Class(class)) {
			return b, fmt.Errorf("favour %q: allowed are %v", class, schedule.Classes)
		}
	}
	if len(b.finds) == 0 || len(b.changes) == 0 {
		return b, fmt.Errorf("want finds, and a file with lines that begin with - and +")
	}
	for i := range b.changes {
		c := &b.changes[i]
		c.from, c.to = strings.TrimSuffix(c.from, "\n"), strings.TrimSuffix(c.to, "\n")
	}
	return b, nil
}

// apply makes the change in the text of its file.
func (c change) apply(text string) (string, error) {
	if n := strings.Count(text, c.from); c.from == "" || n != 1 {
		return "", fmt.Errorf("%s: the text to change stands there %d times, want once: %q", c.file, n, c.from)
	}
	return strings.Replace(text, c.from, c.to, 1), nil
}

// build builds the syncer with the bug, in dir, which it makes.
func (b bug) build(ctx context.Context, dir string) (string, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	replace := map[string]string{}
	for i, c := range b.changes {
		original, err := filepath.Abs(c.file)
		if err != nil {
			return "", err
		}
		source := original
		if replace[original] != "" {
			source = replace[original] // changed already
		}
		text, err := os.ReadFile(source)
		if err != nil {
			return "", err
		}
		changed, err := c.apply(string(text))
		if err != nil {
			return "", err
		}
		replace[original] = filepath.Join(dir, fmt.Sprintf("%d-%s", i, filepath.Base(c.file)))
		if err := os.WriteFile(replace[original], []byte(changed), 0o644); err != nil {
			return "", err
		}
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay, syncer := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "federation-syncer")
	if err := os.WriteFile(overlay, list, 0o644); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-overlay="+overlay, "-o", syncer, "./cmd/federation-syncer")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("it does not compile: %w: %s", err, out)
	}
	return syncer, nil
}
