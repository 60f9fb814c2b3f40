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

// program is one that is released.
type program struct {
	name, title string
	pkg         string            // below the module's root
	stamps      map[string]string // variables that get the version, and what stands before it
	image       bool
	// port53: the executable has the file capability to bind ports below 1024. A process that is not root loses the
	// capabilities that its container adds when it starts the program, unless the file has them too.
	port53 bool
	// beside names the program that the image has beside this one.
	beside string
	// clients: users run it on their own machines, not in a cluster alone.
	clients bool
}

// programs are all of them. A new one is added here, and nowhere else.
var programs = []program{
	{name: "coredns", title: "CoreDNS with the federation plugin", pkg: "./cmd/coredns", image: true, port53: true,
		// What coredns -version and the metric coredns_build_info show beside the version of CoreDNS.
		stamps: map[string]string{"github.com/coredns/coredns/coremain.GitCommit": "federation-"}},
	{name: "federation-syncer", title: "keeps the records of federated Services true", pkg: "./cmd/federation-syncer",
		image: true, stamps: map[string]string{"main.version": ""}, beside: "kubectl-federation"},
	{name: "kubectl-federation", title: "kubectl plugin that shows what a federation answers, and why",
		pkg: "./cmd/kubectl-federation", stamps: map[string]string{"main.version": ""}, clients: true},
}

func programNames() []string {
	names := make([]string, len(programs))
	for i, p := range programs {
		names[i] = p.name
	}
	return names
}

// platform is an operating system and an architecture, in Go's words, which are those of OCI too.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

// executable is the name of a program's file.
func (p platform) executable(name string) string {
	if p.os == "windows" {
		return name + ".exe"
	}
	return name
}

var (
	clusterPlatforms = []platform{{"linux", "amd64"}, {"linux", "arm64"}}
	clientPlatforms  = []platform{{"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}, {"windows", "arm64"}}
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
	path := filepath.Join(dir, at.executable(p.name+"_"+at.os+"_"+at.arch))
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
