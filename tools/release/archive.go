package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// entry is a file or folder of an archive or of a layer of an image.
type entry struct {
	name         string // ends in "/" for a folder
	mode         int64
	owner        int
	data         []byte
	capabilities []byte // security.capability, as the kernel stores it
}

// header is the same at any time, by any user and on any machine.
func (e entry) header() *tar.Header {
	h := &tar.Header{
		Name: e.name, Mode: e.mode, Uid: e.owner, Gid: e.owner, Size: int64(len(e.data)),
		ModTime: time.Unix(0, 0), Typeflag: tar.TypeReg, Format: tar.FormatPAX,
	}
	if strings.HasSuffix(e.name, "/") {
		h.Typeflag = tar.TypeDir
	}
	if e.capabilities != nil {
		h.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": string(e.capabilities)}
	}
	return h
}

// writeTar packs the entries in their order.
func writeTar(out io.Writer, entries []entry) error {
	w := tar.NewWriter(out)
	for _, e := range entries {
		if err := w.WriteHeader(e.header()); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		if _, err := w.Write(e.data); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return w.Close()
}

// writeArchive writes a .tar.gz file.
func writeArchive(path string, entries []entry) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z := gzip.NewWriter(f)
	if err := writeTar(z, entries); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := z.Close(); err != nil {
		return err
	}
	return f.Close()
}

// writeZip writes a .zip file.
func writeZip(path string, entries []entry) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := zip.NewWriter(f)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
		h.SetMode(fs.FileMode(e.mode))
		file, err := w.CreateHeader(h)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", path, e.name, err)
		}
		if _, err := file.Write(e.data); err != nil {
			return fmt.Errorf("%s: %s: %w", path, e.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Close()
}

// readTree reads the files below a folder of the checkout, in the order of their names, under a folder of another name.
// Hidden files are no part of a release, but helm packs the list of what it leaves out. A link is an error: where it
// leads may not be in the archive.
func readTree(dir, under string, skip func(name string) bool) (all []entry, err error) {
	err = filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		switch {
		case name == ".":
			return nil
		case strings.HasPrefix(d.Name(), ".") && name != ".helmignore" || skip != nil && skip(name):
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		case !d.Type().IsRegular():
			return fmt.Errorf("%s is neither a file nor a folder", file)
		}
		data, err := os.ReadFile(file)
		all = append(all, entry{name: path.Join(under, name), mode: 0o644, data: data})
		return err
	})
	return all, err
}
