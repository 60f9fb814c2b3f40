package scenario

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/world"
)

// Watch asks for the names of all levels at the DNS server of Domain all the
// time, if there is a zone, and for Name at the CoreDNS of each cluster, and
// compares each answer with what may stand there at that moment.
type Watch struct {
	w      *world.World
	names  []string
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	phases   []phase
	passed   map[string]bool // clusters whose CoreDNS is not asked now
	asked    int
	silent   int
	wrong    []string
	wrongAll int
}

// phase is a time in which the records go from one table to another, RRset by
// RRset, or stay as they are.
type phase struct {
	from, to world.Table
	since    time.Time
}

// negativeTTL is for how long a CoreDNS may remember that a name of the zone
// does not exist: the SOA record's minimum, and not more than 5 s (Q8c).
const negativeTTL = 5 * time.Second

// maxWrong is how many wrong answers are reported in full.
const maxWrong = 10

// newWatch begins to ask for these names, if there are any. The records are as in table, and stay
// so until Expect.
func newWatch(w *world.World, names []string, table world.Table) *Watch {
	ctx, cancel := context.WithCancel(context.Background())
	x := &Watch{w: w, cancel: cancel, names: names, phases: []phase{{table, table, time.Now()}},
		passed: map[string]bool{}}
	if len(names) > 0 {
		x.wg.Go(func() { x.askLevels(ctx, dns.TypeA) })
		x.wg.Go(func() { x.askLevels(ctx, dns.TypeAAAA) })
		x.wg.Go(func() { x.askLevels(ctx, dns.TypeCNAME) })
	}
	x.wg.Go(func() { x.askClusters(ctx) })
	return x
}

// Expect says that from now on the records may change from the table of now to
// another, and have reached it when Reached is called.
func (x *Watch) Expect(to world.Table) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.phases = append(x.phases, phase{x.phases[len(x.phases)-1].to, to, time.Now()})
}

// Reached says that the records are what was expected last.
func (x *Watch) Reached() {
	x.mu.Lock()
	defer x.mu.Unlock()
	last := x.phases[len(x.phases)-1].to
	x.phases = append(x.phases, phase{last, last, time.Now()})
}

// Pass stops or resumes asking the CoreDNS of a cluster.
func (x *Watch) Pass(cluster string, passed bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.passed[cluster] = passed
}

func (x *Watch) passes(cluster string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.passed[cluster]
}

// Watched is what a Watch has seen so far.
type Watched struct {
	// Asked is how many questions were asked, Silent how many of them were not
	// answered at all.
	Asked, Silent int
	// Wrong are the answers that were mixed, empty, or not what may stand
	// there; the first of them in full.
	Wrong []string
}

// Seen returns what was seen so far.
func (x *Watch) Seen() Watched {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := Watched{Asked: x.asked, Silent: x.silent, Wrong: slices.Clone(x.wrong)}
	if x.wrongAll > len(x.wrong) {
		s.Wrong = append(s.Wrong, fmt.Sprintf("and %d more wrong answers", x.wrongAll-len(x.wrong)))
	}
	return s
}

// Stop ends the asking.
func (x *Watch) Stop() {
	x.cancel()
	x.wg.Wait()
}

func (x *Watch) askLevels(ctx context.Context, typ uint16) {
	x.every(ctx, 4*time.Millisecond, func(i int) {
		x.ask(ctx, world.Authority, x.names[i%len(x.names)], typ, 0, wrongAnswer)
	})
}

// askClusters asks for the types that all clusters have addresses of: in
// another it may well be that a healthy shard has none.
func (x *Watch) askClusters(ctx context.Context) {
	var types []uint16
	for _, typ := range []uint16{dns.TypeA, dns.TypeAAAA} {
		if !slices.ContainsFunc(x.w.Members(), func(m *world.Member) bool { return !m.HasType(typ) }) {
			types = append(types, typ)
		}
	}
	x.every(ctx, 10*time.Millisecond, func(i int) {
		m := x.w.Members()[i%len(x.w.Members())]
		if x.passes(m.Name) {
			return
		}
		typ := types[i/len(x.w.Members())%len(types)]
		x.ask(ctx, m.DNS.String(), world.Name+".svc.cluster.local.",
			typ, negativeTTL, func(p phase, r *dns.Msg) string {
				_, before := p.from.Find(world.Name+".svc."+world.Domain+".", dns.TypeToString[typ])
				_, after := p.to.Find(world.Name+".svc."+world.Domain+".", dns.TypeToString[typ])
				if got := endOf(r, r.Question[0].Name, typ); len(got) == 0 && before && after {
					return "empty, though a shard is healthy or held"
				}
				return ""
			})
	})
}

func (x *Watch) every(ctx context.Context, d time.Duration, f func(i int)) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f(i)
		}
	}
}

// ask asks once. An answer is good if it was so in any of the phases between
// the question, or some time before it, and the answer.
func (x *Watch) ask(ctx context.Context, server, name string, typ uint16, before time.Duration,
	wrong func(phase, *dns.Msg) string) {
	sent := time.Now()
	first := x.phaseAt(sent.Add(-before))
	r, err := world.Ask(ctx, server, name, typ)
	x.mu.Lock()
	defer x.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	x.asked++
	if err != nil {
		x.silent++
		return
	}
	var why string
	for _, p := range x.phases[first:] {
		if why = wrong(p, r); why == "" {
			return
		}
	}
	x.wrongAll++
	if len(x.wrong) < maxWrong {
		x.wrong = append(x.wrong, fmt.Sprintf("%s %s %s at %s, phase %d: %s\n%s",
			sent.Format("15:04:05.000"), name, dns.TypeToString[typ], server,
			first, why, indent(answerText(r))))
	}
}

// phaseAt is the index of the phase at a time.
func (x *Watch) phaseAt(at time.Time) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := len(x.phases) - 1; i > 0; i-- {
		if !x.phases[i].since.After(at) {
			return i
		}
	}
	return 0
}

// wrongAnswer says what is wrong with an answer of the DNS server of Domain;
// "" is nothing.
func wrongAnswer(p phase, r *dns.Msg) string {
	q := r.Question[0]
	typ := dns.TypeToString[q.Qtype]
	if r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError {
		return "the status is " + dns.RcodeToString[r.Rcode]
	}
	owner := q.Name
	for range 8 {
		sets := setsOf(r, owner)
		switch {
		case len(sets) > 1:
			return "mixed: " + owner + " has RRsets of several types"
		case len(sets) == 0:
			return wrongEmpty(p, owner, typ)
		}
		if data, ok := sets[typ]; ok {
			return wrongData(p, owner, typ, data)
		}
		target, ok := sets["CNAME"]
		if !ok {
			return "an RRset of another type than asked for"
		}
		if why := wrongData(p, owner, "CNAME", target); why != "" {
			return why
		}
		owner = target[0]
	}
	return "the chain has no end"
}

// wrongEmpty: nothing may stand at the owner only if that is so before or
// after.
func wrongEmpty(p phase, owner, typ string) string {
	for _, t := range []world.Table{p.from, p.to} {
		_, cname := t.Find(owner, "CNAME")
		_, data := t.Find(owner, typ)
		if !cname && !data {
			return ""
		}
	}
	return "empty at " + owner
}

// wrongData: a CNAME is the one before or after. Addresses stand there one
// change after the other: none is there that is neither before nor after, none
// is missing that is both.
func wrongData(p phase, owner, typ string, data []string) string {
	before, _ := p.from.Find(owner, typ)
	after, _ := p.to.Find(owner, typ)
	for _, d := range data {
		if !slices.Contains(before.Data, d) && !slices.Contains(after.Data, d) {
			return fmt.Sprintf("%s %s %s may not stand there", owner, typ, d)
		}
	}
	for _, d := range before.Data {
		if slices.Contains(after.Data, d) && !slices.Contains(data, d) {
			return fmt.Sprintf("%s %s %s is missing", owner, typ, d)
		}
	}
	return ""
}

// setsOf returns the RRsets of an owner in the answer.
func setsOf(r *dns.Msg, owner string) map[string][]string {
	sets := map[string][]string{}
	for _, rr := range r.Answer {
		if strings.EqualFold(rr.Header().Name, owner) {
			typ := dns.TypeToString[rr.Header().Rrtype]
			sets[typ] = append(sets[typ], world.RData(rr))
		}
	}
	return sets
}

// endOf follows the CNAMEs in the answer to the data asked for.
func endOf(r *dns.Msg, owner string, typ uint16) []string {
	for range 8 {
		sets := setsOf(r, owner)
		if data := sets[dns.TypeToString[typ]]; len(data) > 0 {
			return data
		}
		if len(sets["CNAME"]) == 0 {
			return nil
		}
		owner = sets["CNAME"][0]
	}
	return nil
}

func answerText(r *dns.Msg) string {
	lines := []string{"status: " + dns.RcodeToString[r.Rcode]}
	for _, rr := range r.Answer {
		lines = append(lines, strings.ReplaceAll(rr.String(), "\t", " "))
	}
	return strings.Join(lines, "\n")
}

func indent(s string) string { return "    " + strings.ReplaceAll(s, "\n", "\n    ") }
