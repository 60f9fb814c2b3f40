package main

import (
	"context"
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/federation-dns/federation/test/chaos/schedule"
	"github.com/federation-dns/federation/test/chaos/stage"
	"github.com/federation-dns/federation/test/patch"
)

// bug is a planted one.
type bug struct {
	name string
	// favour are the classes of faults that there are, all if it is empty; finds
	// are the kinds of violations that show the bug.
	favour, finds []string
	hosts         string // "" for those by default
	// services has TestChaos of test/federatedservice find it, with faults of its own, and not chaos.
	services bool
	changes  []patch.Change
}

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
		case word == "hosts":
			b.hosts = rest
		case word == "federatedservices" && rest == "":
			b.services = true
		case word == "at":
			where, decl, _ := strings.Cut(rest, " ")
			if (path.Ext(where) == "") != (decl != "") {
				return b, fmt.Errorf("line %q: want a package and a declaration, or a file", line)
			}
			b.changes = append(b.changes, patch.Change{Path: where, Decl: decl})
		case line[0] == '-' && last >= 0:
			b.changes[last].From += line[1:] + "\n"
		case line[0] == '+' && last >= 0:
			b.changes[last].To += line[1:] + "\n"
		default:
			return b, fmt.Errorf("line %q is none of favour, finds, hosts, federatedservices, at, -, +", line)
		}
	}
	for _, class := range b.favour {
		if !b.services && !slices.Contains(schedule.Classes, schedule.Class(class)) {
			return b, fmt.Errorf("favour %q: allowed are %v", class, schedule.Classes)
		}
	}
	if b.hosts != "" {
		if _, err := stage.ParseHosts(b.hosts); err != nil {
			return b, err
		}
	}
	if len(b.finds) == 0 || len(b.changes) == 0 {
		return b, fmt.Errorf("want finds, and a place with lines that begin with - and +")
	}
	for i := range b.changes {
		c := &b.changes[i]
		c.From, c.To = strings.TrimSuffix(c.From, "\n"), strings.TrimSuffix(c.To, "\n")
	}
	return b, nil
}

// files are those that the bug changes, with its changes.
func (b bug) files(root string) (patch.Files, error) {
	files := patch.Files{}
	for _, c := range b.changes {
		if err := files.Apply(root, c); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// programs are those that chaos tests, by the flag that names another one.
var programs = []string{"coredns", "syncer"}

// concerns reports whether the bug is in a program.
func (b bug) concerns(program string) bool {
	return slices.ContainsFunc(b.changes, func(c patch.Change) bool {
		return strings.HasPrefix(c.Path, "plugin/") == (program == "coredns")
	})
}

// build builds the programs that have the bug, in dir, which it makes, and returns the flags with which chaos takes
// them.
func (b bug) build(ctx context.Context, dir string) (flags []string, err error) {
	files, err := b.files(".")
	if err != nil {
		return nil, err
	}
	overlay, err := files.Overlay(".", dir)
	if err != nil {
		return nil, err
	}
	for _, program := range programs {
		if !b.concerns(program) {
			continue
		}
		command := map[string]string{"coredns": "coredns", "syncer": "federation-syncer"}[program]
		path := filepath.Join(dir, command)
		cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-overlay="+overlay, "-o", path,
			"./cmd/"+command)
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("it does not compile: %w: %s", err, out)
		}
		flags = append(flags, "-"+program, path)
	}
	return flags, nil
}
