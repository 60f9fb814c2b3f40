package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The bounds of a whole run (CK5): what has not answered by the first is unknown, and nothing is waited for beyond the
// second.
const (
	runTimeout  = 4400 * time.Millisecond
	lastFinding = 200 * time.Millisecond
)

// Result is what one check has found.
type Result struct {
	ID       string    `json:"id"`
	Category Category  `json:"category"`
	Severity Severity  `json:"severity"`
	Title    string    `json:"title"`
	Outcome  Outcome   `json:"outcome"`
	Findings []Finding `json:"findings"`
}

// Report is what a run has found. Its counts are of checks, each by its worst finding.
type Report struct {
	Failed   int      `json:"failed"`
	Warnings int      `json:"warnings"`
	Unknown  int      `json:"unknown"`
	Passed   int      `json:"passed"`
	Results  []Result `json:"checks"`
}

// worse has the outcomes from the best to the worst for a check as a whole.
var worse = []Outcome{OK, Warn, Unknown, Fail}

// Run makes all checks at once, and ends within five seconds, whatever does not answer (CK5). The results are in the
// order of the categories, and of the checks.
func Run(ctx context.Context, e *Env, checks []Check) *Report {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	end, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	context.AfterFunc(ctx, func() { time.AfterFunc(lastFinding, func() { stop(ctx.Err()) }) })
	found := make([]chan []Finding, len(checks))
	for i := range checks {
		found[i] = make(chan []Finding, 1)
		go func() { found[i] <- checks[i].Run(ctx, e) }()
	}
	report := &Report{Results: []Result{}}
	for i := range checks {
		report.add(e, &checks[i], await(end, found[i], ""))
	}
	slices.SortStableFunc(report.Results, func(a, b Result) int {
		return slices.Index(Categories(), a.Category) - slices.Index(Categories(), b.Category)
	})
	return report
}

func (r *Report) add(e *Env, c *Check, findings []Finding) {
	if len(findings) == 0 { // it does not apply
		return
	}
	result := Result{ID: c.ID, Category: c.Category, Severity: c.Severity, Title: c.Title, Outcome: OK,
		Findings: findings}
	for i := range findings {
		f := &findings[i]
		if f.Outcome == Fail && c.Severity == SeverityWarn {
			f.Outcome = Warn
		}
		if (f.Outcome == Fail || f.Outcome == Warn) && f.Remedy == "" {
			f.Remedy = c.RemedyFor(Values{Subject: f.Subject, Namespace: e.Namespace, Lease: e.Lease})
		}
		if slices.Index(worse, f.Outcome) > slices.Index(worse, result.Outcome) {
			result.Outcome = f.Outcome
		}
	}
	switch result.Outcome {
	case Fail:
		r.Failed++
	case Warn:
		r.Warnings++
	case Unknown:
		r.Unknown++
	default:
		r.Passed++
	}
	r.Results = append(r.Results, result)
}

// Select returns the checks that are in only, or all if that is empty, without those in skip. Both have ids and
// categories; an unknown one is an error that names those known.
func Select(checks []Check, only, skip []string) ([]Check, error) {
	known := map[string]bool{}
	for _, c := range checks {
		known[c.ID], known[string(c.Category)] = true, true
	}
	for _, name := range slices.Concat(only, skip) {
		if !known[name] {
			return nil, fmt.Errorf("%q is neither a check nor a category: the categories are %s; %s", name,
				join(Categories()), "docs/checks.md lists the checks")
		}
	}
	in := func(list []string, c Check) bool {
		return slices.Contains(list, c.ID) || slices.Contains(list, string(c.Category))
	}
	return slices.DeleteFunc(slices.Clone(checks), func(c Check) bool {
		return len(only) > 0 && !in(only, c) || in(skip, c)
	}), nil
}

func join(list []Category) string {
	words := make([]string, len(list))
	for i, c := range list {
		words[i] = string(c)
	}
	return strings.Join(words, ", ")
}
