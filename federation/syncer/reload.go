package syncer

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation/config"
)

// reloadEvery is how often the configuration file is compared: by content, so that a swapped symbolic link (as of a
// mounted ConfigMap) counts, and a mere touch does not. missingAfter is how long it may be missing or empty, as a file
// is that is being replaced.
const reloadEvery, missingAfter = time.Second, 5 * time.Second

// configFile is the configuration file and the files that were read with it (C1).
type configFile struct {
	path  string
	log   *slog.Logger
	good  interface{ Set(float64) } // the metric that says whether the file as it is now is in use
	files []string                  // those that the configuration names
	// seen is what they held before they were read for the configuration in use.
	seen         [][]byte
	bad          string // what was last reported; while it is not "", the file is tried again and again
	missingSince time.Time
}

// load reads the configuration and remembers what it was read from.
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
	if c, err = config.Parse(f.path, data); err != nil { // again: a file that changes from now on differs from seen
		return nil, err
	}
	f.files, f.seen = c.Files, seen
	return c, nil
}

// check returns the configuration if it is another one than that in use, or was asked for (by SIGHUP). A bad one is
// reported and tried again for as long as it is bad: what is wrong may be in a file that it names, and that comes later.
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
			f.good.Set(0)
			f.log.Error("the new configuration is bad, the old one stays; it is tried again until it is good", "error", err)
		}
		return nil
	}
	f.bad = ""
	f.good.Set(1)
	return c
}

// next waits for a configuration to take. It returns nil when ctx or until ends.
func (f *configFile) next(ctx context.Context, asked <-chan os.Signal, until <-chan time.Time) *config.Config {
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	for {
		var c *config.Config
		select {
		case <-ctx.Done():
			return nil
		case <-until:
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

// contentOf returns what the files hold now, after data; nothing for one that cannot be read.
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
