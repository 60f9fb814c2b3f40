// Package needs lets tests say what they need beyond Go: a DNS server, a compiler, real API servers. `make test`
// installs and builds all of it and sets FEDERATION_DNS_TESTS=all: then a missing thing fails the test. In a plain `go
// test ./...` the test is skipped, and says what it lacks.
package needs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Env is the variable that the Makefile sets.
const Env = "FEDERATION_DNS_TESTS"

// All reports whether every test has to run, and in full: a test that repeats itself for long does less of it
// otherwise.
func All() bool { return os.Getenv(Env) == "all" }

// Program returns the path of a program, also of one in /usr/sbin, which is not in every user's PATH. Package is the
// Debian package that has it.
func Program(t testing.TB, program, debian string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		path, err = exec.LookPath(filepath.Join("/usr/sbin", program))
	}
	if err != nil {
		missing(t, fmt.Sprintf("the program %s is missing: install the Debian package %s", program, debian))
	}
	return path
}

// File makes sure that a file of a Debian package is there, plain or compressed.
func File(t testing.TB, path, debian string) {
	t.Helper()
	for _, p := range []string{path, path + ".gz"} {
		if _, err := os.Stat(p); err == nil {
			return
		}
	}
	missing(t, fmt.Sprintf("%s is missing: install the Debian package %s", path, debian))
}

// Built makes sure that a program is there which make builds, by this target.
func Built(t testing.TB, path, target string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		missing(t, fmt.Sprintf("%s is missing: run make %s", path, target))
	}
}

// Long is for a test that builds or waits for long: a plain `go test ./...` takes two minutes in all.
func Long(t testing.TB, why string) {
	t.Helper()
	if !All() {
		t.Skipf("skipped: %s; make test runs it", why)
	}
}

// Main is for a TestMain whose tests need what only make test provides. It ends the program, with a line that says so,
// where they cannot run.
func Main(what string) {
	if All() {
		return
	}
	fmt.Printf("skipped: these tests need %s; make test runs them\n", what)
	os.Exit(0)
}

func missing(t testing.TB, what string) {
	t.Helper()
	if All() {
		t.Fatal(what)
	}
	t.Skipf("skipped: %s; make test provides it and runs this test", what)
}
