package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
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
	revision := revisionOf(ctx, o.root)
	var all []binary
	for _, p := range o.programs {
		images := map[platform]v1.Image{}
		for _, at := range o.platforms {
			fmt.Printf("building %s for %s\n", p.name, at)
			b, err := build(ctx, o, p, at, work)
			if err != nil {
				return err
			}
			all = append(all, b)
			stem := filepath.Join(dir, fmt.Sprintf("%s_%s_%s_%s", p.name, o.version, at.os, at.arch))
			if err := writeSBOM(stem+".cdx.json", o, b); err != nil {
				return err
			}
			if o.binaries {
				if err := archive(stem+".tar.gz", o.root, b); err != nil {
					return err
				}
			}
			if !p.image {
				continue
			}
			if images[at], err = image(o, b, revision); err != nil {
				return err
			}
		}
		if p.image {
			path := filepath.Join(dir, fmt.Sprintf("%s_%s_image.tar", p.name, o.version))
			if err := writeIndex(path, o.repository+"/"+p.name+":"+o.version, images, o.platforms); err != nil {
				return err
			}
		}
	}
	return writeLicenses(ctx, filepath.Join(dir, "LICENSES.txt"), o, all)
}

// archive packs a binary with the licence of the project.
func archive(path, root string, b binary) error {
	license, err := os.ReadFile(filepath.Join(root, "LICENSE"))
	if err != nil {
		return err
	}
	program, err := os.ReadFile(b.path)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	for _, e := range []entry{{name: b.program.name, mode: 0o755, data: program},
		{name: "LICENSE", mode: 0o644, data: license}} {
		h := &tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.data)), ModTime: time.Unix(0, 0),
			Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(e.data); err != nil {
			return err
		}
	}
	for _, c := range []io.Closer{w, z, f} {
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
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

// revisionOf is the commit of the checkout, for the images' labels.
func revisionOf(ctx context.Context, root string) string {
	out, err := exec.CommandContext(ctx, "git", "-C", root, "rev-parse", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
