package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// packManifests packs deploy/ without its Go package, and writes the CRDs into one file as well, for kubectl apply
// -f URL.
func packManifests(o options, dir string) error {
	files, err := readTree(filepath.Join(o.root, "deploy"), "deploy",
		func(name string) bool { return strings.HasSuffix(name, ".go") })
	if err != nil {
		return err
	}
	name := fmt.Sprintf("manifests_%s.tar.gz", o.version)
	if err := writeArchive(filepath.Join(dir, name), files); err != nil {
		return err
	}
	var crds bytes.Buffer
	for _, f := range files {
		if strings.HasPrefix(f.name, "deploy/crds/") && strings.HasSuffix(f.name, ".yaml") {
			text := strings.TrimPrefix(strings.TrimSpace(string(f.data)), "---\n")
			fmt.Fprintf(&crds, "---\n%s\n", text)
		}
	}
	if crds.Len() == 0 {
		return nil
	}
	return os.WriteFile(filepath.Join(dir, fmt.Sprintf("crds_%s.yaml", o.version)), crds.Bytes(), 0o644)
}
