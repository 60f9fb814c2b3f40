package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"

	"github.com/federation-dns/federation/federation"
)

// namesOtherFiles reports whether a secret is to be read from another folder.
func namesOtherFiles(text string) bool {
	var f file
	_ = yaml.Unmarshal([]byte(text), &f) // what can be decoded is
	return slices.ContainsFunc(f.Federations, func(fed fileFederation) bool {
		return fed.Provider.RFC2136 != nil && strings.Contains(fed.Provider.RFC2136.TSIG.SecretFile, "/")
	})
}

// FuzzParse holds for every text that it is either refused, with a line
// for everything that is wrong and nothing of a secret, or taken; and that what
// is taken is the same after it was written and read again.
func FuzzParse(f *testing.F) {
	cases, err := filepath.Glob("testdata/errors/*.txtar")
	if err != nil || len(cases) == 0 {
		f.Fatalf("no cases: %v", err)
	}
	for _, name := range cases {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(archive.Files[0].Data))
	}
	const secret = "c2VjcmV0LW9mLXRoZS1rZXk="
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(secret), 0o600); err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(dir, "config.yaml")
	located := regexp.MustCompile(`^` + regexp.QuoteMeta(path) + `:\d+: `)
	f.Fuzz(func(t *testing.T, text string) {
		if namesOtherFiles(text) {
			return // which may be anything, and are read
		}
		c, err := Parse(path, []byte(text))
		if err != nil {
			if strings.Contains(err.Error(), secret) && !strings.Contains(text, secret) {
				t.Fatalf("the secret stands in %v", err)
			}
			if joined, ok := err.(interface{ Unwrap() []error }); ok {
				for _, e := range joined.Unwrap() {
					if !located.MatchString(e.Error()) {
						t.Errorf("no line: %q", e)
					}
				}
			}
			return
		}
		written := defaults()
		if err := yaml.Unmarshal([]byte(text), &written); err != nil {
			t.Fatal(err)
		}
		again, err := yaml.Marshal(written)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(path, again)
		if err != nil {
			t.Fatalf("written again: %v\n%s", err, again)
		}
		same := cmp.Options{cmp.AllowUnexported(Config{}), cmpopts.EquateEmpty(), cmpopts.EquateComparable(federation.Federation{})}
		if d := cmp.Diff(c, back, same...); d != "" {
			t.Errorf("written and read again (-first +second):\n%s\n%s", d, again)
		}
	})
}
