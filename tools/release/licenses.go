package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// licenseFile are the names under which modules keep their licence and notices.
var licenseFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|unlicense)([-._].*)?$`)

// writeLicenses writes the licences and notices of all modules of the binaries into one file. A module without one is
// an error: it must not be published.
func writeLicenses(ctx context.Context, path string, o options, binaries []binary) error {
	want := map[string]bool{}
	for _, b := range binaries {
		for _, m := range b.info.Deps {
			want[m.Path] = true
		}
	}
	modules, err := moduleDirs(ctx, o)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	var missing []error
	for _, m := range modules {
		if !want[m.Path] {
			continue
		}
		texts, err := licensesOf(m.Dir)
		if err != nil {
			return err
		}
		if len(texts) == 0 {
			missing = append(missing, fmt.Errorf("%s@%s has no licence file", m.Path, m.Version))
		}
		for _, t := range texts {
			rule := strings.Repeat("=", 79)
			fmt.Fprintf(&out, "%s\n%s@%s: %s\n%s\n\n%s\n\n", rule, m.Path, m.Version, t.name, rule,
				strings.TrimSpace(t.text))
		}
	}
	if len(missing) > 0 {
		return errors.Join(missing...)
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

type module struct{ Path, Version, Dir string }

func moduleDirs(ctx context.Context, o options) ([]module, error) {
	args := []string{"list", "-deps", "-f",
		`{{with .Module}}{{if not .Main}}{"Path":"{{.Path}}","Version":"{{.Version}}","Dir":"{{.Dir}}"}{{end}}{{end}}`}
	for _, p := range o.programs {
		args = append(args, p.pkg)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = o.root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	seen := map[module]bool{}
	var all []module
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var m module
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if !seen[m] {
			seen[m] = true
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	return all, nil
}

type license struct{ name, text string }

// licensesOf reads the licence files of a module: those in its root, and those of code that it has taken over in
// folders below.
func licensesOf(dir string) (out []license, err error) {
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !licenseFile.MatchString(d.Name()) || strings.HasSuffix(d.Name(), ".go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || strings.Contains(rel, "testdata"+string(filepath.Separator)) {
			return err
		}
		out = append(out, license{name: filepath.ToSlash(rel), text: string(text)})
		return nil
	})
	return out, err
}
