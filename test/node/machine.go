package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sysctls are those that a kubelet sets for the whole machine. It finds its values there, and sets nothing.
var sysctls = map[string]string{
	"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1",
	"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
}

// cover gives the namespace what containerd, the CNI plugins and a kubelet would else write of the machine: /run,
// /var/log, sysctls, and what is new in /var/lib. It makes the namespace forward packets between pods.
func cover(dir string) error {
	for _, at := range []string{"/run", "/var/log"} {
		if err := unix.Mount("tmpfs", at, "tmpfs", 0, "mode=0755"); err != nil {
			return fmt.Errorf("own %s: %w", at, err)
		}
	}
	if err := overlay("/var/lib", filepath.Join(dir, "var-lib")); err != nil {
		return fmt.Errorf("own /var/lib: %w", err)
	}
	for name, value := range sysctls {
		file := filepath.Join(dir, strings.ReplaceAll(name, "/", "-"))
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(file, filepath.Join("/proc/sys", name), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("own sysctl %s: %w", name, err)
		}
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1\n"), 0o644)
}

// overlay keeps in dir what will be written below a folder.
func overlay(folder, dir string) error {
	upper, work := filepath.Join(dir, "upper"), filepath.Join(dir, "work")
	if err := errors.Join(os.MkdirAll(upper, 0o755), os.MkdirAll(work, 0o755)); err != nil {
		return err
	}
	return unix.Mount("overlay", folder, "overlay", 0, "lowerdir="+folder+",upperdir="+upper+",workdir="+work)
}

// cgroups is the name of a cgroup in every hierarchy of the machine, in which those of all pods are.
type cgroups string

const cgroupPrefix = "federation-dns-pods-"

// hierarchies are the folders of cgroups: one for each controller (version 1), or a single one.
func hierarchies() ([]string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	var dirs []string
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); f[2] == "cgroup" || f[2] == "cgroup2" {
			dirs = append(dirs, f[1])
		}
	}
	if len(dirs) == 0 {
		return nil, errors.New("no cgroups are mounted")
	}
	return dirs, nil
}

func (c cgroups) create() error {
	dirs, err := hierarchies()
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, string(c))
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		// A new cpuset has no CPUs, and nothing can run in it.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			value, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				continue // not the hierarchy of cpusets
			}
			if err := os.WriteFile(filepath.Join(path, file), value, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove removes the cgroups, in which nothing runs any more. Those that are not there are no error.
func (c cgroups) remove() error {
	dirs, err := hierarchies()
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range dirs {
		errs = append(errs, removeCgroup(filepath.Join(dir, string(c))))
	}
	return errors.Join(errs...)
}

// removeCgroup removes a cgroup with all below it. The kernel may need a moment after the last process.
func removeCgroup(path string) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() {
			err = errors.Join(err, removeCgroup(filepath.Join(path, e.Name())))
		}
	}
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(5 * time.Second); ; <-time.After(20 * time.Millisecond) {
		err := syscall.Rmdir(path)
		if err == nil || errors.Is(err, syscall.ENOENT) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("cgroup %s: %w", path, err)
		}
	}
}
