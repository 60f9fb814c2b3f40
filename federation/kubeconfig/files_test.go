package kubeconfig

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestState(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	path := write("kubeconfig", `apiVersion: v1
kind: Config
current-context: a
clusters:
- {name: a, cluster: {server: "https://a.example:6443", certificate-authority: a.ca}}
- {name: b, cluster: {server: "https://b.example:6443", certificate-authority: b.ca}}
users:
- {name: a, user: {client-certificate: a.crt, client-key: a.key}}
- {name: b, user: {tokenFile: b.token}}
contexts:
- {name: a, context: {cluster: a, user: a}}
- {name: b, context: {cluster: b, user: b}}
`)
	beside := func(names ...string) []string {
		all := []string{path}
		for _, name := range names {
			all = append(all, filepath.Join(dir, name))
		}
		return all
	}
	for _, tt := range []struct {
		name, path, context string
		want                []string
	}{
		{"C1 the current context", path, "", beside("a.ca", "a.crt", "a.key")},
		{"C1 another context", path, "b", beside("b.ca", "b.token")},
		{"C1 no such context", path, "c", beside()},
		{"C1 no such file", filepath.Join(dir, "none"), "", []string{filepath.Join(dir, "none")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Files(tt.path, tt.context); !slices.Equal(got, tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
	for _, name := range []string{"a.ca", "a.crt", "a.key"} {
		t.Run("C1 "+name+" that a kubeconfig names comes, changes and goes", func(t *testing.T) {
			seen := map[string]string{State(path, ""): "missing"}
			for _, step := range []struct {
				name string
				do   func() error
			}{
				{"empty", func() error { write(name, ""); return nil }},
				{"one", func() error { write(name, "one"); return nil }},
				{"two", func() error { write(name, "two"); return nil }},
			} {
				if err := step.do(); err != nil {
					t.Fatal(err)
				}
				state := State(path, "")
				if before, ok := seen[state]; ok {
					t.Errorf("%s is the same as %s", step.name, before)
				}
				seen[state] = step.name
			}
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			if got := seen[State(path, "")]; got != "missing" {
				t.Errorf("missing again is %q", got)
			}
		})
	}
	t.Run("C1 what the other context names is nothing to this one", func(t *testing.T) {
		before := State(path, "")
		write("b.ca", "b")
		if State(path, "") != before {
			t.Error("it has changed")
		}
	})
}
