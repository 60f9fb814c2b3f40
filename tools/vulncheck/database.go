package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/mod/module"
	_ "golang.org/x/vulndb/cmd/vulnreport/color" // any package will do: with none, go mod tidy drops the pin
)

const databaseModule = "golang.org/x/vulndb"

// stale is the age from which the database misses too much to be trusted.
const stale = 60 * 24 * time.Hour

// database is a version of the Go vulnerability database.
type database struct {
	dir     string // of the OSV entries
	version string
	at      time.Time
}

// pinned finds the database of go.mod in the module cache.
func pinned(ctx context.Context) (database, error) {
	// With download, a module that only the build cache knows is there too.
	out, err := exec.CommandContext(ctx, "go", "mod", "download", "-json", databaseModule).Output()
	var m struct{ Dir, Version, Error string }
	if jsonErr := json.Unmarshal(out, &m); err != nil || jsonErr != nil || m.Error != "" {
		return database{}, fmt.Errorf("go mod download %s: %w %s", databaseModule, firstOf(err, jsonErr), m.Error)
	}
	at, err := module.PseudoVersionTime(m.Version)
	if err != nil {
		return database{}, err
	}
	return database{dir: filepath.Join(m.Dir, "data", "osv"), version: m.Version, at: at}, nil
}

// describe says of which day the database is, and how to renew one that is old.
func (d database) describe(now time.Time) string {
	text := "database of " + d.at.Format(time.DateOnly)
	if age := now.Sub(d.at); age > stale {
		text += fmt.Sprintf(", %d days old; newer: cd tools/vulncheck && go get %s@latest", int(age.Hours()/24),
			databaseModule)
	}
	return text
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
