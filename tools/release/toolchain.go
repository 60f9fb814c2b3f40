package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// goCommand is a go command in the checkout, with the toolchain of the release and for a platform. Nothing of the
// caller's environment changes what it builds.
func (o options) goCommand(ctx context.Context, at platform, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = o.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+at.os, "GOARCH="+at.arch, "GOFLAGS=", "GOWORK=off",
		"GOEXPERIMENT=", "GOFIPS140=off", "GOAMD64=v1", "GOARM64=v8.0")
	if o.toolchain != "" {
		// Said explicitly: where GOTOOLCHAIN is local, the go command would build with itself.
		cmd.Env = append(cmd.Env, "GOTOOLCHAIN="+o.toolchain)
	}
	return cmd
}

// goroot finds the toolchain of the release, which the go command downloads if it has to.
func goroot(ctx context.Context, o options) (string, error) {
	out, err := o.goCommand(ctx, o.platforms[0], "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		if o.toolchain == "" {
			return "", fmt.Errorf("go env: %w%s", err, stderrOf(err))
		}
		return "", fmt.Errorf("the release is built by %s, which is not on this machine and cannot be downloaded "+
			"(from GOPROXY=%s); install it, allow the download, or name another: RELEASE_GO=go1.27.3 make release%s",
			o.toolchain, proxy(ctx), stderrOf(err))
	}
	root, version, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if o.toolchain != "" && version != o.toolchain {
		return "", fmt.Errorf("go is %s with GOTOOLCHAIN=%s", version, o.toolchain)
	}
	return root, nil
}

// builtBy says whether the toolchain has built this program. How gzip packs depends on it, as the programs do.
func builtBy(toolchain string) bool {
	version, _, _ := strings.Cut(runtime.Version(), " ") // experiments follow
	return version == toolchain
}

// rerun builds this program with the toolchain of the release, and lets that one make the release.
func rerun(ctx context.Context, o options, args []string) error {
	if _, err := goroot(ctx, o); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	self := filepath.Join(work, "release")
	o.root = filepath.Join(o.root, "tools", "release")
	build := o.goCommand(ctx, platform{runtime.GOOS, runtime.GOARCH}, "build", "-buildvcs=false", "-o", self, ".")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the release's tool with %s: %w\n%s", o.toolchain, err, out)
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it removes what it has made
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return errReported
	}
	return err
}

// errReported says that the error has been printed.
var errReported = errors.New("")

func proxy(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "go", "env", "GOPROXY").Output()
	if err != nil {
		return "?"
	}
	return strings.TrimSpace(string(out))
}

// stderrOf is what a command that failed has printed, on lines of its own.
func stderrOf(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return "\n" + string(bytes.TrimSpace(exit.Stderr))
	}
	return ""
}
