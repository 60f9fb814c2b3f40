package kube

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// program is one that is built in the module test/cluster, whose versions of Kubernetes it has.
type program struct {
	name, title, pkg string
	// sources: it depends on the sources of the module, and not on its go.mod and go.sum alone.
	sources bool
	// cpuSeconds is what a cold build takes, of all cores together.
	cpuSeconds int
}

var testcluster = program{name: "testcluster", title: "the API servers of demo and tests", pkg: ".", sources: true,
	cpuSeconds: 670}

// nodePrograms are those that a Node with real pods needs; most of their packages are the testcluster's too.
var nodePrograms = []program{
	{name: "kubelet", title: "the kubelet", pkg: "k8s.io/kubernetes/cmd/kubelet", cpuSeconds: 300},
	{name: "kube-proxy", title: "kube-proxy", pkg: "k8s.io/kubernetes/cmd/kube-proxy", cpuSeconds: 300},
	{name: "kube-scheduler", title: "the scheduler", pkg: "k8s.io/kubernetes/cmd/kube-scheduler", cpuSeconds: 300},
}

// NodePrograms are the paths of the programs of Kubernetes that a Node with real pods needs.
type NodePrograms struct{ Kubelet, Proxy, Scheduler string }

// BuildNode returns the programs of a Node, built and kept as that of Binary is.
func BuildNode(ctx context.Context, progress io.Writer) (NodePrograms, error) {
	var paths [3]string
	for i, p := range nodePrograms {
		var err error
		if paths[i], err = p.cached(ctx, progress); err != nil {
			return NodePrograms{}, err
		}
	}
	return NodePrograms{Kubelet: paths[0], Proxy: paths[1], Scheduler: paths[2]}, nil
}

func (p program) build(ctx context.Context, source, path string, progress io.Writer, mod string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	estimate := p.cpuSeconds / runtime.NumCPU()
	version := Version()
	fmt.Fprintf(progress, "building %s (%s): the first time this downloads about 160 modules and takes about %d "+
		"CPU-seconds, some %d minutes on %d cores\n",
		p.title, version, p.cpuSeconds, (estimate+59)/60, runtime.NumCPU())
	major, minor := versionParts(version)
	partial := path + ".partial"
	cmd := exec.CommandContext(ctx, "go", "build", mod, "-buildvcs=false", "-v", "-o", partial, "-ldflags", "-s -w"+
		" -X k8s.io/component-base/version.gitVersion="+version+
		" -X k8s.io/component-base/version.gitMajor="+major+" -X k8s.io/component-base/version.gitMinor="+minor, p.pkg)
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

// removeOld keeps the binaries of the program that were used last.
func (p program) removeOld(cache string) error {
	dirs, err := filepath.Glob(filepath.Join(cache, p.name+"-*"))
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
