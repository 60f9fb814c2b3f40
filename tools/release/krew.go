package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// client is the kubectl plugin's archive for a platform.
type client struct {
	platform platform
	archive  string // its path
}

// krewName is that of the plugin: kubectl runs kubectl-federation as kubectl federation.
const krewName = "federation"

// writeKrew writes the plugin's manifest, by which krew installs it: kubectl krew install --manifest. In an index of
// krew the file has this name too.
func writeKrew(o options, dir string, clients []client) error {
	var out strings.Builder
	fmt.Fprintf(&out, `apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: %s
spec:
  version: "v%s"
  homepage: %s
  shortDescription: Show and manage federated DNS names
  description: |
    Shows a federation of clusters as its syncer sees it: the members, the
    services, their records, and why a name answers what it answers. Joins
    and drains members, and checks what is wrong.
  platforms:
`, krewName, chartVersion(o.version), source)
	for _, c := range clients {
		data, err := os.ReadFile(c.archive)
		if err != nil {
			return err
		}
		program := c.platform.executable("kubectl-" + krewName)
		fmt.Fprintf(&out, `  - selector:
      matchLabels:
        os: %s
        arch: %s
    uri: %s/releases/download/%s/%s
    sha256: %x
    bin: %s
    files:
    - from: %s
      to: .
    - from: LICENSE
      to: .
    - from: LICENSES.txt
      to: .
`, c.platform.os, c.platform.arch, source, o.version, filepath.Base(c.archive), sha256.Sum256(data), program, program)
	}
	return os.WriteFile(filepath.Join(dir, krewName+".yaml"), []byte(out.String()), 0o644)
}
