package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
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
