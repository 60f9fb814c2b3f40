// Vulncheck says which known vulnerabilities the released programs reach. It runs govulncheck with the Go that builds
// the release and with a database that go.mod pins, so that the same checkout gives the same answer, without network.
//
// A vulnerability that is reached is an error, unless exceptions.txt has it with a date that is not over and a reason.
// So is an exception that has run out, or that nothing needs any more.
//
//	go run . [-root ../..] [-toolchain go1.26.10] [packages]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, time.Now())
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "vulncheck:", err)
		os.Exit(1)
	}
}

// options are what the command line asks for.
type options struct {
	root, toolchain, exceptions string
	db                          string // folder of OSV entries; "" is the one that go.mod pins
	packages                    []string
}

func run(ctx context.Context, args []string, out io.Writer, now time.Time) error {
	f := flag.NewFlagSet("vulncheck", flag.ContinueOnError)
	var o options
	f.StringVar(&o.root, "root", ".", "`folder` of the checkout")
	f.StringVar(&o.toolchain, "toolchain", "", "Go `toolchain` that builds the programs, such as go1.26.10; default: "+
		"the one in use")
	f.StringVar(&o.exceptions, "exceptions", "exceptions.txt", "`file` of the vulnerabilities that may be reached")
	f.StringVar(&o.db, "db", "", "`folder` of OSV entries; default: data/osv of golang.org/x/vulndb, as go.mod pins it")
	f.Usage = func() {
		fmt.Fprintf(f.Output(), "usage: vulncheck [flags] [packages]\n\nLooks for known vulnerabilities that the "+
			"programs among the packages\n(default: ./cmd/...) reach.\n\n")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.packages = f.Args(); len(o.packages) == 0 {
		o.packages = []string{"./cmd/..."}
	}
	excepted, err := readExceptions(o.exceptions)
	if err != nil {
		return err
	}
	if o.db == "" {
		db, err := pinned(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, db.describe(now))
		o.db = db.dir
	}
	if o.db, err = filepath.Abs(o.db); err != nil {
		return err
	}
	s, err := newScanner(ctx, o)
	if err != nil {
		return err
	}
	programs, err := s.programs(ctx)
	if err != nil {
		return err
	}
	j := newJudge(excepted, now)
	for _, program := range programs {
		r, err := s.scan(ctx, program)
		if err != nil {
			return err
		}
		j.report(out, path.Base(program), r)
	}
	return j.verdict()
}
