package verify

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAgain builds the release from a copy of the checkout in another folder, with nothing cached.
func TestAgain(t *testing.T) {
	if !*again {
		t.Skip("make test-release builds a second time (-again)")
	}
	other := filepath.Join(t.TempDir(), "another", "folder")
	copyCheckout(t, checkout, other)
	tool := filepath.Join(t.TempDir(), "release")
	run(t, exec.Command("go", "build", "-o", tool, ".."))
	out := filepath.Join(t.TempDir(), "dist")
	cmd := exec.Command(tool, "-root", other, "-out", out, "-version", version(t), "-toolchain", *goVersion)
	cmd.Env = append(os.Environ(), "GOCACHE="+t.TempDir())
	run(t, cmd)
	t.Run("I1 the second build equals the first", func(t *testing.T) {
		got, err := os.ReadFile(filepath.Join(out, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		if want := string(read(t, "SHA256SUMS")); string(got) != want {
			t.Errorf("SHA256SUMS:\n%s\nof the second:\n%s", want, got)
		}
	})
}

// copyCheckout copies what git knows or could be told, and git's own files.
func copyCheckout(t *testing.T, from, to string) {
	t.Helper()
	out, err := exec.Command("git", "-C", from, "ls-files", "-co", "--exclude-standard", "-z").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		path := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		run(t, exec.Command("cp", "-a", filepath.Join(from, name), path))
	}
	run(t, exec.Command("cp", "-a", filepath.Join(from, ".git"), filepath.Join(to, ".git")))
}

func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}
