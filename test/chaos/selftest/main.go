// Selftest shows that chaos finds what it is for: it builds the syncer, or CoreDNS, with
// one planted bug after the other, each in a copy of a file that only the
// compiler sees, and lets chaos run on it until it finds a violation, for two minutes at
// most.
//
//	go run ./test/chaos/selftest [-run NAME] [-list]
//
// The bugs are in bugs.txt, which explains their format.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/federation-dns/federation/test/needs"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "chaos-selftest:", err)
		os.Exit(1)
	}
}

// limit is how long chaos may take to find a bug, and seed is its seed.
const (
	limit = 2 * time.Minute
	seed  = "1"
)

func run(ctx context.Context) error {
	only := flag.String("run", "", "only the bugs whose name matches this regular `expression`")
	list := flag.Bool("list", false, "print the bugs, and run nothing")
	compile := flag.Bool("compile", false, "build the program with each bug, and run nothing")
	bin := flag.String("bin", "bin", "`folder` with chaos, coredns and federation-syncer")
	flag.Parse()
	chosen, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	text, err := os.ReadFile(filepath.Join("test", "chaos", "selftest", "bugs.txt"))
	if err != nil {
		return fmt.Errorf("%w (run this at the root of the repository)", err)
	}
	bugs, err := parse(string(text))
	if err != nil {
		return err
	}
	bugs = slices.DeleteFunc(bugs, func(b bug) bool { return !chosen.MatchString(b.name) })
	if len(bugs) == 0 {
		return fmt.Errorf("-run %q: there is no such bug", *only)
	}
	if *list {
		for _, b := range bugs {
			fmt.Printf("%s: faults %s, found by %s\n", b.name, strings.Join(b.favour, ", "),
				strings.Join(b.finds, " or "))
		}
		return nil
	}
	dir, err := os.MkdirTemp("", "chaos-selftest-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if *compile {
		for i, b := range bugs {
			if _, err := b.build(ctx, filepath.Join(dir, fmt.Sprint(i))); err != nil {
				return fmt.Errorf("%s: %w", b.name, err)
			}
		}
		return nil
	}
	found := 0
	for i, b := range bugs {
		text, ok := b.try(ctx, *bin, filepath.Join(dir, fmt.Sprint(i)))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if ok {
			found++
		}
		fmt.Printf("[%d/%d] %s\n        %s\n", i+1, len(bugs), b.name, text)
	}
	fmt.Printf("%d of %d planted bugs were found\n", found, len(bugs))
	if found < len(bugs) {
		return errors.New("not all were found")
	}
	return nil
}

// try builds what has the bug and lets chaos run on it.
func (b bug) try(ctx context.Context, bin, dir string) (text string, found bool) {
	args, err := b.build(ctx, dir)
	if err != nil {
		return "BROKEN: " + err.Error(), false
	}
	args = append(args, "-bin", bin, "-seed", seed, "-first", "-minutes", fmt.Sprint(limit.Minutes()))
	if len(b.favour) > 0 {
		args = append(args, "-favour", strings.Join(b.favour, ","))
	}
	if b.hosts != "" {
		args = append(args, "-hosts", b.hosts)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "chaos"), args...)
	if b.services {
		cmd = exec.CommandContext(ctx, "go", "test", "-buildvcs=false", "-count=1", "-v", "./test/federatedservice",
			"-run", "TestChaos", "-seed", seed, "-first", "-minutes", fmt.Sprint(limit.Minutes()),
			"-favour", strings.Join(b.favour, ","))
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, needs.Env+"=all", "FEDERATION_DNS_BIN="+dir)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return "NOT FOUND: chaos saw nothing wrong", false
	}
	return b.judge(out)
}

var violation = regexp.MustCompile(`(?m)^VIOLATION \((\S+)\) at +([0-9.]+)s, .*\n  why: (.*)$`)

// judge reads what chaos has printed.
func (b bug) judge(out []byte) (text string, found bool) {
	m := violation.FindSubmatch(out)
	if m == nil {
		return "BROKEN: chaos failed without a violation: " + tail(out), false
	}
	kind, at, why := string(m[1]), string(m[2]), string(m[3])
	after, err := time.ParseDuration(at + "s")
	switch {
	case !slices.Contains(b.finds, kind):
		return fmt.Sprintf("NOT FOUND: %s after %s s is not what the bug does (%s): %s",
			kind, at, strings.Join(b.finds, ", "), why), false
	case err != nil || after > limit:
		return fmt.Sprintf("NOT FOUND within %s: %s after %s s: %s", limit, kind, at, why), false
	}
	return fmt.Sprintf("found after %s s: %s: %s", at, kind, why), true
}

func tail(out []byte) string {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-8):], []byte("\n        ")))
}
