package kube

import (
	"bufio"
	"bytes"
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
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// EnvCache names another folder for the built binaries than the user's cache folder.
const EnvCache = "FEDERATION_DNS_CACHE"

const (
	// buildCPUSeconds is what a cold build takes, of all cores together.
	buildCPUSeconds = 670
	// keepBinaries is how many binaries stay in the cache: one for each version of `make support`, and the one before.
	keepBinaries = 4
)

// Binary returns the path of the testcluster binary, of the Version of Kubernetes. It is built from test/cluster the
// first time, and kept outside the tree by the hash of its sources, the version and that of Go; progress is told of the
// building. Only one process builds at a time, others wait for it.
func Binary(ctx context.Context, progress io.Writer) (string, error) {
	source, err := sourceDir()
	if err != nil {
		return "", err
	}
	hash, err := hashOf(ctx, source)
	if err != nil {
		return "", fmt.Errorf("testcluster: %w", err)
	}
	cache, err := cacheDir()
	if err != nil {
		return "", fmt.Errorf("testcluster: %w", err)
	}
	path := filepath.Join(cache, "testcluster-"+hash, "testcluster")
	if _, err := os.Stat(path); err == nil {
		now := time.Now()
		_ = os.Chtimes(filepath.Dir(path), now, now) // only the order in which old ones go depends on it
		return path, nil
	}
	unlock, err := lock(ctx, filepath.Join(cache, "lock"), progress)
	if err != nil {
		return "", fmt.Errorf("testcluster: %w", err)
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil // built while we waited
	}
	if err := buildVersion(ctx, source, path, progress); err != nil {
		return "", fmt.Errorf("building testcluster: %w", err)
	}
	return path, removeOld(cache)
}

// buildVersion builds the binary with the pinned modules, or with those of another version of Kubernetes.
func buildVersion(ctx context.Context, source, path string, progress io.Writer) error {
	if Version() == pinnedVersion {
		return build(ctx, source, path, progress, "-mod=readonly")
	}
	dir, err := sourceOf(ctx, source, Version())
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return build(ctx, dir, path, progress, "-mod=mod")
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
			return "", errors.New("testcluster: run this inside the repository: there is no test/cluster here or above")
		}
		dir = parent
	}
}

func hashOf(ctx context.Context, source string) (string, error) {
	goVersion, err := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOOS", "GOARCH").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	h := sha256.New()
	h.Write(goVersion)
	h.Write([]byte(Version()))
	err = filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
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
			fmt.Fprintln(progress, "testcluster: another process is building it, waiting")
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

func build(ctx context.Context, source, path string, progress io.Writer, mod string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	estimate := buildCPUSeconds / runtime.NumCPU()
	version := Version()
	fmt.Fprintf(progress, "building the API servers (%s) of demo and tests: the first time this downloads about 160 "+
		"modules and takes about %d CPU-seconds, some %d minutes on %d cores\n",
		version, buildCPUSeconds, (estimate+59)/60, runtime.NumCPU())
	major, minor := versionParts(version)
	partial := path + ".partial"
	cmd := exec.CommandContext(ctx, "go", "build", mod, "-buildvcs=false", "-v", "-o", partial, "-ldflags", "-s -w"+
		" -X k8s.io/component-base/version.gitVersion="+version+
		" -X k8s.io/component-base/version.gitMajor="+major+" -X k8s.io/component-base/version.gitMinor="+minor, ".")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	var last bytes.Buffer
	if err := watchBuild(cmd, &last, progress); err != nil {
		return fmt.Errorf("%w\n%s", err, last.String())
	}
	return os.Rename(partial, path)
}

func versionParts(v string) (major, minor string) {
	parts := strings.Split(strings.TrimPrefix(v, "v"), ".")
	return parts[0], parts[1]
}

// watchBuild runs the build and tells every 15 s how far it is: go build -v names each package that it compiles. last
// gets what is not a package.
func watchBuild(cmd *exec.Cmd, last *bytes.Buffer, progress io.Writer) error {
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		in.Close()
		ended <- err
	}()
	start, packages := time.Now(), 0
	tick := time.NewTicker(15 * time.Second)
	defer tick.Stop()
	for {
		select {
		case line, ok := <-lines:
			switch {
			case !ok:
				err := <-ended
				if err == nil {
					fmt.Fprintf(progress, "built in %s\n", time.Since(start).Round(time.Second))
				}
				return err
			case strings.ContainsAny(line, " :"):
				fmt.Fprintln(last, line)
			default:
				packages++
			}
		case <-tick.C:
			fmt.Fprintf(progress, "  %4s  %d packages compiled (about 2500 when none was before)\n",
				time.Since(start).Round(time.Second), packages)
		}
	}
}

// removeOld keeps the binaries that were used last.
func removeOld(cache string) error {
	dirs, err := filepath.Glob(filepath.Join(cache, "testcluster-*"))
	if err != nil || len(dirs) <= keepBinaries {
		return err
	}
	used := map[string]time.Time{}
	for _, d := range dirs {
		if info, err := os.Stat(d); err == nil {
			used[d] = info.ModTime()
		}
	}
	slices.SortFunc(dirs, func(a, b string) int { return used[b].Compare(used[a]) })
	for _, d := range dirs[keepBinaries:] {
		if err := os.RemoveAll(d); err != nil {
			return err
		}
	}
	return nil
}
