package kube

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// EnvCache names another folder for the built binaries than the user's cache folder.
const EnvCache = "FEDERATION_DNS_CACHE"

const (
	// keepBinaries is how many binaries of a program stay in the cache: one for each version of `make support`, and the
	// one before.
	keepBinaries = 4
)

// Binary returns the path of the testcluster binary, of the Version of Kubernetes. It is built from test/cluster the
// first time, and kept outside the tree by the hash of its sources, the version and that of Go; progress is told of the
// building. Only one process builds at a time, others wait for it.
func Binary(ctx context.Context, progress io.Writer) (string, error) {
	return testcluster.cached(ctx, progress)
}

// cached returns the path of the program, which is built if it is not in the cache.
func (p program) cached(ctx context.Context, progress io.Writer) (string, error) {
	path, err := p.find(ctx, progress)
	if err != nil {
		return "", fmt.Errorf("%s: %w", p.name, err)
	}
	return path, nil
}

func (p program) find(ctx context.Context, progress io.Writer) (string, error) {
	source, err := sourceDir()
	if err != nil {
		return "", err
	}
	hash, err := p.hashOf(ctx, source)
	if err != nil {
		return "", err
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, p.name+"-"+hash, p.name)
	if _, err := os.Stat(path); err == nil {
		now := time.Now()
		_ = os.Chtimes(filepath.Dir(path), now, now) // only the order in which old ones go depends on it
		return path, nil
	}
	unlock, err := lock(ctx, filepath.Join(cache, "lock"), progress)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil // built while we waited
	}
	if err := p.buildVersion(ctx, source, path, progress); err != nil {
		return "", fmt.Errorf("building it: %w", err)
	}
	return path, p.removeOld(cache)
}

// buildVersion builds the program with the pinned modules, or with those of another version of Kubernetes.
func (p program) buildVersion(ctx context.Context, source, path string, progress io.Writer) error {
	if Version() == pinnedVersion {
		return p.build(ctx, source, path, progress, "-mod=readonly")
	}
	dir, err := sourceOf(ctx, source, Version())
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return p.build(ctx, dir, path, progress, "-mod=mod")
}

func cacheDir() (string, error) {
	dir := os.Getenv(EnvCache)
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no folder to keep the binary in: %w (or set %s)", err, EnvCache)
		}
		dir = filepath.Join(user, "federation-dns")
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// sourceDir is the folder test/cluster of this repository, found from the working directory up.
func sourceDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		source := filepath.Join(dir, "test", "cluster")
		if _, err := os.Stat(filepath.Join(source, "go.mod")); err == nil {
			return source, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("run this inside the repository: there is no test/cluster here or above")
		}
		dir = parent
	}
}

func (p program) hashOf(ctx context.Context, source string) (string, error) {
	goVersion, err := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOOS", "GOARCH").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	h := sha256.New()
	h.Write(goVersion)
	h.Write([]byte(Version()))
	err = filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !p.sources && !strings.HasPrefix(d.Name(), "go.") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(source, path)
		fmt.Fprintf(h, "%s %d\n", rel, len(data))
		h.Write(data)
		return err
	})
	return hex.EncodeToString(h.Sum(nil))[:16], err
}

// lock takes the file's lock, and tells if it has to wait.
func lock(ctx context.Context, path string, progress io.Writer) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	told := false
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, err
		}
		if !told {
			fmt.Fprintln(progress, "another process is building programs of Kubernetes, waiting")
			told = true
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
