package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/federation-dns/federation/test/chaos/schedule"
	"github.com/federation-dns/federation/test/chaos/truth"
)

// violation is something that must not be.
type violation struct {
	Kind, Name, Service, Answer, Why string
}

// maxMemory is how much memory a syncer may have at any time, whatever its members
// send (H3e).
const maxMemory = 1 << 30

// maxTold is how many violations are reported in full.
const maxTold = 8

// report gathers what happened. Its methods may be called by several goroutines.
type report struct {
	flags
	truth *truth.Model
	stop  context.CancelFunc

	mu      sync.Mutex
	last    []string // the last faults
	faults  map[schedule.Class]int
	changes map[string]int
	counts
	durations
	seen       map[string]int // violations by what they are about
	violations int
	told       int
	err        error
	took       time.Duration
	started    time.Time
}

// counts are how often something happened, and how much was used.
type counts struct {
	rounds, questions, plugins, silent, transfers, updates, switches, labels int
	memory                                                                   int64 // the most that a syncer had
}

// durations are how long things took.
type durations struct {
	failover, failback, losses, calm, claims []time.Duration
}

func newReport(f flags, stop context.CancelFunc) *report {
	return &report{flags: f, stop: stop, faults: map[schedule.Class]int{}, changes: map[string]int{},
		seen: map[string]int{}, started: time.Now()}
}

// locked runs f alone.
func (r *report) locked(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *report) begin() { r.locked(func() { r.started = time.Now() }) }

func (r *report) end(took time.Duration) { r.locked(func() { r.took = took }) }

// stamp is the time in the run.
func (r *report) stamp(t time.Time) string { return fmt.Sprintf("%7.2fs", t.Sub(r.started).Seconds()) }

func (r *report) round(round schedule.Round) {
	r.locked(func() {
		r.rounds++
		fmt.Printf("%s round %d: %d faults, %d changes\n", r.stamp(time.Now()), round.Number, len(round.Faults),
			len(round.Changes))
	})
}

func (r *report) settled(after time.Duration) {
	r.locked(func() {
		r.calm = append(r.calm, after)
		fmt.Printf("%s the records are the rule's, %.1f s after the last fault\n", r.stamp(time.Now()), after.Seconds())
	})
}

func (r *report) faulted(f schedule.Fault) {
	r.locked(func() {
		r.faults[f.Class]++
		r.event(fmt.Sprintf("%-14s %s, for %.1f s", f.Class, about(f), f.For.Seconds()))
	})
}

func (r *report) mended(f schedule.Fault) {
	r.locked(func() { r.event(fmt.Sprintf("%-14s %s, has ended", f.Class, about(f))) })
}

func (r *report) event(text string) {
	line := r.stamp(time.Now()) + "   " + text
	fmt.Println(line)
	r.last = append(r.last, line)
	if len(r.last) > 12 {
		r.last = r.last[1:]
	}
}

func (r *report) changed(kind string) { r.locked(func() { r.changes[kind]++ }) }

func (r *report) asked(answered bool) {
	r.locked(func() {
		r.questions++
		if !answered {
			r.silent++
		}
	})
}

func (r *report) askedPlugin(answered bool) {
	r.locked(func() {
		r.plugins++
		if !answered {
			r.silent++
		}
	})
}

func (r *report) transferred() { r.locked(func() { r.transfers++ }) }

func (r *report) updated(names, switches int) {
	r.locked(func() { r.updates, r.switches = r.updates+names, r.switches+switches })
}

func (r *report) followed(back bool, took time.Duration) {
	r.locked(func() {
		if back {
			r.failback = append(r.failback, took)
		} else {
			r.failover = append(r.failover, took)
		}
	})
}

func (r *report) lost(took time.Duration) {
	r.locked(func() { r.losses = append(r.losses, took) })
}

func (r *report) reclaimed(after time.Duration) {
	r.locked(func() { r.claims = append(r.claims, after) })
}

func (r *report) stormed(changes int) { r.locked(func() { r.labels += changes }) }

// resident notes how much memory a syncer has.
func (r *report) resident(octets int64) {
	r.locked(func() { r.memory = max(r.memory, octets) })
	if octets > maxMemory {
		r.violation(violation{Kind: "memory", Name: "the syncer",
			Why: fmt.Sprintf("it has %d MiB of memory, more than %d MiB", octets>>20, int64(maxMemory)>>20)})
	}
}

func (r *report) note(what, text string) {
	r.locked(func() { fmt.Printf("--- %s\n%s\n", what, text) })
}

// violation reports one; of several about the same, only the first.
func (r *report) violation(v violation) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations++
	key := v.Kind + " " + v.Service
	r.seen[key]++
	if r.seen[key] > 1 || r.told >= maxTold {
		return
	}
	r.told++
	var b strings.Builder
	fmt.Fprintf(&b, "VIOLATION (%s) at %s, seed %d: %s\n  why: %s\n", v.Kind, r.stamp(now), r.seed, v.Name, v.Why)
	section := func(title string, lines []string) {
		if len(lines) > 0 {
			fmt.Fprintf(&b, "  %s:\n    %s\n", title, strings.Join(lines, "\n    "))
		}
	}
	if v.Answer != "" {
		section("answer", strings.Split(v.Answer, "\n"))
	}
	if r.truth != nil {
		section("its shards", r.truth.Describe(now, v.Service))
		section("ways that were faulty within a minute", r.truth.Faults(now))
	}
	section("last faults", r.last)
	fmt.Print(b.String())
	if r.err == nil {
		r.err = fmt.Errorf("violation: %s: %s: %s (repeat: make chaos SEED=%d MINUTES=%g)",
			v.Kind, v.Name, v.Why, r.seed, r.minutes)
		if r.flags.first {
			r.stop()
		}
	}
}

// first is the error of the first violation.
func (r *report) first() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// minimum is what must have happened at least in ten minutes.
var minimum = struct{ Faults, Switches, Questions, Plugins, Updates, Failovers int }{
	Faults: 2, Switches: 500, Questions: 60000, Plugins: 20000, Updates: 2500, Failovers: 10,
}

// verdict prints the summary, and says what is wrong with the run.
func (r *report) verdict(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil && r.err != nil {
		return r.err
	}
	part := r.minutes / 10
	least := func(n int) int { return int(float64(n) * part) }
	var few []string
	row := func(what string, n, want int) {
		fmt.Printf("  %-46s %8d   at least %d\n", what, n, want)
		if n < want {
			few = append(few, fmt.Sprintf("%s: %d, at least %d are needed", what, n, want))
		}
	}
	fmt.Printf("\nseed %d, %d members, %d services: %d rounds in %.0f s\n",
		r.seed, r.members, r.services, r.rounds, r.took.Seconds())
	all, wanted := 0, 0
	for _, c := range r.options().Classes() {
		want := least(minimum.Faults)
		if len(r.favour) > 0 {
			want = 0
		}
		row("faults: "+string(c), r.faults[c], want)
		all, wanted = all+r.faults[c], wanted+minimum.Faults
	}
	row("faults in all", all, least(wanted))
	for _, k := range schedule.Kinds {
		fmt.Printf("  %-46s %8d\n", "changes of shards: "+k, r.changes[k])
	}
	row("names changed in the records", r.updates, least(minimum.Updates))
	row("  switches between addresses and CNAME", r.switches, least(minimum.Switches))
	questions, plugins := minimum.Questions, minimum.Plugins
	for i := range r.hosts {
		if r.zoneless(i) { // the plugin is asked instead
			part := minimum.Questions / len(r.hosts)
			questions, plugins = questions-part, plugins+part
		}
	}
	row("questions to the DNS servers", r.questions, least(questions))
	row("questions to the plugin", r.plugins, least(plugins))
	fmt.Printf("  %-46s %8d\n", "  not answered", r.silent)
	fmt.Printf("  %-46s %8d\n", "times that all records were read", r.transfers)
	row("failovers measured", len(r.failover), least(minimum.Failovers))
	r.times("  from the write to the API server", r.failover)
	r.times("the same for shards that come back", r.failback)
	r.times("from the loss of a member to the records", r.losses)
	r.times("until the records are the rule's, in calm", r.calm)
	r.times("from the deletion of a claim to a new one", r.claims)
	fmt.Printf("  %-46s %8d\n", "changes of Nodes' labels", r.labels)
	fmt.Printf("  %-46s %8d   at most %d\n", "memory of the syncers, MiB", r.memory>>20, int64(maxMemory)>>20)
	fmt.Printf("  %-46s %8d\n", "violations", r.violations)
	if r.err != nil {
		return r.err
	}
	if len(few) > 0 {
		return fmt.Errorf("too little has happened to tell: %s", strings.Join(few, "; "))
	}
	return nil
}

func (r *report) times(what string, d []time.Duration) {
	if len(d) == 0 {
		return
	}
	slices.Sort(d)
	at := func(percent int) float64 {
		return float64(d[max((len(d)*percent+99)/100-1, 0)].Microseconds()) / 1000
	}
	fmt.Printf("  %-46s p50 %.1f ms, p99 %.1f ms, max %.1f ms\n", what, at(50), at(99), at(100))
}
