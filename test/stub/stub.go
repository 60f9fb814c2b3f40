// Package stub compiles the programs that ask the stub resolvers which programs in pods have: those of glibc, musl, Go
// and the JVM.
package stub

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/federation-dns/federation/test/proc"
)

// Resolver is a stub resolver, by a program that was compiled for it.
type Resolver struct {
	// Name is glibc, musl, Go or JVM.
	Name string
	argv []string
}

// Lookup is the command that asks once for the addresses of a name, of a family: any, ipv4 or ipv6. It prints each in a
// line, or "error" and how the lookup failed.
func (r Resolver) Lookup(family, name string) []string {
	argv := append([]string{}, r.argv...)
	if r.Name == jvm && family == "ipv4" { // options come before the class
		last := len(argv) - 1
		argv = append(argv[:last], "-Djava.net.preferIPv4Stack=true", argv[last])
	}
	return append(argv, family, name)
}

// Again is Lookup for a program that goes on asking, with that many milliseconds between two lookups. An empty line
// ends each answer.
func (r Resolver) Again(family, name string, pause int) []string {
	return append(r.Lookup(family, name), fmt.Sprint(pause))
}

const jvm = "JVM"

// What is compiled.
var (
	//go:embed c/lookup.c
	inC []byte
	//go:embed java/Lookup.java
	inJava []byte
)

const inGo = "github.com/federation-dns/federation/test/stub/go"

// Compile compiles the programs into a folder, which it makes. It needs nothing from the network.
func Compile(ctx context.Context, dir string) ([]Resolver, error) {
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for name, text := range map[string][]byte{"lookup.c": inC, "Lookup.java": inJava} {
		if err := os.WriteFile(path(name), text, 0o644); err != nil {
			return nil, err
		}
	}
	for _, c := range []struct {
		debianPackage string
		argv          []string
	}{
		{"gcc", []string{"gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", path("glibc"), path("lookup.c")}},
		{"musl-tools", []string{"musl-gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", path("musl"),
			path("lookup.c")}},
		{"golang", []string{"go", "build", "-buildvcs=false", "-o", path("go"), inGo}},
		{"default-jdk-headless", []string{"javac", "-d", dir, path("Lookup.java")}},
	} {
		if err := compile(ctx, c.debianPackage, c.argv...); err != nil {
			return nil, err
		}
	}
	java, err := proc.Find("default-jdk-headless", "java")
	return []Resolver{
		{"glibc", []string{path("glibc")}}, {"musl", []string{path("musl")}}, {"Go", []string{path("go")}},
		{jvm, []string{java, "-XX:TieredStopAtLevel=1", "-cp", dir, "Lookup"}},
	}, err
}

func compile(ctx context.Context, debianPackage string, argv ...string) error {
	program, err := proc.Find(debianPackage, argv[0])
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, argv[1:]...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // for Go: no resolver but its own
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, out)
	}
	return nil
}
