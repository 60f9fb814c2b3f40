// Mutants shows that the tests hold the rules: it makes one small wrong change after the other, each in a copy of a
// file that only the compiler sees, and runs the tests of the packages concerned. Each change must make a test fail
// that is named after the clause that it breaks.
//
//	go run ./test/mutants [-run CLAUSE]... [-list]
//
// The changes stand in the text files beside this one; clauses.txt says how they are written.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	only := flag.String("run", "", "only the changes whose `clause` matches this regular expression, such as 'H3.*'")
	list := flag.Bool("list", false, "print the changes, and run nothing")
	workers := flag.Int("p", runtime.NumCPU(), "`number` of test runs side by side")
	flag.Parse()
	clause, err := regexp.Compile("^(" + *only + ")")
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	f, err := readMutants(filepath.Join(root, "test", "mutants"))
	if err != nil {
		return err
	}
	var chosen []mutant
	for _, m := range f.mutants {
		if clause.MatchString(m.clause) {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("-run %q: no change is for such a clause", *only)
	}
	if *list {
		for _, m := range chosen {
			fmt.Printf("%-4s %s (%s %s)\n", m.clause, m.what, m.path, m.decl)
		}
		return nil
	}
	return runAll(ctx, root, chosen, *workers)
}

func runAll(ctx context.Context, root string, mutants []mutant, workers int) error {
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("%d wrong changes, %d at a time\n", len(mutants), workers)
	start := time.Now()
	var g errgroup.Group
	g.SetLimit(workers)
	var mu sync.Mutex
	done, bad := 0, 0
	for i, m := range mutants {
		g.Go(func() error {
			r := try(ctx, root, filepath.Join(dir, fmt.Sprint(i)), m)
			mu.Lock()
			defer mu.Unlock()
			done++
			if !r.caught {
				bad++
			}
			fmt.Printf("[%d/%d] %-4s %s\n        %s\n", done, len(mutants), m.clause, m.what, r.text)
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	fmt.Printf("%d of %d were caught by a test of their clause, in %.0f s\n", len(mutants)-bad, len(mutants),
		time.Since(start).Seconds())
	if bad > 0 {
		return fmt.Errorf("%d were not", bad)
	}
	return nil
}

// moduleRoot is the folder above that has the go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod in this folder or above")
		}
		dir = up
	}
}
