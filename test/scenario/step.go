package scenario

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// stepTime is how long everything that a step expects may take to come true.
const stepTime = 15 * time.Second

// Step does something to the World and says what must come true.
type Step struct {
	Name string
	// Does says what is done, a line each.
	Does []string
	// Do does it.
	Do func(ctx context.Context, p *Play) error
	// Expect must come true, one after the other, in all within Limit.
	Expect []Check
	// Table is the name of the table that the records end in, if they change.
	Table string
	// Limit is stepTime if it is 0.
	Limit time.Duration
}

// Check is one thing that must come true: See is asked until it gives Want.
type Check struct {
	// Expect says it in a line.
	Expect string
	Want   string
	See    func(ctx context.Context, p *Play) (string, error)
	// Until, if set, stands in for the comparison with Want.
	Until func(seen string) bool
	// Hold: it is true at once already, and stays so for that long, counted
	// from the end of Do.
	Hold time.Duration
	// Memory: a syncer that was restarted meanwhile cannot know it.
	Memory bool
	// Records: it is about the records of the zone, which are to be those of Table. Healthy are the clusters whose pods
	// have a healthy shard of their own then; nil is those whose addresses the table has.
	Records bool
	Table   string
	Healthy []string
	// Outside: it is about what a client outside gets, who knows nothing but the zone.
	Outside bool
	// Zoneless, if set, stands in for it where there is no DNS zone.
	Zoneless *Check
}

// Reporter shows how the walk-through goes.
type Reporter interface {
	Begin(number, total int, s Step)
	Seen(c Check, seen string)
	Done(took time.Duration)
}

// StepError is what a step that did not come true ends with.
type StepError struct {
	Step       string
	Expect     string
	Want, Seen string
	Cause      error
	After      time.Duration
	Logs       string // the folder
	Tails      string // the last lines of each log
}

func (e *StepError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "step %q did not come true within %s", e.Step, e.After.Round(100*time.Millisecond))
	if e.Expect != "" {
		fmt.Fprintf(&b, "\nexpected: %s", e.Expect)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, "\nerror: %v", e.Cause)
	}
	if e.Want != "" {
		fmt.Fprintf(&b, "\n- expected\n+ seen\n%s", lineDiff(e.Want, e.Seen))
	}
	fmt.Fprintf(&b, "\nlogs: %s\n%s", e.Logs, e.Tails)
	return b.String()
}

func (e *StepError) Unwrap() error { return e.Cause }

// Run makes the steps one after the other and stops at the first that does not
// come true.
func Run(ctx context.Context, p *Play, r Reporter, steps []Step) error {
	for i, s := range steps {
		r.Begin(i+1, len(steps), s)
		start := time.Now()
		if err := p.step(ctx, r, s); err != nil {
			return err
		}
		r.Done(time.Since(start))
	}
	return nil
}

func (p *Play) step(ctx context.Context, r Reporter, s Step) error {
	limit := s.Limit
	if limit == 0 {
		limit = stepTime
	}
	start := time.Now()
	fail := func(e StepError) error {
		if ctx.Err() != nil {
			return ctx.Err() // ended from outside: not the step's fault
		}
		e.Step, e.After, e.Logs, e.Tails = s.Name, time.Since(start), p.LogDir(), p.Tails(12)
		return &e
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if s.Table != "" {
		p.watch.Expect(ExpectedTable(s.Table))
	}
	if s.Do != nil {
		if err := s.Do(limited, p); err != nil {
			return fail(StepError{Cause: err})
		}
	}
	if s.Table != "" {
		defer p.watch.Reached()
	}
	done := time.Now()
	for _, c := range s.Expect {
		seen, err := p.await(limited, c, done)
		if err != nil {
			return fail(StepError{Expect: c.Expect, Want: c.Want, Seen: seen, Cause: err})
		}
		r.Seen(c, seen)
	}
	if err := p.Alive(); err != nil {
		return fail(StepError{Cause: err})
	}
	if p.watch != nil && len(p.watch.Seen().Wrong) > 0 {
		return fail(StepError{Cause: fmt.Errorf("wrong answers were seen:\n%s",
			strings.Join(p.watch.Seen().Wrong, "\n"))})
	}
	return nil
}

// await asks until the check is true. The error is nil then; seen is the last
// that was seen.
func (p *Play) await(ctx context.Context, c Check, since time.Time) (seen string, err error) {
	good := func() bool {
		if c.Until != nil {
			return c.Until(seen)
		}
		return sameLines(c.Want, seen)
	}
	for {
		now, err := c.See(ctx, p)
		if err == nil {
			seen = now
		}
		switch {
		case c.Hold == 0 && err == nil && good():
			return seen, nil
		case c.Hold > 0 && err == nil && !good():
			return seen, fmt.Errorf("it must stay so for %s, and changed after %s",
				c.Hold, time.Since(since).Round(10*time.Millisecond))
		case c.Hold > 0 && err == nil && time.Since(since) >= c.Hold:
			return seen, nil
		}
		if aliveErr := p.Alive(); aliveErr != nil {
			return seen, aliveErr
		}
		select {
		case <-ctx.Done():
			if err == nil {
				err = ctx.Err()
			}
			return seen, err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// sameLines compares regardless of how columns are padded.
func sameLines(a, b string) bool {
	return strings.Join(normalLines(a), "\n") == strings.Join(normalLines(b), "\n")
}

func normalLines(s string) []string {
	var lines []string
	for line := range strings.Lines(s) {
		if f := strings.Join(strings.Fields(line), " "); f != "" {
			lines = append(lines, f)
		}
	}
	return lines
}

// lineDiff shows the lines of both: those only expected with -, those only
// seen with +.
func lineDiff(want, seen string) string {
	a, b := normalLines(want), normalLines(seen)
	// The longest common subsequence; the texts have some twenty lines.
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out strings.Builder
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			fmt.Fprintf(&out, "  %s\n", a[i])
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || common[i+1][j] >= common[i][j+1]):
			fmt.Fprintf(&out, "- %s\n", a[i])
			i++
		default:
			fmt.Fprintf(&out, "+ %s\n", b[j])
			j++
		}
	}
	return strings.TrimRight(out.String(), "\n")
}
