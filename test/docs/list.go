// Package docs checks the documentation against the code: every YAML example is parsed by what reads it in real life,
// and every metric, reason, field, flag, make target, test and file that a page names exists.
package docs

import (
	"strings"
	"unicode/utf8"
)

const maxColumns = 120

// ListItem returns text as an item of a Markdown list, for the parts of pages that are generated from the code.
func ListItem(text string) string { return broken("- "+text, "  ") }

// Paragraph returns text as a paragraph of Markdown, for the same.
func Paragraph(text string) string { return broken(text, "") }

// broken breaks text between words; each line but the first begins with the indent.
func broken(text, indent string) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n > maxColumns:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String() + "\n"
}
