// Kubectl-federation is the plugin of kubectl that shows a federation: its
// members, its services and records, and why a name answers what it answers.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/federation-dns/federation/federation/live"
)

// version is set when the program is built.
var version = "unknown"

// The exit codes of every verb.
const (
	exitGood    = 0
	exitBad     = 1 // what was asked for is not well, or is not there
	exitUnknown = 2 // it could not be found out
)

// errBad is the end of a verb that has shown something that is not well: there is no more to say.
var errBad = errors.New("not well")

// unknownError is an error because of which nothing could be found out; its text is err's.
type unknownError struct{ error }

func (e unknownError) Unwrap() error { return e.error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := rootCommand(programName(os.Args[0]), time.Now).ExecuteContext(ctx)
	stop()
	if err != nil && !errors.Is(err, errBad) {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	os.Exit(exitCode(err))
}

// exitCode is the exit code of a verb that ends with the error.
func exitCode(err error) int {
	var unknown unknownError
	switch {
	case err == nil:
		return exitGood
	case errors.As(err, &unknown), errors.Is(err, live.ErrNoSyncer):
		return exitUnknown
	}
	return exitBad
}
