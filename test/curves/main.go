// Curves draws the growth of the syncer as a picture: from the table that
// `make bench-scale` prints, as it stands in docs/performance.md, it makes
// docs/scale.svg.
//
//	go run ./test/curves
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "curves:", err)
		os.Exit(1)
	}
}

// run draws the picture of the docs in the folder of the module.
func run(root string) error {
	text, err := os.ReadFile(filepath.Join(root, "docs", "performance.md"))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("run it in the folder of the module: %w", err)
	}
	if err != nil {
		return err
	}
	sizes, err := parse(string(text))
	if err != nil {
		return fmt.Errorf("docs/performance.md: %w", err)
	}
	return os.WriteFile(filepath.Join(root, "docs", "scale.svg"), []byte(draw(sizes)), 0o644)
}
