package scenario

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// The folder of a running demo lies below the system's folder for temporary
// files, and beside it its PIDFile. Its path is short, as sockets stand in it.
const (
	dirPrefix = "fed-demo-"
	pidSuffix = ".pid"
)

// NewDirName returns a name for the folder of a World that can be entered from
// outside. There is no folder of that name yet.
func NewDirName() string { return filepath.Join(os.TempDir(), dirPrefix+rand.Text()[:10]) }

// PIDFile holds the id of the first process in the World's namespace.
func PIDFile(dir string) string { return dir + pidSuffix }

// AdminSocket is the syncer's.
func AdminSocket(dir string) string { return filepath.Join(dir, "syncer", "admin.sock") }

// FindDir returns the folder of the running demo that was started last, or
// that of the name given, if it runs.
func FindDir(name string) (string, error) {
	files := []string{PIDFile(name)}
	if name == "" {
		files, _ = filepath.Glob(PIDFile(filepath.Join(os.TempDir(), dirPrefix+"*"))) // the pattern is good
	}
	type running struct {
		dir   string
		since int64
	}
	var found []running
	for _, f := range files {
		info, err := os.Stat(f)
		if err == nil && alivePID(f) {
			found = append(found, running{strings.TrimSuffix(f, pidSuffix), info.ModTime().UnixNano()})
		}
	}
	if len(found) == 0 {
		if name != "" {
			return "", fmt.Errorf("no demo runs in %q", name)
		}
		return "", errors.New("no demo runs: start one with make demo, in another terminal")
	}
	return slices.MaxFunc(found, func(a, b running) int { return cmp.Compare(a.since, b.since) }).dir, nil
}

func alivePID(file string) bool {
	b, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	return err == nil && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
