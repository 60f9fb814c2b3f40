package needs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorder is a test that notes how it ends.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (r *recorder) Helper()                     {}
func (r *recorder) Fatal(args ...any)           { r.failed = args[0].(string); panic(r) }
func (r *recorder) Skipf(f string, args ...any) { r.skipped = args[0].(string); panic(r) }

func run(f func(t testing.TB)) (r *recorder) {
	r = &recorder{}
	defer func() { _ = recover() }()
	f(r)
	return r
}

func TestMissing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "model.json")
	if err := os.WriteFile(file+".gz", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		f       func(t testing.TB)
		missing string
	}{
		{"a program that is there", func(t testing.TB) { Program(t, "go", "golang") }, ""},
		{"a program that is not", func(t testing.TB) { Program(t, "no-such-program", "some-package") }, "some-package"},
		{"a compressed file", func(t testing.TB) { File(t, file, "models") }, ""},
		{"a file that is not there", func(t testing.TB) { File(t, file+"x", "models") }, "models"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(Env, "")
			r := run(tt.f)
			if r.failed != "" || (r.skipped != "") != (tt.missing != "") || !strings.Contains(r.skipped, tt.missing) {
				t.Errorf("with Go alone: skipped %q, failed %q", r.skipped, r.failed)
			}
			t.Setenv(Env, "all")
			r = run(tt.f)
			if r.skipped != "" || (r.failed != "") != (tt.missing != "") || !strings.Contains(r.failed, tt.missing) {
				t.Errorf("in make test: skipped %q, failed %q", r.skipped, r.failed)
			}
		})
	}
}
