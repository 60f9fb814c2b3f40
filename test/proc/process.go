// Package proc runs the programs that tests and measurements start, and ends them.
package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// EnvDir is the variable that every child process has in its environment; it
// holds the folder of the World, by which a running World can be found.
const EnvDir = "FEDERATION_DNS_WORLD"

// Process is a child process whose output goes to a log file.
type Process struct {
	Name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended, once done is closed
}

// Start starts a program. What it writes is added to the log file.
func Start(name, log string, env []string, program string, args ...string) (*Process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer f.Close() // the child has its own
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = f, f
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us: we end the children in order
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p := &Process{Name: name, cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Ended says how the process ended, or nil while it runs.
func (p *Process) Ended() error {
	select {
	case <-p.done:
		if p.err == nil {
			return fmt.Errorf("%s has ended by itself", p.Name)
		}
		return fmt.Errorf("%s has ended by itself: %w", p.Name, p.err)
	default:
		return nil
	}
}

// Stop ends the process with SIGTERM, and with SIGKILL if it has not ended
// after grace.
func (p *Process) Stop(grace time.Duration) error {
	if p == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.done:
	case <-time.After(grace):
		p.Kill()
		return fmt.Errorf("%s did not end within %s of SIGTERM", p.Name, grace)
	}
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() &&
		status.Signal() != syscall.SIGTERM {
		return fmt.Errorf("%s ended by %s", p.Name, status.Signal())
	}
	return nil
}

// Kill ends the process at once and waits for its end.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// PID is the id of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Pause stops the process from running, as SIGSTOP does.
func (p *Process) Pause() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (p *Process) Resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// Command runs a program to its end and returns its standard output; an error has what it wrote to standard error.
func Command(ctx context.Context, program string, args ...string) (string, error) {
	return CommandWith(ctx, nil, "", program, args...)
}

// CommandWith runs a program to its end and returns its standard output; an error
// has what it wrote to standard error.
func CommandWith(ctx context.Context, env []string, stdin, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = strings.NewReader(stdin)
	return Output(cmd, strings.Join(append([]string{filepath.Base(program)}, args...), " "))
}

// Output runs a command and returns what it prints. An error has what it says on standard error, and what as its name.
func Output(cmd *exec.Cmd, what string) (string, error) {
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(out), fmt.Errorf("%s: %w: %s", what, err, strings.TrimSpace(string(exit.Stderr)))
	}
	if err != nil {
		return string(out), fmt.Errorf("%s: %w", what, err)
	}
	return string(out), nil
}

// Poll calls f until it gives no error or ctx has ended; what says in the error what was waited for.
func Poll(ctx context.Context, what string, f func() error) error {
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Tail is the last n lines of a file.
func Tail(path string, n int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := slices.DeleteFunc(slices.Collect(strings.Lines(string(data))), func(line string) bool {
		return strings.Contains(line, "plugin/transfer: Outgoing transfer")
	})
	return strings.TrimRight(strings.Join(lines[max(0, len(lines)-n):], ""), "\n")
}

// Find returns the path of a program that a Debian package has; an error
// names the package.
func Find(debianPackage, name string) (string, error) {
	for _, candidate := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no %s: install the Debian package %s", name, debianPackage)
}

// Unconfined copies a server of the distribution: at its own place a security module (AppArmor, on Debian) may confine
// it to the folders of the system's daemon.
func Unconfined(debianPackage, name, copied string) error {
	path, err := Find(debianPackage, name)
	if err != nil {
		return err
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(copied, program, 0o755)
}

// Pause waits for that long, or until ctx ends: then it returns false. It is part of a measurement, not a wait for
// something to come true.
func Pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
