package world

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

	"github.com/federation-dns/federation/test/proc"
)

// The folder of a running demo lies below the system's folder for temporary
// files, and beside it its PIDFile. Its path is short, because it contains sockets.
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

// Folder holds the files of a World: a log for each process, the configurations, and the resolv.conf of each view.
type Folder struct{ dir string }

// Dir is the folder of the World.
func (f Folder) Dir() string { return f.dir }

// LogDir is the folder of the logs, one a process.
func (f Folder) LogDir() string { return f.Path("log") }

// Tails are the last lines of each log, without the transfers that we make
// ourselves.
func (f Folder) Tails(lines int) string {
	logs, _ := filepath.Glob(f.Path("log", "*.log")) // the pattern is good
	var b strings.Builder
	for _, l := range logs {
		fmt.Fprintf(&b, "--- %s\n%s\n", l, proc.Tail(l, lines))
	}
	return b.String()
}

// Path returns a path inside the folder.
func (f Folder) Path(elem ...string) string {
	return filepath.Join(append([]string{f.dir}, elem...)...)
}

// Env returns the environment by which a program finds the folder.
func (f Folder) Env() []string { return []string{proc.EnvDir + "=" + f.dir} }

// LogFile returns the path of the log of a program.
func (f Folder) LogFile(name string) string { return f.Path("log", name+".log") }

// WriteResolv writes the resolv.conf of a view.
func (f Folder) WriteResolv(view, server string, lines ...string) error {
	text := "nameserver " + server + "\n" + strings.Join(lines, "\n") + "\n"
	return os.WriteFile(ViewOf(f.dir, view).Resolv, []byte(text), 0o644)
}

// Unconfined copies a server of the distribution into the World (proc.Unconfined).
func (f Folder) Unconfined(debianPackage, name string) (string, error) {
	copied := f.Path("bin", name)
	return copied, proc.Unconfined(debianPackage, name, copied)
}
