package check

import (
	"fmt"
	"io"
	"strings"

	"github.com/federation-dns/federation/federation/display"
)

// page is where each check is described.
const page = "docs/checks.md#"

// Command is how a line of a remedy begins that is a command to paste.
const Command = "$ "

// The columns of the terminal output.
const (
	outcomeWidth = 4
	idWidth      = 20
)

var styles = map[Outcome]display.Style{OK: display.Good, Warn: display.Bad, Fail: display.Bad, Unknown: display.Faint}

// Print prints the report for people: what is not well with its remedy, and a line for each check that passed; with
// Wide, a line for each finding.
func (r *Report) Print(w io.Writer, o display.Options) {
	var category Category
	for i := range r.Results {
		result := &r.Results[i]
		if result.Category != category {
			category = result.Category
			fmt.Fprintln(w, category)
		}
		result.print(w, o)
	}
	fmt.Fprintln(w, r.Summary())
}

// PrintShort prints one line for each finding that is not well, for scripts and chats.
func (r *Report) PrintShort(w io.Writer) {
	for i := range r.Results {
		for _, f := range r.Results[i].Findings {
			if f.Outcome != OK {
				fmt.Fprintln(w, strings.Join(strings.Fields(
					fmt.Sprintf("%s %s %s", f.Outcome, r.Results[i].ID, f.line())), " "))
			}
		}
	}
	fmt.Fprintln(w, r.Summary())
}

// Summary is the last line: how many checks have which outcome.
func (r *Report) Summary() string {
	var parts []string
	for _, p := range []struct {
		n    int
		text string
	}{
		{r.Failed, "%d failed"}, {r.Warnings, plural(r.Warnings, "%d warning")},
		{r.Unknown, "%d could not be tested"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf(p.text, p.n))
		}
	}
	return strings.Join(append(parts, fmt.Sprintf("%d passed", r.Passed)), ", ")
}

func plural(n int, text string) string {
	if n == 1 {
		return text
	}
	return text + "s"
}

func (f *Finding) line() string {
	if f.Subject == "" {
		return f.Text
	}
	return f.Subject + ": " + f.Text
}

func (r *Result) print(w io.Writer, o display.Options) {
	good := 0
	for _, f := range r.Findings {
		if f.Outcome == OK {
			good++
		}
	}
	if good == len(r.Findings) && !o.Wide {
		text := fmt.Sprintf("%d of %d", good, good)
		if good == 1 {
			text = r.Findings[0].line()
		}
		r.line(w, o, OK, text)
		return
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Outcome == OK && !o.Wide {
			continue
		}
		r.line(w, o, f.Outcome, f.line())
		indent := strings.Repeat(" ", 2+outcomeWidth+2+idWidth+2)
		for line := range strings.Lines(f.Remedy) {
			if command, ok := strings.CutPrefix(line, Command); ok {
				fmt.Fprintln(w, indent+strings.TrimSuffix(command, "\n"))
			} else {
				display.Wrap(w, indent, line)
			}
		}
		if f.Outcome == Fail || f.Outcome == Warn {
			fmt.Fprintln(w, indent+page+r.ID)
		}
	}
}

// line prints one finding, broken below its first word.
func (r *Result) line(w io.Writer, o display.Options, outcome Outcome, text string) {
	begin := fmt.Sprintf("  %-*s  %-*s  ", outcomeWidth, outcome, idWidth, r.ID)
	var b strings.Builder
	display.Wrap(&b, begin, text)
	plain := strings.TrimPrefix(b.String(), "  "+string(outcome))
	fmt.Fprint(w, "  "+o.Paint(string(outcome), styles[outcome])+plain)
}
