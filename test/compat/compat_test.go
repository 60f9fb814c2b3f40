// Package compat shows that the plugin can be compiled into an admin's own CoreDNS.
package compat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/test/needs"
)

const (
	module = "github.com/federation-dns/federation"
	plugin = module + "/plugin/federation"
	server = "github.com/coredns/coredns"
)

// TestOwnBuild does to the source of CoreDNS what its admin does: our line in plugin.cfg, go generate, the module
// required (here, replaced by this checkout), go build.
func TestOwnBuild(t *testing.T) {
	needs.Long(t, "building CoreDNS from its source takes minutes")
	readSources(t)
	source := copySource(t)
	addLine(t, filepath.Join(source, "plugin.cfg"))
	command(t, source, "go", "generate", "coredns.go")
	t.Run("Q2 the directive stands directly before those of k8s_external and kubernetes", func(t *testing.T) {
		order := directives(t, source)
		at := slices.Index(order, "federation")
		if want := []string{"federation", "k8s_external", "kubernetes"}; at < 0 ||
			!slices.Equal(order[at:min(at+3, len(order))], want) {
			t.Errorf("order %q, want %q in it", order, want)
		}
	})

	before := read(t, filepath.Join(source, "go.mod"))
	checkout, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	command(t, source, "go", "mod", "edit", "-require="+module+"@v0.0.0", "-replace="+module+"="+checkout)
	command(t, source, "go", "build", "-mod=mod", "-buildvcs=false", "-o", "coredns", ".")
	t.Run("its go.mod gains us and nothing else", func(t *testing.T) {
		added, removed := difference(before, read(t, filepath.Join(source, "go.mod")))
		if diff := cmp.Diff([]string{module + " v0.0.0", "replace " + module + " => " + checkout}, added); diff != "" {
			t.Errorf("lines added (-want +got):\n%s", diff)
		}
		if len(removed) > 0 {
			t.Errorf("lines gone: %q", removed)
		}
	})
	t.Run("no module in the program has moved", func(t *testing.T) {
		wanted := requirements(before)
		seen := 0
		for path, version := range linked(t, source) {
			switch want, ok := wanted[path]; {
			case path == module || path == server:
			case !ok:
				t.Errorf("module %s %s is new", path, version)
			case version != want:
				t.Errorf("module %s is at %s, in CoreDNS's go.mod at %s", path, version, want)
			default:
				seen++
			}
		}
		if seen < 50 {
			t.Errorf("only %d modules were compared", seen)
		}
	})
	t.Run("the program has the plugin", func(t *testing.T) {
		if list := strings.Fields(string(command(t, source, "./coredns", "-plugins"))); !slices.Contains(list,
			"federation") {
			t.Errorf("coredns -plugins: %q", list)
		}
	})
	t.Run("Q12 and the plugin finds the kubernetes plugin's options", func(t *testing.T) {
		corefile := ".:0 {\n federation {\n myfederation example.com\n }\n kubernetes cluster.local {\n endpoint " +
			"http://127.0.0.1:9\n noendpoints\n }\n}\n"
		if err := os.WriteFile(filepath.Join(source, "Corefile"), []byte(corefile), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := output(t, source, "./coredns"); err == nil ||
			!bytes.Contains(out, []byte("plugin/federation: the kubernetes plugin has the option noendpoints")) {
			t.Errorf("it ended with %v and said\n%s", err, out)
		}
	})
}

// readSources looks at the files that go build reads for us: go test keeps a result until a file changes that the test
// itself has read.
func readSources(t *testing.T) {
	t.Helper()
	read(t, filepath.Join("..", "..", "go.mod"))
	for _, dir := range []string{"plugin/federation", "federation"} {
		files, err := filepath.Glob(filepath.Join("..", "..", dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no Go files in %s: %v", dir, err)
		}
		for _, f := range files {
			read(t, f)
		}
	}
}

// copySource copies the source of the CoreDNS version in our go.mod, which the module cache has, to where it can be
// changed.
func copySource(t *testing.T) string {
	t.Helper()
	version := strings.TrimSpace(string(command(t, ".", "go", "list", "-m", "-f", "{{.Version}}", server)))
	var got struct{ Dir string }
	if err := json.Unmarshal(command(t, ".", "go", "mod", "download", "-json", server+"@"+version), &got); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "coredns")
	if err := os.CopyFS(to, os.DirFS(got.Dir)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(to, func(path string, d os.DirEntry, err error) error { // the cache is read-only
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.Chmod(path, 0o755)
		}
		return os.Chmod(path, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// addLine adds our line to plugin.cfg, where the plugin's README says.
func addLine(t *testing.T, path string) {
	t.Helper()
	cfg := read(t, path)
	at := regexp.MustCompile(`(?m)^(k8s_external|kubernetes):`).FindStringIndex(cfg)
	if at == nil {
		t.Fatalf("neither k8s_external nor kubernetes in\n%s", cfg)
	}
	cfg = cfg[:at[0]] + "federation:" + plugin + "\n" + cfg[at[0]:]
	if err := os.WriteFile(path, []byte(cfg), 0o644); err != nil {
		t.Fatal(err)
	}
}

// directives are those that go generate has put in order.
func directives(t *testing.T, source string) []string {
	t.Helper()
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^\t"(\w+)",$`).FindAllStringSubmatch(read(t,
		filepath.Join(source, "core", "dnsserver", "zdirectives.go")), -1) {
		out = append(out, m[1])
	}
	return out
}

// difference is what lines b has and a has not, and the other way round.
func difference(a, b string) (added, removed []string) {
	only := func(a, b string) (out []string) {
		has := map[string]bool{}
		for l := range strings.Lines(a) {
			has[strings.TrimSpace(l)] = true
		}
		for l := range strings.Lines(b) {
			if l = strings.TrimSpace(l); !has[l] {
				out = append(out, l)
			}
		}
		return out
	}
	return only(a, b), only(b, a)
}

var requirement = regexp.MustCompile(`(?m)^\s+(\S+) (v\S+)`)

func requirements(gomod string) map[string]string {
	out := map[string]string{}
	for _, m := range requirement.FindAllStringSubmatch(gomod, -1) {
		out[m[1]] = m[2]
	}
	return out
}

// linked are the modules in the program, with their versions.
func linked(t *testing.T, source string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for l := range strings.Lines(string(command(t, source, "go", "version", "-m", "coredns"))) {
		if f := strings.Fields(l); len(f) >= 3 && f[0] == "dep" {
			out[f[1]] = f[2]
		}
	}
	return out
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// output runs a command; command fails the test if that fails.

func output(t *testing.T, dir, name string, args ...string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.WaitDelay = 10 * time.Second
	var stdout, all bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &all
	err := cmd.Run()
	if err != nil {
		return append(all.Bytes(), stdout.Bytes()...), fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	return stdout.Bytes(), nil
}

func command(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	out, err := output(t, dir, name, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}
