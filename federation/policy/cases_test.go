package policy

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
)

// TestCases plays the cases in testdata. Each has a title that begins with the rules it holds, "members NAMES" or
// "services N names M", and lines of "TIME WHAT", in order. About members, WHAT is one of
//
//	begin [NAMES]              the records are known, and an earlier run knew these members
//	list NAMES                 a complete list of each
//	leave NAME, add NAME       it is removed from the configuration, or added
//	up NAMES, down NAMES       from now on their probes are (not) answered, every 5 s
//	watched NAMES, unwatched NAMES   from now on their watches (do not) work
//	provider up|down
//	is NAME=STANDING...        how all of them stand: as in status, or panic for those lost in a panic
//
// About one service, which is decided on every second:
//
//	records                    it has records with an address
//	shard NAME healthy|unhealthy|unresolved|drained|deleted
//	service COUNTS [held WHAT...]   COUNTS is the members whose shard counts as healthy, none, keep or unfederated;
//	                           what is held is MEMBER=REASON, or REASON for the whole service
//
// About the brake, with services 0 to N-1 that have their address from member a, and every third from b too, each at M
// names: global, r1, r2 and so on. SERVICES is 7, 0-9 or 0-9/3 for every third:
//
//	pending SERVICES           they are about to lose their last address, but emptyGrace is running
//	lose SERVICES NAMES [waits WHAT [until TIME]]   they lose these names (r1:watched: seen by a watch), of which
//	                           WHAT have to wait: names, or the number of services with such names
//	recover SERVICES           they are to lose nothing
//	deleted SERVICES NAMES, published SERVICES NAMES   their records have lost the names, or have them again
//	expect SERVICES NAMES      a confirmation in advance
//	confirm SERVICE NAMES yes|no
//	waiting N                  for how many services confirm would ask
//	shown SERVICE NAMES...     what it would show, watched names apart
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		rule := strings.TrimSuffix(filepath.Base(file), ".txt")
		for c := range strings.SplitSeq("\n"+string(text), "\n# ") {
			title, lines, ok := strings.Cut(c, "\n")
			if !ok || strings.TrimSpace(c) == "" {
				continue
			}
			t.Run(title, func(t *testing.T) {
				if !strings.HasPrefix(title, rule) {
					t.Errorf("the case belongs into another file than %s", file)
				}
				newPlay(t).lines(lines)
			})
		}
	}
}

// play is what a case is about.
type play struct {
	t       *testing.T
	now     time.Time
	members *membersPlay
	brake   *brakeTest
}

func newPlay(t *testing.T) *play {
	return &play{t: t, now: epoch, members: &membersPlay{
		Roster: NewRoster(config), up: map[string]bool{}, unwatched: map[string]time.Time{}, provider: true,
		shards: map[string]ShardState{},
	}}
}

func (p *play) lines(text string) {
	p.t.Helper()
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case f[0] == "members":
			p.members.add(f[1:])
		case f[0] == "services":
			p.brake = newBrake(number(p.t, f[1]), number(p.t, f[3]))
		default:
			p.line(f)
		}
	}
}

func (p *play) line(f []string) {
	p.t.Helper()
	p.now = p.members.pass(p.now, epoch.Add(duration(p.t, f[0])))
	var got, want string
	var known bool
	if p.brake != nil {
		got, want, known = p.brakeLine(f[1], f[2:])
	} else {
		got, want, known = p.members.line(p.now, f[1], f[2:])
	}
	if !known {
		p.t.Fatalf("unknown: %q", f)
	}
	if got != want {
		p.t.Fatalf("at %s: %s, want %s", f[0], got, want)
	}
}

// membersPlay is members over which time passes, and one service of theirs.
type membersPlay struct {
	*Roster
	names     []string
	up        map[string]bool
	unwatched map[string]time.Time
	provider  bool

	shards  map[string]ShardState
	service *Service // nil if the case has none
}

func (m *membersPlay) add(names []string) {
	for _, name := range names {
		m.Add(epoch, name, 0)
		m.names, m.up[name] = append(m.names, name), true
	}
}

// pass goes from one time to another, with probes every 5 s.
func (m *membersPlay) pass(now, end time.Time) time.Time {
	for ; now.Before(end); now = now.Add(time.Second) {
		if now.Sub(epoch)%(5*time.Second) == 0 {
			for name, ok := range m.up {
				m.Watch(name, m.unwatched[name])
				m.Probe(now, name, ok)
			}
		}
		m.step(now)
	}
	m.step(end)
	return end
}

func (m *membersPlay) step(now time.Time) Verdict {
	m.Step(now, m.provider)
	if m.service == nil {
		return Verdict{}
	}
	s := m.service
	s.Shards, s.AllMembers = s.Shards[:0], m.Summary()
	for _, name := range m.names {
		if st, ok := m.shards[name]; ok {
			st.Reach = m.Get(name)
			s.Shards = append(s.Shards, st)
		}
	}
	v := Decide(now, config, *s)
	s.EmptySince, s.HealthyAt = v.EmptySince, v.HealthyAt
	return v
}

func (m *membersPlay) line(now time.Time, verb string, args []string) (got, want string, known bool) {
	switch verb {
	case "begin":
		m.Begin(now, args)
	case "list":
		for _, name := range args {
			m.List(name)
		}
	case "leave":
		m.Depart(now, args[0])
	case "add":
		m.Add(now, args[0], 0)
	case "up", "down":
		for _, name := range args {
			m.up[name] = verb == "up"
		}
	case "unwatched", "watched":
		for _, name := range args {
			if m.unwatched[name] = now; verb == "watched" {
				m.unwatched[name] = time.Time{}
			}
		}
	case "provider":
		m.provider = args[0] == "up"
	case "is":
		return m.standings(), strings.Join(args, " "), true
	case "records":
		m.service = &Service{Had: true, HealthyAt: now}
	case "shard":
		m.shard(now, args[0], args[1])
	case "service":
		return describe(m.step(now)), strings.Join(args, " "), true
	default:
		return "", "", false
	}
	m.step(now)
	return "", "", true
}

func (m *membersPlay) shard(now time.Time, member, state string) {
	if m.service == nil {
		m.service = &Service{}
	}
	st, ok := m.shards[member]
	if !ok {
		st = shard(member, true, Reach{})
	}
	switch state {
	case "healthy", "unhealthy":
		st.Healthy, st.Drained, st.Unresolved = state == "healthy", time.Time{}, time.Time{}
	case "unresolved":
		st.Unresolved = now
	case "drained":
		st.Drained = now.Add(1) // after the last verdict
	case "deleted":
		delete(m.shards, member)
		return
	}
	m.shards[member] = st
}

func (m *membersPlay) standings() string {
	var out []string
	for _, name := range m.names {
		reach := m.Get(name)
		word := reach.String()
		if reach.Panic {
			word = "panic"
		}
		out = append(out, name+"="+word)
	}
	return strings.Join(out, " ")
}

func describe(v Verdict) string {
	out := []string{counts(v)}
	for i, h := range v.Held {
		if i == 0 {
			out = append(out, "held")
		}
		what := string(h.Reason)
		if h.Member != "" {
			what = h.Member + "=" + what
		}
		out = append(out, what)
	}
	return strings.Join(out, " ")
}

func (p *play) brakeLine(verb string, args []string) (got, want string, known bool) {
	var services []int
	var names Withdrawal
	if verb != "waiting" {
		services = span(p.t, args[0])
	}
	switch verb {
	case "pending", "recover", "waiting", "shown":
	default:
		names = losses(p.t, services[0], args[1])
	}
	switch verb {
	case "pending":
		for _, i := range services {
			w := losses(p.t, i, "global")
			w.Pending = true
			p.brake.Withdraw(p.now, braked(i), w)
		}
	case "recover":
		for _, i := range services {
			p.brake.Withdraw(p.now, braked(i), Withdrawal{})
		}
	case "lose":
		got := p.lose(services, args[1], args[2:])
		return got, strings.Join(args[2:], " "), true
	case "deleted", "published":
		for _, i := range services {
			for _, d := range losses(p.t, i, args[1]).Deletions {
				p.brake.has[d.Name] = verb == "published"
			}
			p.brake.observe(i)
		}
	case "expect":
		p.brake.Expect(braked(services[0]), namesOf(names))
	case "confirm":
		got := map[bool]string{true: "yes", false: "no"}[p.brake.Confirm(braked(services[0]), namesOf(names))]
		return got, args[2], true
	case "waiting":
		return strconv.Itoa(len(p.brake.Waiting())), args[0], true
	case "shown":
		return p.shown(braked(services[0])), strings.Join(args[1:], " "), true
	default:
		return "", "", false
	}
	return "", "", true
}

// lose says what waits, in the form in which it is wanted.
func (p *play) lose(services []int, names string, want []string) string {
	var waits []federation.FQDN
	var next time.Time
	n := 0
	for _, i := range services {
		waits, next = p.brake.Withdraw(p.now, braked(i), losses(p.t, i, names))
		if len(waits) > 0 {
			n++
		}
	}
	if len(want) == 0 {
		return ""
	}
	got := "waits " + strconv.Itoa(n)
	if _, err := strconv.Atoi(want[1]); err != nil {
		got = "waits " + short(waits)
	}
	if len(want) > 2 {
		if until := duration(p.t, want[3]); next.Equal(epoch.Add(until)) {
			return got + " until " + want[3]
		}
		got += " until " + next.Sub(epoch).String()
	}
	return got
}

func (p *play) shown(service federation.ServiceName) string {
	var out []string
	for _, b := range p.brake.Waiting() {
		if b.Service != service {
			continue
		}
		one := short(b.Names)
		if b.Watched {
			one = strings.ReplaceAll(one, ",", ":watched,") + ":watched"
		}
		out = append(out, one)
	}
	return strings.Join(out, " ")
}

// short lists names without the service.
func short(names []federation.FQDN) string {
	var out []string
	for _, n := range names {
		out = append(out, strings.Split(string(n), ".")[1])
	}
	return strings.Join(out, ",")
}

func namesOf(w Withdrawal) (names []federation.FQDN) {
	for _, d := range w.Deletions {
		names = append(names, d.Name)
	}
	return names
}

// losses reads the names that a service is to lose.
func losses(t *testing.T, i int, text string) (w Withdrawal) {
	t.Helper()
	for name := range strings.SplitSeq(text, ",") {
		name, watched := strings.CutSuffix(name, ":watched")
		label := slices.Index(labels, name)
		if label < 0 {
			t.Fatalf("no name: %s", name)
		}
		w.Deletions = append(w.Deletions, Deletion{Name: nameOf(i, label), Empties: label == 0, Watched: watched})
	}
	return w
}

// span reads 7, 0-9 or 0-9/3.
func span(t *testing.T, text string) (list []int) {
	t.Helper()
	text, every, _ := strings.Cut(text, "/")
	first, last, ok := strings.Cut(text, "-")
	if !ok {
		last = first
	}
	if every == "" {
		every = "1"
	}
	for i := number(t, first); i <= number(t, last); i += number(t, every) {
		list = append(list, i)
	}
	return list
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// life plays lines about members, for tests that go on in code.
func life(t *testing.T, members, text string) *Roster {
	t.Helper()
	p := newPlay(t)
	p.lines(fmt.Sprintf("members %s\n%s", members, text))
	return p.members.Roster
}
