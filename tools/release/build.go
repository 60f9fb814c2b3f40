package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
)

// binary is a built program.
type binary struct {
	program  program
	platform platform
	path     string
	info     *buildinfo.BuildInfo
}

// build compiles a program so that the octets depend on the commit, the version and the toolchain alone: no cgo, no
// paths.
func build(ctx context.Context, o options, p program, at platform, dir string) (binary, error) {
	path := filepath.Join(dir, p.name+"_"+at.os+"_"+at.arch)
	ldflags := "-s -w -buildid="
	for _, variable := range slices.Sorted(maps.Keys(p.stamps)) {
		ldflags += " -X " + variable + "=" + p.stamps[variable] + o.version
	}
	cmd := o.goCommand(ctx, at, "build", "-trimpath", "-buildvcs="+strconv.FormatBool(o.clean), "-ldflags="+ldflags,
		"-o", path, p.pkg)
	if out, err := cmd.CombinedOutput(); err != nil {
		return binary{}, fmt.Errorf("building %s for %s: %w\n%s", p.name, at, err, out)
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return binary{}, err
	}
	return binary{program: p, platform: at, path: path, info: info}, nil
}
