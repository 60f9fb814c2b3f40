package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// binary is a built program.
type binary struct {
	program  program
	platform platform
	path     string
	info     *buildinfo.BuildInfo
}

// build compiles a program so that the octets depend on the source, the version and the toolchain alone: no cgo, no
// paths, no stamp of the checkout.
func build(ctx context.Context, o options, p program, at platform, dir string) (binary, error) {
	path := filepath.Join(dir, p.name+"_"+at.os+"_"+at.arch)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags=-s -w -buildid= -X main.version="+o.version, "-o", path, p.pkg)
	cmd.Dir = o.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+at.os, "GOARCH="+at.arch, "GOFLAGS=", "GOWORK=off",
		"GOAMD64=v1", "GOARM64=v8.0")
	if o.toolchain != "" {
		cmd.Env = append(cmd.Env, "GOTOOLCHAIN="+o.toolchain)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return binary{}, fmt.Errorf("building %s for %s: %w\n%s", p.name, at, err, out)
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return binary{}, err
	}
	return binary{program: p, platform: at, path: path, info: info}, nil
}
