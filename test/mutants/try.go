package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/federation-dns/federation/test/needs"
)

// result says if a test of the clause failed, and which.
type result struct {
	caught bool
	passed bool // all tests that were run
	text   string
}

// try runs the tests with the change, for which dir is made: first those of the clause, and all if these pass, as it
// may stand further down in a name.
func try(ctx context.Context, root, dir string, m mutant) result {
	overlay, err := m.overlay(root, dir)
	if err != nil {
		return result{text: "BROKEN: " + err.Error()}
	}
	r := m.test(ctx, root, overlay, "-run="+m.pattern(), "-skip="+ofNoClause)
	if !r.caught && r.passed {
		r = m.test(ctx, root, overlay)
	}
	return r
}

// ofNoClause are long tests that are named after no clause, and so catch no change.
const ofNoClause = "^Test(Kill|Model|Random)$"

// pattern matches the subtests of the clause.
func (m mutant) pattern() string { return "/^" + m.clause + "([^0-9a-z]|$)" }

// test runs the tests with the change.
func (m mutant) test(ctx context.Context, root, overlay string, which ...string) result {
	args := append([]string{"test", "-buildvcs=false", "-vet=off", "-ldflags=-w", "-count=1", "-timeout=5m", "-json",
		"-overlay=" + overlay}, which...)
	args = append(args, m.packages...)
	if m.usesRapid(root) {
		args = append(args, "-rapid.nofailfile") // it would be kept beside the tests
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), needs.Env+"=all")      // the tests in full
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // ^C ends us first, and we the tests
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return result{text: "not finished"}
	}
	if err == nil {
		return result{passed: true, text: "NOT CAUGHT: all tests pass"}
	}
	return m.judge(out)
}

// usesRapid reports whether all packages to test know the flags of rapid.
func (m mutant) usesRapid(root string) bool {
	for _, p := range m.packages {
		files, _ := filepath.Glob(filepath.Join(root, p, "*_test.go")) // the pattern is good
		if !slices.ContainsFunc(files, func(name string) bool {
			text, err := os.ReadFile(name)
			return err == nil && bytes.Contains(text, []byte(`"pgregory.net/rapid"`))
		}) {
			return false
		}
	}
	return true
}

// overlay writes the changed file and the list that hands it to the compiler.
func (m mutant) overlay(root, dir string) (string, error) {
	files, err := m.apply(root)
	if err != nil {
		return "", err
	}
	return files.Overlay(root, dir)
}

// judge reads what `go test -json` printed.
func (m mutant) judge(out []byte) result {
	var failed []string
	running := map[string]bool{} // a panic or the time limit ends the program with them
	var build strings.Builder
	d := json.NewDecoder(bytes.NewReader(out))
	for d.More() {
		var e struct{ Action, Test, Output string }
		if err := d.Decode(&e); err != nil {
			return result{text: fmt.Sprintf("BROKEN: go test printed what is no JSON: %v", err)}
		}
		if e.Test != "" {
			running[e.Test] = running[e.Test] && e.Action != "pass" && e.Action != "skip" || e.Action == "run"
		}
		switch {
		case e.Action == "build-output":
			build.WriteString(e.Output)
		case e.Action == "build-fail":
			return result{text: "BROKEN: it does not compile: " + strings.TrimSpace(build.String())}
		case e.Action == "fail" && e.Test != "":
			if m.holds(e.Test) {
				return result{caught: true, text: "caught by " + e.Test}
			}
			failed = append(failed, e.Test)
		}
	}
	for _, test := range slices.Sorted(maps.Keys(running)) {
		if running[test] && m.holds(test) {
			return result{caught: true, text: "caught by " + test + ", which panics or does not end"}
		}
	}
	if len(failed) == 0 {
		return result{text: "NOT CAUGHT: the tests ended without a failing one: " + tail(out)}
	}
	return result{text: "NOT CAUGHT by a test of " + m.clause + ", only by " + strings.Join(failed, ", ")}
}

func tail(out []byte) string {
	const most = 400
	return string(out[max(0, len(out)-most):])
}
