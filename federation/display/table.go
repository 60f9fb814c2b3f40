// Package display prints what a syncer knows for people: tables for a terminal, or the same as JSON and YAML. It knows
// nothing of where the state comes from.
package display

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// Style is what a cell says, for terminals that have colours.
type Style int

// The styles.
const (
	Plain Style = iota
	Good
	Bad
	Faint
)

var escapes = map[Style]string{Good: "\x1b[32m", Bad: "\x1b[31m", Faint: "\x1b[2m"}

// Options are how to print.
type Options struct {
	// Color is whether to use colours.
	Color bool
	// Wide is whether to print all columns, and lists in full.
	Wide bool
	// Now is the time from which ages are counted.
	Now time.Time
}

// Paint returns the text in the style, if colours are used.
func (o Options) Paint(text string, s Style) string {
	if !o.Color || escapes[s] == "" {
		return text
	}
	return escapes[s] + text + "\x1b[0m"
}

// cell is one cell of a table.
type cell struct {
	text  string
	style Style
}

// table is a table with aligned columns: colours do not count as width, as they would with text/tabwriter.
type table struct {
	opt  Options
	rows [][]cell
}

// newTable returns a table with a line of headings.
func (o Options) newTable(headings ...string) *table {
	t := &table{opt: o}
	var row []any
	for _, h := range headings {
		row = append(row, h)
	}
	t.add(row...)
	return t
}

// add adds a row of strings, numbers and cells. An empty one is shown as "-".
func (t *table) add(values ...any) {
	row := make([]cell, len(values))
	for i, v := range values {
		c, ok := v.(cell)
		if !ok {
			c = cell{text: fmt.Sprint(v)}
		}
		if c.text == "" {
			c.text = "-"
		}
		row[i] = c
	}
	t.rows = append(t.rows, row)
}

// print prints the table, each line after the indent.
func (t *table) print(w io.Writer, indent string) {
	for _, line := range t.lines() {
		fmt.Fprintln(w, indent+line)
	}
}

func (t *table) lines() (lines []string) {
	var widths []int
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	for _, row := range t.rows {
		var b strings.Builder
		for i, c := range row {
			b.WriteString(t.opt.Paint(c.text, c.style))
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text)+2))
			}
		}
		lines = append(lines, b.String())
	}
	return lines
}

// listWidth is how much room a list gets in a table, so that ordinary rows fit a terminal of 80 columns.
const listWidth = 16

// Some lists as many as there is room for, at least one, and counts the others; with Wide it lists all.
func (o Options) Some(list []string) string {
	text := ""
	for i, s := range list {
		if !o.Wide && i > 0 && len(text)+1+len(s) > listWidth {
			return fmt.Sprintf("%s,+%d", text, len(list)-i)
		}
		text += strings.Repeat(",", min(i, 1)) + s
	}
	return text
}

// age is how long ago it was, in kubectl's manner: 2m4s, 49h, 12d.
func (o Options) age(since time.Time) string {
	d := max(o.Now.Sub(since), 0)
	switch {
	case d >= 10*24*time.Hour:
		return fmt.Sprintf("%dd", int(d.Hours())/24)
	case d >= 3*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	case d >= 10*time.Minute:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	}
	return d.Round(time.Second).String()
}
