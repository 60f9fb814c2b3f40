package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/config"
)

// reloadEvery is how often the configuration file is checked: by content, so that a swapped symbolic link, as in a
// mounted ConfigMap, counts, and a mere touch does not. For missingAfter the file may be missing or empty, as while it
// is replaced.
const reloadEvery, missingAfter = time.Second, 5 * time.Second

// configFile is the configuration file and the files it refers to (C1).
type configFile struct {
	path  string
	log   *slog.Logger
	read  func(admin.ConfigStatus) // is told which content is in use, and what is wrong with the present one
	used  admin.ConfigStatus       // the content in use
	files []string                 // those it refers to
	// seen is the content of the file and of files before they were read for the configuration in use.
	seen         [][]byte
	bad          string // the last error logged; until it is "" again, the file is retried
	missingSince time.Time
}

// load reads the configuration and records what it was read from.
func (f *configFile) load() (*config.Config, error) {
	data, err := os.ReadFile(f.path)
	if err != nil {
		return nil, err
	}
	c, err := config.Parse(f.path, data)
	if err != nil {
		return nil, err
	}
	seen := contentOf(data, c.Files)
	if c, err = config.Parse(f.path, data); err != nil { // again: any later change differs from seen
		return nil, err
	}
	f.files, f.seen = c.Files, seen
	f.used = admin.ConfigStatus{
		Path: f.path, SHA256: fmt.Sprintf("%x", sha256.Sum256(data)), Since: time.Now(),
	}
	return c, nil
}

// check returns the configuration if it has changed, or if asked (by SIGHUP), and nil otherwise. A bad one is logged,
// once, and retried as long as it is bad: the error may be in a file it refers to, which comes later.
func (f *configFile) check(now time.Time, asked bool) *config.Config {
	data, err := os.ReadFile(f.path)
	if err != nil || len(bytes.TrimSpace(data)) == 0 {
		if f.missingSince.IsZero() {
			f.missingSince = now
		}
		if !asked && now.Sub(f.missingSince) < missingAfter {
			return nil
		}
	} else {
		f.missingSince = time.Time{}
		if !asked && f.bad == "" && slices.EqualFunc(f.seen, contentOf(data, f.files), bytes.Equal) {
			return nil
		}
	}
	c, err := f.load()
	if err != nil {
		if f.bad != err.Error() || asked {
			f.bad = err.Error()
			f.tell()
			f.log.Error("the new configuration is bad, the old one stays in use; retrying", "error", err)
		}
		return nil
	}
	f.bad = ""
	f.tell()
	return c
}

// tell tells which content is in use, and what is wrong with the present one.
func (f *configFile) tell() {
	status := f.used
	status.Error = f.bad
	f.read(status)
}

// next waits for a new configuration. It returns nil when ctx ends.
func (f *configFile) next(ctx context.Context, asked <-chan os.Signal) *config.Config {
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	for {
		var c *config.Config
		select {
		case <-ctx.Done():
			return nil
		case <-asked:
			c = f.check(time.Now(), true)
		case <-tick.C:
			c = f.check(time.Now(), false)
		}
		if c != nil {
			return c
		}
	}
}

// contentOf returns data and the contents of the files; nil for a file that cannot be read.
func contentOf(data []byte, files []string) [][]byte {
	all := [][]byte{data}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			data = nil
		}
		all = append(all, data)
	}
	return all
}
