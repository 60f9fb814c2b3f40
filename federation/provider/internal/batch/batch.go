// Package batch makes changes at servers that accept many in one request and make all of them or none: Route 53 and
// Cloud DNS.
package batch

import (
	"context"
	"errors"
	"fmt"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/internal/last"
)

// Server is where the requests go. Its methods return soon after ctx has ended and send nothing after that.
type Server interface {
	// Send makes all the changes in one request, or none of them, and none if the server has not exactly the claim (nil
	// is no claim). The names differ, and a change of the claim's own RRset is sent alone, with a nil claim. Any error
	// but an *Error leaves open whether they were made.
	Send(ctx context.Context, claim *federation.RRset, changes []plan.Change) error
	// Read returns the current state of the name.
	Read(ctx context.Context, name federation.FQDN) (State, error)
	// Weigh returns how much of each limit of a request the change takes.
	Weigh(c plan.Change) Weight
	// Limits of a request, each with its name.
	Limits() [len(Weight{})]Limit
	// Last are the names whose changes have failed, over all calls of Apply.
	Last() *last.Names
}

// Weight is how much of each limit of a request something takes.
type Weight [3]int

func (w Weight) plus(o Weight) Weight {
	for i := range w {
		w[i] += o[i]
	}
	return w
}

// Limit is the most that one request holds of something; 0 is no limit.
type Limit struct {
	Max  int
	What string // "values"
}

// Apply makes the changes as provider.Provider defines it, in as few requests as the limits allow, one after the other.
// A refused request is halved until the bad change is alone; reading its name then shows whether it is a conflict. A
// request that a busy server certainly did not make is retried a few times. If it is open whether a request was made,
// some of its names are read to find out. Changes that failed without a reason are sent last the next time, in smaller
// requests. Each error is of one of the five kinds.
func Apply(ctx context.Context, server Server, zone federation.FQDN, claim *federation.RRset,
	changes []plan.Change) []error {
	r := &run{server: server, claim: claim, errs: make([]error, len(changes))}
	if err := provider.CheckClaim(zone, claim); err != nil {
		for i := range changes {
			r.errs[i] = err
		}
		return r.errs
	}
	base := r.claimWeight()
	first, failed := last.Order(server.Last(), r.jobs(zone, base, changes),
		func(j job) federation.FQDN { return j.change.Name })
	for _, group := range append([][]job{first}, failed...) {
		for _, part := range split(group, base, server.Limits()) {
			r.top(ctx, part)
		}
	}
	return r.errs
}

// job is a change in progress.
type job struct {
	index  int
	change plan.Change
	weight Weight
	alone  bool // it is of the claim's own RRset, and asserts it itself
}

// empty reports whether there is nothing to send: the change only says that there is nothing at the name.
func (j job) empty() bool { return len(j.change.From) == 0 && len(j.change.To) == 0 }

func (r *run) claimWeight() Weight {
	if r.claim == nil {
		return Weight{}
	}
	sets := []federation.RRset{*r.claim}
	return r.server.Weigh(plan.Change{Name: r.claim.Name, From: sets, To: sets})
}

// jobs checks the changes, and records the errors of those that cannot be made.
func (r *run) jobs(zone federation.FQDN, base Weight, changes []plan.Change) []job {
	jobs := make([]job, 0, len(changes))
	for i, c := range changes {
		j := job{index: i, change: c, weight: r.server.Weigh(c)}
		err := provider.Check(zone, c)
		if err == nil && r.claim != nil && c.Name == r.claim.Name && provider.HasTXT(c) {
			j.alone = true
			if from := provider.Find(c.From, federation.TypeTXT); from == nil || !from.Equal(*r.claim) {
				err = fmt.Errorf("%w: change of %q: its From and the claim of the batch contradict each other",
					provider.ErrConflict, c.Name)
			}
		}
		if err == nil {
			err = fits(c.Name, base.plus(j.weight), r.server.Limits())
		}
		if err != nil {
			r.errs[i] = err
			continue
		}
		jobs = append(jobs, j)
	}
	return jobs
}

func fits(name federation.FQDN, w Weight, limits [len(Weight{})]Limit) error {
	for i, limit := range limits {
		if limit.Max > 0 && w[i] > limit.Max {
			return fmt.Errorf("%w: the change of %q takes %d %s, a request holds %d", provider.ErrRefused, name, w[i],
				limit.What, limit.Max)
		}
	}
	return nil
}

// split divides the jobs into requests within all limits, in order. No request has a name twice.
func split(jobs []job, base Weight, limits [len(Weight{})]Limit) [][]job {
	var parts [][]job
	var part []job
	sum := base
	names := map[federation.FQDN]bool{}
	flush := func() {
		if len(part) > 0 {
			parts = append(parts, part)
		}
		part, sum = nil, base
		clear(names)
	}
	for _, j := range jobs {
		name := j.change.Name
		alone := j.alone || j.empty()
		if alone || names[name] || fits(name, sum.plus(j.weight), limits) != nil {
			flush()
		}
		part, sum, names[name] = append(part, j), sum.plus(j.weight), true
		if alone {
			flush()
		}
	}
	flush()
	return parts
}

// Error is the error of a request that was certainly not made.
type Error struct {
	Kind Kind
	Err  error
	// Throttled: the error is a provider.ErrThrottled too.
	Throttled bool
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Is gives the error one of the provider's kinds, unless the wrapped one has one, and a throttled one
// provider.ErrThrottled.
func (e *Error) Is(target error) bool {
	if target == provider.ErrThrottled {
		return e.Throttled
	}
	return target == e.Kind.kind() && provider.KindOf(e.Err) == nil
}

// Kind is what to do about a request that was not made.
type Kind int

const (
	// Open means that the request may have been made. Errors other than *Error have this kind.
	Open Kind = iota
	// Refused means that something in the request cannot be made.
	Refused
	// Denied is Refused, for a reason that is probably the same for all changes.
	Denied
	// Rejected means that no other request would succeed at the moment either.
	Rejected
	// Later means that the server is busy, or was not reached; retry.
	Later
)

// kind returns the provider's kind of an error that wraps none itself.
func (k Kind) kind() error {
	switch k {
	case Refused, Denied, Rejected:
		return provider.ErrRefused
	case Later:
		return provider.ErrUnavailable
	}
	return provider.ErrUnknownOutcome
}

// KindOf returns the kind of an error that is not nil.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Open
}
