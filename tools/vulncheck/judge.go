package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// judge decides what is wrong: a vulnerability that is reached without an exception that holds, and an exception that
// nothing needs.
type judge struct {
	now        time.Time
	exceptions []exception
	used       map[string]bool // by id, of exceptions
	wrong      []string
}

func newJudge(exceptions []exception, now time.Time) *judge {
	return &judge{now: now, exceptions: exceptions, used: map[string]bool{}}
}

// report prints what a program reaches, and takes note of it for the verdict.
func (j *judge) report(out io.Writer, program string, r result) {
	var reached, excepted int
	for _, v := range r.found {
		if !v.reached() {
			continue
		}
		reached++
		fmt.Fprintf(out, "%s: %s  %s\n  in %s, %s\n  by %s\n", program, v.id, v.summary, v.module, fixedIn(v),
			strings.Join(v.calls, "\n    "))
		e, ok := j.exception(v.id)
		switch {
		case !ok:
			j.wrong = append(j.wrong, fmt.Sprintf("%s reaches %s: %s", program, v.id, fixedIn(v)))
		case e.over(j.now):
			j.wrong = append(j.wrong, fmt.Sprintf("%s reaches %s, and its exception ended on %s", program, v.id,
				e.until.Format(time.DateOnly)))
		default:
			excepted++
			fmt.Fprintf(out, "  excepted until %s: %s\n", e.until.Format(time.DateOnly), e.reason)
		}
	}
	fmt.Fprintf(out, "%s with %s: known vulnerabilities reached: %d (excepted: %d); in modules, not reached: %d\n",
		program, r.goVersion, reached, excepted, len(r.found)-reached)
}

// exception finds the one of a vulnerability, and marks it as used.
func (j *judge) exception(id string) (exception, bool) {
	for _, e := range j.exceptions {
		if e.id == id {
			j.used[id] = true
			return e, true
		}
	}
	return exception{}, false
}

// verdict is nil if nothing is wrong. It is asked after the last report.
func (j *judge) verdict() error {
	wrong := j.wrong
	for _, e := range j.exceptions {
		if !j.used[e.id] {
			wrong = append(wrong, e.id+" is excepted, but not reached: take it from the list")
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%d to solve (update the module or RELEASE_GO, or add a dated exception):\n  %s", len(wrong),
		strings.Join(wrong, "\n  "))
}

func fixedIn(v vulnerability) string {
	if v.fixed == "" {
		return "no version without it is known"
	}
	return "fixed in " + v.fixed
}
