package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/federation-dns/federation/test/netns"
)

// What the copy of the program inside finds of the one outside.
const (
	envDir     = "FEDERATION_DNS_NODE_DIR"
	envCgroups = "FEDERATION_DNS_NODE_CGROUPS"
)

// Enter puts the program into a private namespace as netns.Enter does, and returns there the folder for the files of
// Nodes and clusters: its path is short, and it exists. However the program ends, the one outside then removes folder
// and cgroups, which the end of a namespace leaves behind.
func Enter() string {
	if netns.Inside() {
		return os.Getenv(envDir)
	}
	dir := os.Getenv(envDir)
	if dir == "" {
		var err error
		if dir, err = outside(); err != nil {
			fmt.Fprintln(os.Stderr, "node:", err)
			os.Exit(1)
		}
	}
	group := cgroups(os.Getenv(envCgroups))
	netns.EnterWith(netns.Options{Ended: func() error { return errors.Join(group.remove(), os.RemoveAll(dir)) }})
	return dir
}

const folderPrefix = "fed-pods-"

// outside removes what programs left behind that were killed with the one outside, and makes the folder. It is locked
// as long as this process lives.
func outside() (string, error) {
	if err := sweep(); err != nil {
		fmt.Fprintln(os.Stderr, "node: of an earlier run, which was killed, there is something left:", err)
	}
	dir, err := os.MkdirTemp("", folderPrefix)
	if err != nil {
		return "", err
	}
	locked, err := lock(dir)
	if err != nil {
		return "", err
	}
	open = append(open, locked)
	return dir, errors.Join(os.Setenv(envDir, dir), os.Setenv(envCgroups, cgroupPrefix+filepath.Base(dir)))
}

// open keeps the folder of this process open, and so locked, until it ends.
var open []*os.File

// lock takes the folder for this process; an error says that another one has it, or that it has gone.
func lock(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	return f, nil
}

// sweep removes the folders, with their cgroups, whose process outside lives no more. The kernel has ended all inside.
func sweep() error {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), folderPrefix+"*")) // the pattern is good
	var errs []error
	for _, dir := range dirs {
		f, err := lock(dir)
		if err != nil {
			continue // it is in use, or another one has swept it
		}
		errs = append(errs, cgroups(cgroupPrefix+filepath.Base(dir)).remove(), os.RemoveAll(dir))
		f.Close()
	}
	return errors.Join(errs...)
}

// Lacks says what a machine lacks for real pods, apart from programs: "" if it has everything. It is to be called
// inside.
func Lacks() string {
	if _, err := hierarchies(); err != nil {
		return "cgroups: " + err.Error()
	}
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "try0"}, PeerName: "try1"}
	if err := netlink.LinkAdd(veth); err != nil {
		return "pairs of network devices (veth): " + err.Error()
	}
	if err := netlink.LinkDel(veth); err != nil {
		return "pairs of network devices (veth): " + err.Error()
	}
	if out, err := exec.Command("nft", "add", "table", "ip", "try").CombinedOutput(); err != nil {
		return fmt.Sprintf("nftables: %v: %s", err, out)
	}
	if out, err := exec.Command("nft", "delete", "table", "ip", "try").CombinedOutput(); err != nil {
		return fmt.Sprintf("nftables: %v: %s", err, out)
	}
	try := filepath.Join(os.Getenv(envDir), "try")
	if err := overlay(os.Getenv(envDir), try); err != nil {
		return "file systems of type overlay: " + err.Error()
	}
	if err := unix.Unmount(os.Getenv(envDir), 0); err != nil {
		return "file systems of type overlay: " + err.Error()
	}
	return ""
}
