package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation/display"
	"github.com/federation-dns/federation/federation/explain"
	"github.com/federation-dns/federation/federation/live"
)

// drainEvery is how often the syncer, and then the DNS servers, are asked.
const drainEvery = 500 * time.Millisecond

// drainWatch watches a drain, or its end, until the DNS servers agree.
type drainWatch struct {
	out     io.Writer
	src     live.Source
	drain   *explain.Drain
	server  string // of --query; "" for the name servers of the domains
	timeout time.Duration
	now     func() time.Time

	began time.Time
	said  map[string]string // what was said last, by what it is about
}

// await waits until the syncer has changed the records and the DNS servers have them. It prints each step on the way.
func (w *drainWatch) await(ctx context.Context) error {
	w.began, w.said = w.now(), map[string]string{}
	late := time.NewTimer(w.timeout)
	defer late.Stop()
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	last := "the syncer has not answered"
	for {
		missing, err := w.step(ctx)
		switch {
		case ctx.Err() != nil: // what was seen before says more
		case err != nil: // it may be back in a moment
			last = w.say("syncer", err.Error())
		case missing == "":
			return nil
		default:
			last = missing
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("interrupted: %s. %s", last, stays)
		case <-late.C:
			return fmt.Errorf("not done within %v: %s. %s", w.timeout, last, stays)
		case <-tick.C:
		}
	}
}

const stays = "What was set stays, and the same command goes on to watch"

// step looks once. It returns what is missing; "" if nothing is.
func (w *drainWatch) step(ctx context.Context) (missing string, err error) {
	asking, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	status, err := w.src.Status(asking)
	if err != nil {
		return "", err
	}
	p := w.drain.Progress(status)
	if !p.Taken {
		return w.say("syncer", "waiting for the syncer to take it up"), nil
	}
	text := fmt.Sprintf("%d of %d services have their new records", p.Changed, p.Services)
	if p.Wait > 0 {
		text += fmt.Sprintf("; %d wait for kubectl federation confirm", p.Wait)
	}
	if p.Failing > 0 {
		text += fmt.Sprintf("; %d fail: %s", p.Failing, p.Failure)
	}
	if w.say("syncer", text); !p.Done() {
		return text, nil
	}
	return w.ask(ctx, p)
}

// ask asks the DNS servers of each federation.
func (w *drainWatch) ask(ctx context.Context, p *explain.DrainProgress) (missing string, err error) {
	want := map[string][]explain.Expectation{} // by the domain
	for _, f := range p.Records {
		if f.Federation.NoProvider {
			continue
		}
		list, err := explain.Expectations(f)
		if err != nil {
			return "", err
		}
		want[f.Federation.Domain] = append(want[f.Federation.Domain], list...)
	}
	for _, f := range w.drain.Federations {
		if f.NoProvider {
			w.say(f.Domain, fmt.Sprintf("federation %s has no DNS provider: the members' mirrors are told, and no DNS "+
				"server is asked", f.Name))
			continue
		}
		if len(want[f.Domain]) == 0 {
			continue
		}
		servers := []string{w.server}
		if w.server == "" {
			if servers, err = live.Authorities(ctx, f.Domain); err != nil {
				w.say(f.Domain, fmt.Sprintf("the name servers of %s are not known here, and not asked "+
					"(--query SERVER asks one): %v", f.Domain, err))
				continue
			}
		}
		for _, server := range servers {
			if m := w.compare(ctx, server, want[f.Domain]); m != "" && missing == "" {
				missing = m
			}
		}
		delete(want, f.Domain) // two federations may share it
	}
	return missing, nil
}

// compare asks one server, and returns what is missing there.
func (w *drainWatch) compare(ctx context.Context, server string, want []explain.Expectation) (missing string) {
	c := live.Compare(ctx, server, want)
	text := fmt.Sprintf("%s: %d of %d RRsets agree", server, c.Asked-len(c.Differences), c.Asked)
	if len(c.Differences) == 0 {
		w.say(server, text)
		return ""
	}
	d := c.Differences[0]
	if d.Error != "" {
		return w.say(server, text+"; "+d.Error)
	}
	return w.say(server, fmt.Sprintf("%s; %s %s still has %s", text, d.Name, d.Type, orNone(d.Got)))
}

func orNone(data []string) string {
	if len(data) == 0 {
		return "none"
	}
	return strings.Join(data, " ")
}

// say prints a line with the time that has passed, unless what is said of the subject is as before. It returns the
// text.
func (w *drainWatch) say(subject, text string) string {
	if text != w.said[subject] {
		display.Wrap(w.out, fmt.Sprintf("%6.1fs  ", w.now().Sub(w.began).Seconds()), text)
		w.said[subject] = text
	}
	return text
}

// end says what is true from now on, and for how long old answers can be seen.
func (w *drainWatch) end() {
	verb := "uncordoned"
	if w.drain.Drained {
		verb = "drained"
	}
	var ttl uint32
	for _, f := range w.drain.Federations {
		ttl = max(ttl, f.TTL)
	}
	fmt.Fprintf(w.out, "%s %s\n", verb, w.drain.Member)
	if ttl > 0 {
		fmt.Fprintf(w.out, "resolvers may keep old answers for %d s, and pods for %d s after that\n", ttl,
			explain.DefaultTTL)
	}
}
