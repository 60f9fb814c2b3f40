package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// artefact is a file of the release.
type artefact struct {
	name string
	size int64
}

// assemble fills the folder, and returns what is in it.
func assemble(ctx context.Context, o options) ([]artefact, error) {
	if err := os.MkdirAll(filepath.Dir(filepath.Clean(o.out)), 0o755); err != nil {
		return nil, err
	}
	// All or nothing: an interrupted run leaves the release of before.
	dir, err := os.MkdirTemp(filepath.Dir(filepath.Clean(o.out)), ".release-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	work, err := os.MkdirTemp("", "release-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	if err := fill(ctx, o, dir, work); err != nil {
		return nil, err
	}
	files, err := sums(dir)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(o.out); err != nil {
		return nil, err
	}
	return files, os.Rename(dir, o.out)
}

func fill(ctx context.Context, o options, dir, work string) error {
	toolchain, err := goroot(ctx, o)
	if err != nil {
		return err
	}
	if o.clean {
		if o.root, err = cloneCommit(ctx, o, work); err != nil {
			return err
		}
	} else {
		fmt.Printf("the checkout is not a commit (%s): go version -m of the programs will name no version\n",
			o.revision)
	}
	// What is soon done and may fail comes before what takes minutes.
	if !o.imagesOnly {
		if err := packCharts(o, dir); err != nil {
			return err
		}
		if err := packManifests(o, dir); err != nil {
			return err
		}
	}
	binaries, err := buildAll(ctx, o, work)
	if err != nil {
		return err
	}
	licenses, err := collectLicenses(ctx, o, toolchain, binaries)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "LICENSES.txt"), licenses.text(), 0o644); err != nil {
		return err
	}
	images := map[string]map[platform]v1.Image{}
	var clients []client
	for _, b := range binaries {
		name := []string{b.program.name, o.version, b.platform.os, b.platform.arch}
		stem := filepath.Join(dir, strings.Join(name, "_"))
		if err := writeSBOM(stem+".cdx.json", o, b, licenses); err != nil {
			return err
		}
		if !o.imagesOnly {
			archive, err := packBinary(stem, o, b, licenses)
			if err != nil {
				return err
			}
			if b.program.clients {
				clients = append(clients, client{b.platform, archive})
			}
		}
		if b.program.image {
			if images[b.program.name] == nil {
				images[b.program.name] = map[platform]v1.Image{}
			}
			if images[b.program.name][b.platform], err = image(o, b, besideOf(b, binaries)...); err != nil {
				return err
			}
		}
	}
	for name, byPlatform := range images {
		path := filepath.Join(dir, fmt.Sprintf("%s_%s_image.tar", name, o.version))
		if err := writeIndex(path, o.repository+"/"+name+":"+o.version, byPlatform, o.platforms); err != nil {
			return err
		}
	}
	if len(clients) > 0 {
		return writeKrew(o, dir, clients)
	}
	return nil
}

// besideOf finds what the image of a binary has beside it.
func besideOf(b binary, all []binary) []binary {
	i := slices.IndexFunc(all, func(o binary) bool {
		return o.program.name == b.program.beside && o.platform == b.platform
	})
	if i < 0 {
		return nil
	}
	return all[i : i+1]
}

// buildAll builds every program for every platform.
func buildAll(ctx context.Context, o options, work string) (all []binary, err error) {
	total := 0
	for _, p := range o.programs {
		total += len(o.platformsOf(p))
	}
	for _, p := range o.programs {
		for _, at := range o.platformsOf(p) {
			start := time.Now()
			fmt.Printf("[%d/%d] building %s for %s", len(all)+1, total, p.name, at)
			b, err := build(ctx, o, p, at, work)
			fmt.Printf(" (%.0f s)\n", time.Since(start).Seconds())
			if err != nil {
				return nil, err
			}
			all = append(all, b)
		}
	}
	return all, nil
}

// packBinary packs a program with the licences, as its platform's users expect it, and returns the archive's path.
func packBinary(stem string, o options, b binary, l *licenses) (path string, err error) {
	license, err := os.ReadFile(filepath.Join(o.root, "LICENSE"))
	if err != nil {
		return "", err
	}
	program, err := os.ReadFile(b.path)
	if err != nil {
		return "", err
	}
	path, write := stem+".tar.gz", writeArchive
	if b.platform.os == "windows" {
		path, write = stem+".zip", writeZip
	}
	return path, write(path, []entry{
		{name: b.platform.executable(b.program.name), mode: 0o755, data: program},
		{name: "LICENSE", mode: 0o644, data: license},
		{name: "LICENSES.txt", mode: 0o644, data: l.text()},
	})
}

// sums writes SHA256SUMS, in the form that sha256sum -c reads, and returns all files.
func sums(dir string) ([]artefact, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	var files []artefact
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "%x  %s\n", sha256.Sum256(data), e.Name())
		files = append(files, artefact{e.Name(), int64(len(data))})
	}
	files = append(files, artefact{"SHA256SUMS", int64(out.Len())})
	return files, os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(out.String()), 0o644)
}
