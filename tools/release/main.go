// Release makes what a tag of the repository publishes, in a folder: images, binaries, charts, manifests, SBOMs,
// licences and checksums. It needs no Docker, no root and no base image, and the same commit gives the same octets.
//
//	cd tools/release && go run . -root ../.. [-out dist] [-version V] [-toolchain go1.26.10]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, errReported) {
			fmt.Fprintln(os.Stderr, "release:", err)
		}
		os.Exit(1)
	}
}

// options are what the command line asks for.
type options struct {
	root, out, version, toolchain string
	revision                      string     // the commit
	clean                         bool       // the checkout has nothing that is not in the commit
	repository                    string     // of the images
	platforms                     []platform // of the images, and of every program
	clientPlatforms               []platform // of programs for users' machines, besides
	programs                      []program
	imagesOnly                    bool
}

func run(ctx context.Context, args []string) error {
	o, err := parse(ctx, args)
	if err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if o.toolchain != "" && !builtBy(o.toolchain) {
		return rerun(ctx, o, args)
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

// versionForm is that of a tag in an image's name, less what file names and linker flags would have to quote.
var versionForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

func parse(ctx context.Context, args []string) (options, error) {
	f := flag.NewFlagSet("release", flag.ContinueOnError)
	var o options
	f.StringVar(&o.root, "root", ".", "`folder` of the checkout")
	f.StringVar(&o.out, "out", "dist", "`folder` to fill; what it has of an earlier release is replaced")
	f.StringVar(&o.version, "version", "", "`version` to build; default: git describe")
	f.StringVar(&o.toolchain, "toolchain", "", "Go `toolchain` to build with, such as go1.26.10; default: the one in "+
		"use")
	f.StringVar(&o.repository, "repository", "ghcr.io/federation-dns", "`prefix` of the images' names")
	f.BoolVar(&o.imagesOnly, "images-only", false, "make the images and what belongs to them, nothing else")
	platforms := f.String("platforms", "", "comma-separated `list` of OS/ARCH; default: linux/amd64,linux/arm64, and "+
		"darwin and windows too for programs that users run")
	names := f.String("programs", "",
		"comma-separated `list` of programs; default: all of "+strings.Join(programNames(), ", "))
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q (-help lists the flags)", f.Arg(0))
	}
	var err error
	if o.platforms, err = parsePlatforms(*platforms); err != nil {
		return o, err
	}
	if *platforms == "" {
		o.platforms = clusterPlatforms
		if !o.imagesOnly {
			o.clientPlatforms = clientPlatforms
		}
	}
	o.programs = selectPrograms(strings.FieldsFunc(*names, func(r rune) bool { return r == ',' }), o.imagesOnly)
	for name := range strings.SplitSeq(*names, ",") {
		if name != "" && !slices.Contains(programNames(), name) {
			return o, fmt.Errorf("-programs: there is no program %q: %s", name, strings.Join(programNames(), ", "))
		}
	}
	if o.version == "" {
		if o.version, err = git(ctx, o.root, "describe", "--tags", "--always", "--dirty"); err != nil {
			return o, fmt.Errorf("no -version, and %w", err)
		}
	}
	if !versionForm.MatchString(o.version) {
		return o, fmt.Errorf("-version: %q cannot be the tag of an image: that has letters, digits, '.', '_' and '-'",
			o.version)
	}
	if o.root, err = filepath.Abs(o.root); err != nil {
		return o, err
	}
	o.revision, o.clean = commitOf(ctx, o.root)
	return o, nil
}

func parsePlatforms(list string) (all []platform, err error) {
	if list == "" {
		return nil, nil
	}
	for p := range strings.SplitSeq(list, ",") {
		goos, arch, ok := strings.Cut(p, "/")
		if !ok || goos == "" || arch == "" {
			return nil, fmt.Errorf("-platforms: %q is not of the form OS/ARCH", p)
		}
		all = append(all, platform{goos, arch})
	}
	return all, nil
}

// selectPrograms takes the programs of these names, all if there are none, and those that their images need.
func selectPrograms(names []string, imagesOnly bool) (selected []program) {
	want := map[string]bool{}
	for _, p := range programs {
		if (len(names) == 0 || slices.Contains(names, p.name)) && (p.image || !imagesOnly) {
			want[p.name] = true
			if p.beside != "" {
				want[p.beside] = true
			}
		}
	}
	for _, p := range programs {
		if want[p.name] {
			selected = append(selected, p)
		}
	}
	return selected
}

// platformsOf are those that a program is built for.
func (o options) platformsOf(p program) []platform {
	if !p.clients {
		return o.platforms
	}
	return slices.Concat(o.platforms, o.clientPlatforms)
}
