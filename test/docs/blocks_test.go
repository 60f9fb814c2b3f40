package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// files returns the files of the repository with one of the extensions, sorted, each with its text.
func files(t *testing.T, extensions ...string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path) // both are relative to this folder
		hidden := strings.HasPrefix(d.Name(), ".") && name != "."
		switch {
		case d.IsDir() && (hidden || slices.Contains([]string{"bin", "dist", "testdata"}, name)):
			return filepath.SkipDir
		case d.IsDir() || hidden || !slices.Contains(extensions, filepath.Ext(name)):
			return nil
		}
		text, err := os.ReadFile(path)
		texts[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(texts) == 0 {
		t.Fatalf("no file ends in %q", extensions)
	}
	return texts
}

// Each block says what it is, so that the tests of its kind see it.
func TestBlocksAreMarked(t *testing.T) {
	languages := []string{"yaml", "corefile", "sh", "text", "txt", "json", "markdown"}
	config := regexp.MustCompile(
		`(?m)^\s*(- )?(apiVersion|kind|federations|clusters|provider|metadata|data|spec):( |$)`)
	for page, text := range files(t, ".md") {
		for _, b := range Blocks(page, text) {
			language, use := b.Language()
			switch {
			case b.Fenced && b.Info != "" && !slices.Contains(languages, language):
				t.Errorf("%s:%d: a block of %q: %q are known", b.Page, b.Line-1, language, languages)
			case language != "yaml" && config.MatchString(b.Text):
				t.Errorf("%s:%d: this looks like YAML; mark the block ~~~ yaml, so that it is tested", b.Page, b.Line)
			case use != "" && !slices.Contains([]string{"yaml", "corefile", "sh"}, language):
				t.Errorf("%s:%d: %q after %q: nothing reads it", b.Page, b.Line-1, use, language)
			}
		}
	}
}

func TestBlocks(t *testing.T) {
	const text = "# A page\n\n    indented\n\n" +
		"~~~ yaml\na: 1\n~~~\n\n1. list\n\n   ```yaml fragment syncer\n   b:\n     c: 2\n   ```\n" +
		"\n`````markdown\n# Inner\n~~~ corefile\n. {}\n~~~\n`````\n"
	var got []string
	for _, b := range Blocks("page", text) {
		got = append(got, b.Info+"|"+b.Text)
	}
	want := []string{"|    indented\n\n", "yaml|a: 1\n", "yaml fragment syncer|b:\n  c: 2\n",
		"markdown|# Inner\n~~~ corefile\n. {}\n~~~\n", "corefile|. {}\n"}
	if !slices.Equal(got, want) {
		t.Errorf("blocks are\n%q, want\n%q", got, want)
	}
}
