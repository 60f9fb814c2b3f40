// Package netns runs a program in a private network, mount and process namespace, where port 53 and every address can
// be had and the machine stays untouched. As root it needs nothing; else it takes a user namespace.
//
// A program calls [Enter] first thing in main or TestMain, before it looks at its arguments: [Command] starts the same
// program again, with others. The program that was started then only waits, and ends with the status of its copy
// inside, which goes on after Enter. Between them stands a first process of the namespace, which reaps what is left
// behind: when the copy ends, the kernel ends every process inside.
//
// Another program gets in with [Shell], which takes the file of Options.PIDFile.
package netns

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// stageEnv tells the copies of the program which they are.
const stageEnv = "FEDERATION_DNS_NETNS"

const (
	stageInit = "init" // first process of the namespace
	stageIn   = "in"   // the program itself
	stagePod  = "pod"  // about to become a command with a resolv.conf of its own
)

// Options are what a program may want of its namespace.
type Options struct {
	// PIDFile, if set, is written with the id, outside, of the first process inside, and removed at the end.
	PIDFile string
	// Ended, if set, is called outside when no process is left inside, however the namespace has ended. It removes what
	// a namespace does not take with it; its error is the program's.
	Ended func() error
	// Files are open inside too: see Files. A socket stays one of the network outside.
	Files []*os.File
}

// Enter puts the program into a private namespace; see the package comment. It returns inside. If the namespace cannot
// be had the program ends with status 1 and an error that says why.
func Enter() { EnterWith(Options{}) }

// EnterWith is Enter with options.
func EnterWith(o Options) {
	var err error
	status := 1
	switch os.Getenv(stageEnv) {
	case "":
		status, err = outside(o)
	case stageInit:
		status, err = first()
	case stagePod:
		err = becomePod()
	case stageIn:
		return
	default:
		err = fmt.Errorf("%s=%q is not a value of ours", stageEnv, os.Getenv(stageEnv))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "private namespace:", err)
		status = 1
	}
	os.Exit(status)
}

// Inside reports whether the program runs in its private namespace.
func Inside() bool { return os.Getenv(stageEnv) == stageIn }

// outside starts the first process inside, passes signals on, and waits.
func outside(o Options) (int, error) {
	attr := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	if uid := os.Geteuid(); uid != 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	runtime.LockOSThread() // Pdeathsig is the thread's: it must live as long as we wait
	cmd, err := again(stageInit, os.Args[1:]...)
	if err != nil {
		return 1, err
	}
	cmd.SysProcAttr = attr
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	passFiles(cmd, o.Files)
	if err := cmd.Start(); err != nil {
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL) {
			return 1, fmt.Errorf("not permitted here (%w): run as root, or where user namespaces are allowed "+
				"(sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns, "+
				"user.max_user_namespaces)", err)
		}
		return 1, err
	}
	if o.PIDFile != "" {
		if err := os.WriteFile(o.PIDFile, []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o644); err != nil {
			_ = cmd.Process.Kill()
			return 1, err
		}
		defer os.Remove(o.PIDFile)
	}
	status, err := passOn(cmd)
	if o.Ended != nil {
		err = errors.Join(err, o.Ended())
	}
	return status, err
}

// passOn waits for the child and hands signals to it until it ends.
func passOn(cmd *exec.Cmd) (int, error) {
	defer forwardSignals(cmd.Process)()
	return statusOf(cmd.Wait())
}

// forwardSignals hands signals to the process until the returned function is called. SIGINT is only kept from ending
// us: a terminal sends it to the child as well.
func forwardSignals(p *os.Process) (stop func()) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT)
	go func() {
		for s := range signals {
			if s != syscall.SIGINT {
				_ = p.Signal(s) // a child that has ended
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
	}
}

func statusOf(err error) (int, error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case !errors.As(err, &exit):
		return 1, err
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// first prepares the namespace, starts the program, and reaps orphans.
func first() (int, error) {
	if err := prepare(); err != nil {
		return 1, err
	}
	cmd, err := again(stageIn, os.Args[1:]...)
	if err != nil {
		return 1, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	passFiles(cmd, Files())
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	defer forwardSignals(cmd.Process)()
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 1, err
		case pid == cmd.Process.Pid && ws.Signaled():
			return 128 + int(ws.Signal()), nil
		case pid == cmd.Process.Pid:
			return ws.ExitStatus(), nil
		}
	}
}

// prepare makes the namespace what Enter promises: own mounts, own /proc, an own empty /etc/resolv.conf, lo up, and
// IPv6 addresses of local routes can be bound as those of IPv4 can.
func prepare() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("own mounts: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("own /proc: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("lo up: %w", err)
	}
	if err := os.WriteFile("/proc/sys/net/ipv6/ip_nonlocal_bind", []byte("1\n"), 0o644); err != nil {
		return fmt.Errorf("IPv6 is needed: %w", err)
	}
	return nil
}

// AddLocal makes every address of the prefix local: it can be bound, and reached from inside. Adding it again is no
// error.
func AddLocal(prefix netip.Prefix) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	dst, err := netlink.ParseIPNet(prefix.Masked().String())
	if err != nil {
		return err
	}
	route := &netlink.Route{LinkIndex: lo.Attrs().Index, Dst: dst, Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL,
		Scope: netlink.SCOPE_HOST}
	if !prefix.Addr().Is4() {
		route.Scope = netlink.SCOPE_UNIVERSE
	}
	if err := netlink.RouteReplace(route); err != nil {
		return fmt.Errorf("local route to %s: %w", prefix, err)
	}
	return nil
}

// again is this program with another stage.
func again(stage string, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), stageEnv+"="+stage)
	return cmd, nil
}
