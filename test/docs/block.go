package docs

import (
	"regexp"
	"strings"
)

// Block is a fenced or indented code block of a page.
type Block struct {
	Page   string
	Line   int    // of its first line of text
	Info   string // what follows the fence; "" for an indented block
	Fenced bool
	Text   string
}

// Language is the first word of the info string; the rest says how the block is used.
func (b Block) Language() (language, use string) {
	language, use, _ = strings.Cut(b.Info, " ")
	return language, strings.TrimSpace(use)
}

var fence = regexp.MustCompile("^( *)(~{3,}|`{3,})(.*)$")

// Blocks returns the code blocks of a Markdown text, those inside a block of Markdown included.
func Blocks(page, text string) []Block {
	return blocksFrom(page, strings.Split(text, "\n"), 1)
}

func blocksFrom(page string, lines []string, first int) (found []Block) {
	for i := 0; i < len(lines); i++ {
		open := fence.FindStringSubmatch(lines[i])
		switch {
		case open != nil:
			indent, mark := open[1], open[2]
			b := Block{Page: page, Line: first + i + 1, Info: strings.TrimSpace(open[3]), Fenced: true}
			var body []string
			for i++; i < len(lines); i++ {
				if end := strings.TrimSpace(lines[i]); len(end) >= len(mark) && strings.Trim(end, mark[:1]) == "" {
					break
				}
				body = append(body, strings.TrimPrefix(lines[i], indent))
			}
			b.Text = strings.Join(body, "\n") + "\n"
			found = append(found, b)
			if b.Info == "markdown" {
				found = append(found, blocksFrom(page, body, b.Line)...)
			}
		case strings.HasPrefix(lines[i], "    ") && strings.TrimSpace(lines[i]) != "" && (i == 0 || lines[i-1] == ""):
			b := Block{Page: page, Line: first + i}
			for ; i < len(lines) && (strings.HasPrefix(lines[i], "    ") || lines[i] == ""); i++ {
				b.Text += lines[i] + "\n"
			}
			i--
			found = append(found, b)
		}
	}
	return found
}
