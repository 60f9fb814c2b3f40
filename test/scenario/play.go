// Package scenario is the walk-through of the whole system, on real API servers: four clusters, one federated Service,
// and what happens when parts of it fail. It drives both the demo and its test.
//
// A Play is a World with a Watch, which asks for every name all the time. A Step does something to it and says what
// must come true. What it expects of the records is in tables/, written by hand and not computed by the code that is
// tested.
package scenario

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/world"
)

// changeTime is how long the records may take to become what is expected of a
// change.
const changeTime = 30 * time.Second

// Play is a World in which the walk-through is played, and a Watch of it.
type Play struct {
	*world.World
	names []string // of the zone; none without one
	watch *Watch
}

// NewPlay makes the folders of a World, in which nothing runs yet. It must be called inside a private network
// namespace.
func NewPlay(opt world.Options) (*Play, error) {
	p := &Play{}
	opt.Names = ExpectedTable("all").Names()
	if opt.Provider != world.None {
		p.names = opt.Names
	}
	opt.Renew = func(cluster string, begins bool) { p.watch.Pass(cluster, begins) }
	var err error
	p.World, err = world.New(opt)
	return p, err
}

// Start starts everything, and then the Watch.
func (p *Play) Start(ctx context.Context) error {
	if err := p.World.Start(ctx); err != nil {
		return err
	}
	p.watch = newWatch(p.World, p.names, ExpectedTable("none"))
	return nil
}

// Stop ends the Watch and everything else.
func (p *Play) Stop() error {
	if p.watch != nil {
		p.watch.Stop()
	}
	return p.World.Stop()
}

// Watch asks all the time from the start on.
func (p *Play) Watch() *Watch { return p.watch }

// WatchAnew begins a Watch for these names, while the records are as in table,
// and ends the one that there was. The records may have come just now.
func (p *Play) WatchAnew(names []string, table world.Table) {
	p.watch.Stop()
	p.watch = newWatch(p.World, names, nil)
	p.watch.Expect(table)
	p.watch.Reached()
}

// Change does something after which the records are to become those, and waits
// until they are. Its error says what they are instead, or which answer on the
// way was wrong.
func (p *Play) Change(ctx context.Context, to world.Table, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, changeTime)
	defer cancel()
	p.watch.Expect(to)
	if err := do(ctx); err != nil {
		return err
	}
	if err := p.AwaitRecords(ctx, to); err != nil {
		return err
	}
	p.watch.Reached()
	if seen := p.watch.Seen().Wrong; len(seen) > 0 {
		return fmt.Errorf("wrong answers were seen:\n%s", strings.Join(seen, "\n"))
	}
	return nil
}

// AwaitRecords waits until the records are those.
func (p *Play) AwaitRecords(ctx context.Context, want world.Table) error {
	return proc.Poll(ctx, "the records", func() error {
		if err := p.Alive(); err != nil {
			return err
		}
		have, err := p.Records(ctx)
		if err == nil && have.String() != want.String() {
			err = fmt.Errorf("\n- expected\n+ seen\n%s", lineDiff(want.String(), have.String()))
		}
		return err
	})
}
