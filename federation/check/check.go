// Package check finds what is wrong with a federation: one table of checks (CK1), and a runner that makes all of them
// at once, in less than five seconds (CK5). It only reads (CK6). The checks themselves are in the packages below.
package check

import (
	"context"
	"fmt"
	"strings"
	"text/template"
)

// Category is the part of a federation that a check is about.
type Category string

// The categories, in the order in which they are shown.
const (
	Host     Category = "host"
	Members  Category = "members"
	DNS      Category = "dns"
	CoreDNS  Category = "coredns"
	Services Category = "services"
)

// Categories are all categories, in the order in which they are shown.
func Categories() []Category { return []Category{Host, Members, DNS, CoreDNS, Services} }

// Severity is how bad it is if a check finds something.
type Severity string

// The severities.
const (
	// SeverityFail: something does not work.
	SeverityFail Severity = "fail"
	// SeverityWarn: it works, and will not always, or is not as it should be.
	SeverityWarn Severity = "warn"
)

// Check is one entry of the table (CK1). Its id is never used for anything else, and never changes (CK4).
type Check struct {
	ID       string
	Category Category
	Severity Severity
	// Title says in one line what is true if the check passes.
	Title string
	// About says how it is tested, and why it matters: a paragraph of docs/checks.md.
	About string
	// Remedy is what to do: a text/template over Values. A line that begins with "$ " is a command to paste, and is
	// printed without these and never broken.
	Remedy string
	// Run makes the check. It returns nothing where it does not apply: the report then leaves it out. What it has not
	// returned when ctx ends is unknown.
	Run func(ctx context.Context, e *Env) []Finding
}

// Values are what the template of a remedy may name.
type Values struct {
	// Subject is that of the finding.
	Subject string
	// Namespace and Lease are those of the syncer.
	Namespace, Lease string
}

// RemedyFor returns the remedy for a finding. It panics if the template cannot be executed, which a test of the table
// excludes.
func (c *Check) RemedyFor(v Values) string {
	var b strings.Builder
	if err := template.Must(template.New(c.ID).Option("missingkey=error").Parse(c.Remedy)).Execute(&b, v); err != nil {
		panic(fmt.Sprintf("the remedy of check %s: %v", c.ID, err))
	}
	return b.String()
}

// Outcome is what a check has found of one subject.
type Outcome string

// The outcomes.
const (
	OK   Outcome = "ok"
	Warn Outcome = "warn"
	Fail Outcome = "FAIL"
	// Unknown: it could not be tested (CK3).
	Unknown Outcome = "?"
)

// Finding is what a check has found of one subject.
type Finding struct {
	// Subject is what the finding is about, such as a member; "" if the check has one subject only.
	Subject string  `json:"subject,omitempty"`
	Outcome Outcome `json:"outcome"`
	// Text says what was found, in words that need no title.
	Text string `json:"text"`
	// Remedy is what to do, if that is not what the check's own remedy says. The runner fills in the check's for what
	// is not well.
	Remedy string `json:"remedy,omitempty"`
}

// Good is a finding that all is well.
func Good(subject, format string, args ...any) Finding {
	return Finding{Subject: subject, Outcome: OK, Text: fmt.Sprintf(format, args...)}
}

// Bad is a finding that something is not well; it counts as a warning if the check's severity is that.
func Bad(subject, format string, args ...any) Finding {
	return Finding{Subject: subject, Outcome: Fail, Text: fmt.Sprintf(format, args...)}
}

// Doubt is a warning of a check whose severity is fail.
func Doubt(subject, format string, args ...any) Finding {
	return Finding{Subject: subject, Outcome: Warn, Text: fmt.Sprintf(format, args...)}
}

// With returns the finding with a remedy of its own, in the form of Check.Remedy but for the template.
func (f Finding) With(format string, args ...any) Finding {
	f.Remedy = fmt.Sprintf(format, args...)
	return f
}

// One is the list of one finding.
func One(f Finding) []Finding { return []Finding{f} }
