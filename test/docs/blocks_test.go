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

// block is a fenced or indented code block of a page.
type block struct {
	page   string
	line   int    // of its first line of text
	info   string // what follows the fence; "" for an indented block
	fenced bool
	text   string
}

// language is the first word of the info string; the rest says how the block is used.
func (b block) language() (language, use string) {
	language, use, _ = strings.Cut(b.info, " ")
	return language, strings.TrimSpace(use)
}

var fence = regexp.MustCompile("^( *)(~{3,}|`{3,})(.*)$")

// blocks returns the code blocks of a Markdown text, those inside a block of Markdown included.
func blocks(page, text string) []block {
	return blocksFrom(page, strings.Split(text, "\n"), 1)
}

func blocksFrom(page string, lines []string, first int) (found []block) {
	for i := 0; i < len(lines); i++ {
		open := fence.FindStringSubmatch(lines[i])
		switch {
		case open != nil:
			indent, mark := open[1], open[2]
			b := block{page: page, line: first + i + 1, info: strings.TrimSpace(open[3]), fenced: true}
			var body []string
			for i++; i < len(lines); i++ {
				if end := strings.TrimSpace(lines[i]); len(end) >= len(mark) && strings.Trim(end, mark[:1]) == "" {
					break
				}
				body = append(body, strings.TrimPrefix(lines[i], indent))
			}
			b.text = strings.Join(body, "\n") + "\n"
			found = append(found, b)
			if b.info == "markdown" {
				found = append(found, blocksFrom(page, body, b.line)...)
			}
		case strings.HasPrefix(lines[i], "    ") && strings.TrimSpace(lines[i]) != "" && (i == 0 || lines[i-1] == ""):
			b := block{page: page, line: first + i}
			for ; i < len(lines) && (strings.HasPrefix(lines[i], "    ") || lines[i] == ""); i++ {
				b.text += lines[i] + "\n"
			}
			i--
			found = append(found, b)
		}
	}
	return found
}

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
		for _, b := range blocks(page, text) {
			language, use := b.language()
			switch {
			case b.fenced && b.info != "" && !slices.Contains(languages, language):
				t.Errorf("%s:%d: a block of %q: %q are known", b.page, b.line-1, language, languages)
			case language != "yaml" && config.MatchString(b.text):
				t.Errorf("%s:%d: this looks like YAML; mark the block ~~~ yaml, so that it is tested", b.page, b.line)
			case language != "yaml" && use != "" && language != "corefile":
				t.Errorf("%s:%d: %q after %q: nothing reads it", b.page, b.line-1, use, language)
			}
		}
	}
}

func TestBlocks(t *testing.T) {
	const text = "# A page\n\n    indented\n\n" +
		"~~~ yaml\na: 1\n~~~\n\n1. list\n\n   ```yaml fragment syncer\n   b:\n     c: 2\n   ```\n" +
		"\n`````markdown\n# Inner\n~~~ corefile\n. {}\n~~~\n`````\n"
	var got []string
	for _, b := range blocks("page", text) {
		got = append(got, b.info+"|"+b.text)
	}
	want := []string{"|    indented\n\n", "yaml|a: 1\n", "yaml fragment syncer|b:\n  c: 2\n",
		"markdown|# Inner\n~~~ corefile\n. {}\n~~~\n", "corefile|. {}\n"}
	if !slices.Equal(got, want) {
		t.Errorf("blocks are\n%q, want\n%q", got, want)
	}
}
