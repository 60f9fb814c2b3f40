package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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

// roundedNumber is a value in the text that is not a number in decimal digits, though its field is one; "" if there is
// none.
func roundedNumber(text string) (bad string) {
	numbers := []string{"ttl", "maxAddresses", "requestsPerSecond", "maxServices", "panicThreshold", "maxDeletePercent"}
	digits := regexp.MustCompile(`^-?\d+$`)
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for i, value := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 1 && slices.Contains(numbers, n.Content[i-1].Value) {
				if value.Kind == yaml.AliasNode {
					value = value.Alias
				}
				if value.ShortTag() != "!!null" && !digits.MatchString(value.Value) {
					bad = value.Value
				}
			}
			walk(value)
		}
	}
	dec := yaml.NewDecoder(strings.NewReader(text))
	for {
		var doc yaml.Node
		if dec.Decode(&doc) != nil {
			return bad
		}
		walk(&doc)
	}
}

// FuzzParse holds for every text that it is either refused, with a line of the
// file for everything that is wrong and nothing of a secret, or accepted; that
// what is accepted is the same after it was written and read again; and that no
// number in it was rounded.
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
	located := regexp.MustCompile(`^` + regexp.QuoteMeta(path) + `:(\d+): `)
	f.Fuzz(func(t *testing.T, text string) {
		if namesOtherFiles(text) {
			return // which may be anything, and are read
		}
		c, err := Parse(path, []byte(text))
		if err != nil {
			if strings.Contains(err.Error(), secret) && !strings.Contains(text, secret) {
				t.Fatalf("the secret stands in %v", err)
			}
			joined, ok := err.(interface{ Unwrap() []error })
			if !ok {
				t.Fatalf("not a list of errors: %v", err)
			}
			for _, e := range joined.Unwrap() {
				m := located.FindStringSubmatch(e.Error())
				if m == nil {
					t.Fatalf("no line: %q", e)
				}
				if n, _ := strconv.Atoi(m[1]); n < 1 || n > strings.Count(text, "\n")+1 {
					t.Errorf("line %d of %d: %q", n, strings.Count(text, "\n")+1, e)
				}
			}
			return
		}
		if has := roundedNumber(text); has != "" {
			t.Errorf("a number was rounded, or read in another notation: %q", has)
		}
		written := defaults()
		if d := newDocument(path); !d.decode([]byte(text), &written) || len(d.errs) > 0 {
			t.Fatal(d.joined())
		}
		again, err := yaml.Marshal(written)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(path, again)
		if err != nil {
			t.Fatalf("written again: %v\n%s", err, again)
		}
		same := cmp.Options{cmp.AllowUnexported(Config{}), cmpopts.EquateEmpty(),
			cmpopts.EquateComparable(federation.Federation{})}
		if d := cmp.Diff(c, back, same...); d != "" {
			t.Errorf("written and read again (-first +second):\n%s\n%s", d, again)
		}
	})
}
