package node

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
)

// File is one of an image.
type File struct {
	// Path is that in the image, without the slash in front.
	Path string
	// Source is the file of the machine with its content.
	Source string
}

// WriteImage writes an archive, as docker save does, of an image of one layer. Its name must be complete: a short one
// is taken for one of a public registry. Every file may be executed.
func WriteImage(path, name string, entrypoint []string, files ...File) error {
	layer, err := layerOf(files)
	if err != nil {
		return err
	}
	id := fmt.Sprintf("sha256:%x", sha256.Sum256(layer))
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": entrypoint, "Env": []string{"PATH=/"}, "WorkingDir": "/"},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{id}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{
		{"Config": "config.json", "RepoTags": []string{name}, "Layers": []string{"layer.tar"}},
	})
	if err != nil {
		return err
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range []struct {
		name string
		data []byte
	}{{"layer.tar", layer}, {"config.json", config}, {"manifest.json", manifest}} {
		if err := add(w, f.name, f.data); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

func layerOf(files []File) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	var made []string
	for _, f := range files {
		for _, dir := range parents(f.Path) {
			if slices.Contains(made, dir) {
				continue
			}
			made = append(made, dir)
			if err := w.WriteHeader(&tar.Header{Name: dir + "/", Mode: 0o755, Typeflag: tar.TypeDir}); err != nil {
				return nil, err
			}
		}
		data, err := os.ReadFile(f.Source)
		if err != nil {
			return nil, err
		}
		if err := add(w, f.Path, data); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), w.Close()
}

// parents are the folders of a file, the outermost first.
func parents(path string) []string {
	var dirs []string
	for dir := filepath.Dir(path); dir != "."; dir = filepath.Dir(dir) {
		dirs = append([]string{dir}, dirs...)
	}
	return dirs
}

func add(w *tar.Writer, name string, data []byte) error {
	h := &tar.Header{Name: name, Mode: 0o755, Size: int64(len(data)), Typeflag: tar.TypeReg}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}
