// Release makes what a tag of the repository publishes: images, binaries, SBOMs, licences and checksums, into a folder.
// It needs no Docker, no root and no base image, and the same source gives the same octets.
//
// go run ./tools/release [-out dist] [-version V] [-platforms linux/amd64,linux/arm64] [-programs
// coredns,federation-syncer]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// options are what the command line asks for.
type options struct {
	root, out, version, toolchain string
	repository                    string // of the images
	platforms                     []platform
	programs                      []program
	binaries                      bool // archives of the binaries too
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	start := time.Now()
	files, err := assemble(ctx, o)
	if err != nil {
		return err
	}
	for _, f := range files {
		fmt.Printf("%9.1f MB  %s\n", float64(f.size)/1e6, f.name)
	}
	fmt.Printf("made in %.0f s: %s\n", time.Since(start).Seconds(), o.out)
	return nil
}

func parse(args []string) (options, error) {
	f := flag.NewFlagSet("release", flag.ContinueOnError)
	var o options
	f.StringVar(&o.root, "root", ".", "`folder` of the checkout")
	f.StringVar(&o.out, "out", "dist", "`folder` to fill; what it has of an earlier release is replaced")
	f.StringVar(&o.version, "version", "", "`version` to build; default: git describe")
	f.StringVar(&o.toolchain, "toolchain", "", "Go `toolchain` to build with, such as go1.26.10; default: the one in "+
		"use")
	f.StringVar(&o.repository, "repository", "ghcr.io/federation-dns", "`prefix` of the images' names")
	f.BoolVar(&o.binaries, "binaries", true, "make archives of the binaries too")
	platforms := f.String("platforms", "linux/amd64,linux/arm64", "comma-separated `list` of OS/ARCH")
	names := f.String("programs", "",
		"comma-separated `list` of programs; default: all of "+strings.Join(programNames(), ", "))
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q (-help lists the flags)", f.Arg(0))
	}
	for p := range strings.SplitSeq(*platforms, ",") {
		goos, arch, ok := strings.Cut(p, "/")
		if !ok || goos == "" || arch == "" {
			return o, fmt.Errorf("-platforms: %q is not of the form OS/ARCH", p)
		}
		o.platforms = append(o.platforms, platform{goos, arch})
	}
	for _, p := range programs {
		if *names == "" || slices.Contains(strings.Split(*names, ","), p.name) {
			o.programs = append(o.programs, p)
		}
	}
	for name := range strings.SplitSeq(*names, ",") {
		if name != "" && !slices.Contains(programNames(), name) {
			return o, fmt.Errorf("-programs: there is no program %q: %s", name, strings.Join(programNames(), ", "))
		}
	}
	if o.version == "" {
		out, err := exec.Command("git", "-C", o.root, "describe", "--tags", "--always", "--dirty").Output()
		if err != nil {
			return o, fmt.Errorf("git describe: %w (give -version)", err)
		}
		o.version = strings.TrimSpace(string(out))
	}
	var err error
	o.root, err = filepath.Abs(o.root)
	return o, err
}
