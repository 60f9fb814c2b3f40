// Federation-syncer watches all member clusters of its federations and keeps
// their topology-zone, region and global records true.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set when the program is built.
var version = "unknown"

// The exit codes: a run that failed, and an error that the user can fix.
const (
	exitFailed = 1
	exitUsage  = 2
)

// errUsage marks errors of the command line and of the configuration.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	reload := make(chan os.Signal, 1) // before anything else: by default, SIGHUP kills the process
	signal.Notify(reload, syscall.SIGHUP)
	os.Exit(Main(ctx, reload))
}

// Main runs the command line and returns the exit code.
func Main(ctx context.Context, reload <-chan os.Signal) int {
	stderr := newLogWriter(os.Stderr)
	defer stderr.close()
	err := rootCommand(stderr, reload).ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	fmt.Fprintln(stderr, "federation-syncer:", err)
	return exitFailed
}

// usageError is an error that the user can fix; its text is err's.
type usageError struct{ err error }

func (e usageError) Error() string   { return e.err.Error() }
func (e usageError) Unwrap() []error { return []error{e.err, errUsage} }

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unexpected argument %q (%s --help)", args[0], cmd.CommandPath())}
	}
	return nil
}
