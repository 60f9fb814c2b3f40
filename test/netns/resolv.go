package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const resolvConf = "/etc/resolv.conf"

// ResolvConf makes content the /etc/resolv.conf inside the namespace: the
// machine's own file is only covered.
func ResolvConf(content string) error {
	f, err := os.CreateTemp("", "resolv.conf-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // the mount keeps it
	_, err = f.WriteString(content)
	if err := errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return coverResolvConf(f.Name())
}

func coverResolvConf(with string) error {
	// What covers it now may be a file that is gone, on which nothing can be
	// mounted; if nothing does, that is no error.
	if err := unix.Unmount(resolvConf, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("own %s: %w", resolvConf, err)
	}
	if err := unix.Mount(with, resolvConf, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("own %s: %w (the file must exist on the machine)", resolvConf, err)
	}
	return nil
}

// Command returns a command that sees the file resolvConf as its
// /etc/resolv.conf, as a pod sees its own; nobody else does. It is to be used
// inside.
func Command(ctx context.Context, resolvConf string, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", append([]string{resolvConf}, argv...)...)
	cmd.Env = append(os.Environ(), stageEnv+"="+stagePod)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// becomePod covers /etc/resolv.conf with the first argument and becomes the
// command of the others.
func becomePod() error {
	if len(os.Args) < 3 {
		return errors.New("a resolv.conf and a command are needed")
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := coverResolvConf(os.Args[1]); err != nil {
		return err
	}
	path, err := exec.LookPath(os.Args[2])
	if err != nil {
		return err
	}
	env := os.Environ()
	for i, e := range env {
		if strings.HasPrefix(e, stageEnv+"=") {
			env[i] = stageEnv + "=" + stageIn
		}
	}
	return unix.Exec(path, os.Args[2:], env)
}

// Shell returns the command that runs argv inside the namespace whose PIDFile
// this is, from outside: nsenter of util-linux, which every Debian has. A
// namespace that has ended is an error that says so.
func Shell(pidFile string, argv ...string) (*exec.Cmd, error) {
	b, err := os.ReadFile(pidFile)
	if err != nil {
		return nil, fmt.Errorf("nothing runs here: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, fmt.Errorf("file %q: %w", pidFile, err)
	}
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return nil, fmt.Errorf("process %d of %q has ended", pid, pidFile)
	}
	args := []string{"--target", strconv.Itoa(pid), "--net", "--mount", "--pid"}
	if os.Geteuid() != 0 {
		args = append(args, "--user", "--preserve-credentials")
	}
	cmd := exec.Command("nsenter", append(append(args, "--"), argv...)...)
	cmd.Env = append(os.Environ(), stageEnv+"="+stageIn)
	return cmd, nil
}
