package scenario

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Console shows the walk-through as text.
type Console struct {
	W io.Writer
	// Color makes headings and results stand out; for terminals only.
	Color bool
	// Requests, if set, returns the requests that were sent to the provider since
	// the last call, in lines; they are shown beside the records.
	Requests func() []string
}

// Begin implements Reporter.
func (c *Console) Begin(number, total int, s Step) {
	fmt.Fprintf(c.W, "\n%s\n", c.paint("1", fmt.Sprintf("[%d/%d] %s", number, total, s.Name)))
	for i, line := range s.Does {
		c.line("do", i, line)
	}
}

// Seen implements Reporter.
func (c *Console) Seen(check Check, seen string) {
	c.line("expect", 0, check.Expect)
	if check.Records && c.Requests != nil {
		defer func() {
			for i, l := range c.Requests() {
				c.line("sent", i, l)
			}
		}()
	}
	if check.Hold > 0 {
		c.line("seen", 0, fmt.Sprintf("yes, for %s", check.Hold))
		return
	}
	for i, l := range strings.Split(strings.TrimRight(seen, "\n"), "\n") {
		c.line("seen", i, l)
	}
}

// Done implements Reporter.
func (c *Console) Done(took time.Duration) {
	fmt.Fprintf(c.W, "  %s %.1f s\n", c.paint("32", "ok    "), took.Seconds())
}

// line writes one line of a part; only the first has the part's name.
func (c *Console) line(part string, i int, text string) {
	if i > 0 {
		part = ""
	}
	fmt.Fprintf(c.W, "  %s %s\n", c.paint("2", fmt.Sprintf("%-6s", part)), text)
}

func (c *Console) paint(code, text string) string {
	if !c.Color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
