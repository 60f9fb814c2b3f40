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
	"slices"
	"strings"
)

// vulnerability is a known one of a module that the packages are built from.
type vulnerability struct {
	id, summary string
	module      string // module@version, or stdlib@version
	fixed       string // the version without it; "" if there is none
	calls       []string
}

// reached says whether a call leads from a program to the vulnerable code.
func (v vulnerability) reached() bool { return len(v.calls) > 0 }

// result is what a scan found.
type result struct {
	goVersion string
	found     []vulnerability // sorted by id
}

// message is an element of the stream that govulncheck -format json prints, as far as it is used here
// (golang.org/x/vuln/internal/govulncheck documents it).
type message struct {
	Config *struct {
		GoVersion string `json:"go_version"`
	}
	OSV     *struct{ ID, Summary string }
	Finding *struct {
		OSV   string
		Fixed string `json:"fixed_version"`
		Trace []frame
	}
}

// frame is a step of the way from the vulnerable code, which is first, to a program.
type frame struct{ Module, Version, Package, Function, Receiver string }

func (f frame) String() string {
	name := f.Function
	if f.Receiver != "" {
		name = f.Receiver + "." + name
	}
	return f.Package + "." + strings.TrimPrefix(name, "*")
}

// scanner runs govulncheck on programs as the release builds them.
type scanner struct {
	options
	govulncheck string
	env         []string
}

func newScanner(ctx context.Context, o options) (*scanner, error) {
	if entries, err := filepath.Glob(filepath.Join(o.db, "GO-*.json")); err != nil || len(entries) == 0 {
		return nil, fmt.Errorf("%s has no entries GO-*.json (%w)", o.db, firstOf(err, os.ErrNotExist))
	}
	out, err := exec.CommandContext(ctx, "go", "tool", "-n", "govulncheck").Output()
	if err != nil {
		return nil, fmt.Errorf("building govulncheck: %w%s", err, stderrOf(err))
	}
	s := &scanner{options: o, govulncheck: strings.TrimSpace(string(out))}
	s.env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=", "GOWORK=off")
	if o.toolchain != "" {
		s.env = append(s.env, "GOTOOLCHAIN="+o.toolchain)
	}
	return s, nil
}

// programs lists the programs among the packages.
func (s *scanner) programs(ctx context.Context) ([]string, error) {
	args := append([]string{"list", "-f", `{{if eq .Name "main"}}{{.ImportPath}}{{end}}`}, s.packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = s.root, s.env
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w%s", strings.Join(s.packages, " "), err, stderrOf(err))
	}
	programs := strings.Fields(string(out))
	if len(programs) == 0 {
		return nil, fmt.Errorf("there is no program in %s", strings.Join(s.packages, " "))
	}
	return programs, nil
}

// scan looks at one program. With several at once, govulncheck finds ways from one into code that is only in another.
func (s *scanner) scan(ctx context.Context, program string) (result, error) {
	// A folder of OSV entries without an index is a database too: govulncheck makes the index in memory.
	cmd := exec.CommandContext(ctx, s.govulncheck, "-C", s.root, "-db", "file://"+filepath.ToSlash(s.db),
		"-format", "json", program)
	// govulncheck asks the go command for its version with the environment of its own process, so it has one.
	cmd.Env = s.env
	out, err := cmd.Output()
	if err != nil {
		return result{}, fmt.Errorf("govulncheck %s: %w%s", program, err, stderrOf(err))
	}
	return parse(bytes.NewReader(out))
}

// stderrOf is what a command that failed has printed, on lines of its own.
func stderrOf(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return "\n" + strings.TrimSpace(string(exit.Stderr))
	}
	return ""
}

// parse reads what govulncheck prints. Findings of one vulnerability come several times: of the module, of the package,
// of each vulnerable function that is called; the shortest way to one of those is kept.
func parse(r io.Reader) (result, error) {
	var out result
	summaries := map[string]string{}
	found := map[string]*vulnerability{}
	for d := json.NewDecoder(r); ; {
		var m message
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return out, fmt.Errorf("reading what govulncheck prints: %w", err)
		}
		switch {
		case m.Config != nil:
			out.goVersion = m.Config.GoVersion
		case m.OSV != nil:
			summaries[m.OSV.ID] = m.OSV.Summary
		case m.Finding != nil && len(m.Finding.Trace) > 0:
			at := m.Finding.Trace[0]
			v := found[m.Finding.OSV]
			if v == nil {
				v = &vulnerability{id: m.Finding.OSV, module: at.Module + "@" + at.Version, fixed: m.Finding.Fixed}
				found[v.id] = v
			}
			if n := len(m.Finding.Trace); at.Function != "" && (!v.reached() || n < len(v.calls)) {
				v.calls = nil
				for _, f := range slices.Backward(m.Finding.Trace) {
					v.calls = append(v.calls, f.String())
				}
			}
		}
	}
	if out.goVersion == "" {
		return out, errors.New("govulncheck printed no configuration: was it stopped?")
	}
	for _, v := range found {
		v.summary = summaries[v.id]
		out.found = append(out.found, *v)
	}
	slices.SortFunc(out.found, func(a, b vulnerability) int { return strings.Compare(a.id, b.id) })
	return out, nil
}
