package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// The names under which modules keep their licences, and what else goes with them.
var (
	licenseFile = regexp.MustCompile(`(?i)^(licen[cs]es?|copying|unlicense|mit-license)([-._].*)?$`)
	noticeFile  = regexp.MustCompile(`(?i)^(notice|patents|authors|copyright)([-._].*)?$`)
)

// licenses are those of all modules in the programs, and of Go itself.
type licenses struct{ modules []module }

// module is one that a program is built from.
type module struct {
	Path, Version, Dir string

	ids   []string // SPDX, of the licence in its root
	texts []licenseText
}

type licenseText struct{ name, text string }

// collectLicenses reads the licences and notices of every module of the programs. A module without a licence that is
// known to be one is an error: it must not be published.
func collectLicenses(ctx context.Context, o options, goroot string, binaries []binary) (*licenses, error) {
	found := map[string]module{}
	for _, b := range binaries {
		modules, err := modulesOf(ctx, o, b)
		if err != nil {
			return nil, err
		}
		for _, m := range modules {
			found[m.Path+"@"+m.Version] = m
		}
	}
	found["std"] = module{Path: "std", Version: binaries[0].info.GoVersion, Dir: goroot}
	var out licenses
	var missing []error
	for _, key := range slices.Sorted(maps.Keys(found)) {
		m := found[key]
		if err := m.read(); err != nil {
			missing = append(missing, err)
		}
		out.modules = append(out.modules, m)
	}
	return &out, errors.Join(missing...)
}

// modulesOf finds the modules of a program, by the names that the program itself has.
func modulesOf(ctx context.Context, o options, b binary) ([]module, error) {
	out, err := o.goCommand(ctx, b.platform, "list", "-deps", "-json=Module", b.program.pkg).Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w%s", b.program.pkg, err, stderrOf(err))
	}
	listed := map[string]module{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ Module *module }
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if p.Module != nil {
			listed[p.Module.Path] = *p.Module
		}
	}
	var modules []module
	for _, dep := range b.info.Deps {
		m, ok := listed[dep.Path]
		if !ok {
			return nil, fmt.Errorf("%s has the module %s, which go list does not name", b.program.name, dep.Path)
		}
		modules = append(modules, m)
	}
	return modules, nil
}

// read reads the licence files of the module: those in its root, and those of code that it has taken over in folders
// below.
func (m *module) read() error {
	err := filepath.WalkDir(m.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(m.Dir, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		// Of Go itself, what is linked is the standard library.
		if d.IsDir() && (d.Name() == "testdata" || m.Path == "std" && path != m.Dir && rel != "src" &&
			!strings.HasPrefix(rel, "src/")) {
			return filepath.SkipDir
		}
		isLicense := licenseFile.MatchString(d.Name())
		if d.IsDir() || strings.HasSuffix(d.Name(), ".go") || !isLicense && !noticeFile.MatchString(d.Name()) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		m.texts = append(m.texts, licenseText{name: rel, text: string(text)})
		if isLicense && !strings.Contains(rel, "/") {
			for _, match := range licensecheck.Scan(text).Match {
				if !match.IsURL && !slices.Contains(m.ids, match.ID) {
					m.ids = append(m.ids, match.ID)
				}
			}
		}
		return nil
	})
	slices.Sort(m.ids)
	switch {
	case err != nil:
		return err
	case len(m.ids) == 0 && len(m.texts) == 0:
		return fmt.Errorf("%s@%s has no licence file", m.Path, m.Version)
	case len(m.ids) == 0:
		return fmt.Errorf("%s@%s has %s, and no known licence in it", m.Path, m.Version, m.texts[0].name)
	}
	return nil
}

// text is one file of all licences and notices.
func (l *licenses) text() []byte {
	var out bytes.Buffer
	rule := strings.Repeat("=", 79)
	for _, m := range l.modules {
		for _, t := range m.texts {
			fmt.Fprintf(&out, "%s\n%s@%s: %s\n%s\n\n%s\n\n", rule, m.Path, m.Version, t.name, rule,
				strings.TrimSpace(t.text))
		}
	}
	return out.Bytes()
}

// ids are the SPDX ids of a module's licence.
func (l *licenses) ids(path string) []string {
	for _, m := range l.modules {
		if m.Path == path {
			return m.ids
		}
	}
	return nil
}
