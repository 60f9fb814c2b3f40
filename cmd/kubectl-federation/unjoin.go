package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/display"
	"github.com/federation-dns/federation/federation/explain"
	"github.com/federation-dns/federation/federation/join"
	"github.com/federation-dns/federation/federation/live"
)

// The bounds of a run with --force, which waits for nobody: to look, and then to remove.
const (
	forceLookTimeout   = 3500 * time.Millisecond
	forceRemoveTimeout = 6 * time.Second
)

// unjoinVerb is a run of unjoin.
type unjoinVerb struct {
	*options
	join.LeaveOptions
	member memberFlags
	yes    bool
	server string
	agreed []string // services that may lose their last address, as namespace/name
}

func unjoinCommand(o *options) *cobra.Command {
	v := &unjoinVerb{options: o}
	cmd := &cobra.Command{
		Use:   "unjoin NAME --member-context CONTEXT",
		Short: "Take a member out of DNS, and remove all that join has made",
		Long: `Says which services lose a shard, and which have no other, asks, drains the member,
waits until the DNS servers agree and resolvers have forgotten the old answers, and
then removes the member: its object, its records and levels, its Secret in the host,
and its account in the member. What was there before join is kept, and named.

A member that cannot be reached any more leaves with --force: without the wait, and
its account stays; the commands that delete it are printed.

What was cut short is continued by running the same again.

Exit status 1 if it was not confirmed, or something could not be removed, and 2 if
the host or the syncer does not answer.`,
		Example: `  kubectl federation unjoin gce-asia-east1 --member-context gke_asia --context federation-host
  kubectl federation unjoin gce-asia-east1 --force`,
		Args: args(1, 1, "NAME"), ValidArgsFunction: completeMember(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			v.Name = args[0]
			err := v.run(cmd)
			if errors.Is(err, join.ErrUnknown) {
				return unknownError{err}
			}
			return err
		},
	}
	v.member.add(o, cmd)
	cmd.Flags().BoolVarP(&v.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&v.Force, "force", false, "do not drain, and leave what cannot be reached")
	cmd.Flags().StringVar(&v.server, "query", "", "DNS server that has to agree, authoritative or a resolver "+
		"(default: the name servers of the domain)")
	cmd.Flags().DurationVar(&v.Timeout, "timeout", 10*time.Minute, "how long to wait for the syncer and for DNS")
	return cmd
}

func (v *unjoinVerb) run(cmd *cobra.Command) (err error) {
	if !v.member.given() && !v.Force {
		return unknownError{errors.New("--member-context is required: the context of the member, where its account " +
			"is deleted; --force leaves it there")}
	}
	if v.Host, err = hostTarget(v.options); err != nil {
		return err
	}
	if v.member.given() {
		target, err := v.member.target(v.options)
		if err != nil {
			return err
		}
		v.Member = &target
	}
	if v.Source, err = v.source(); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	v.Namespace, v.Progress = v.namespace, &joinProgress{out: out}
	ctx, cancel := v.bounded(cmd.Context(), forceLookTimeout)
	defer cancel()
	l, err := join.FindLeaving(ctx, v.LeaveOptions)
	if err != nil {
		return err
	}
	d, err := v.predict(ctx, out, l)
	if err != nil {
		return err
	}
	if !v.yes {
		if err := display.Ask(cmd.InOrStdin(), out, fmt.Sprintf("Unjoin %s?", v.Name)); err != nil {
			return err
		}
	}
	if l.Ready() && !v.Force {
		if err := v.drain(cmd.Context(), out, d); err != nil {
			return err
		}
	}
	ctx, cancel = v.bounded(cmd.Context(), forceRemoveTimeout) // anew: a person has answered
	defer cancel()
	err = l.Remove(ctx, v.agreed)
	if left := l.Left(); len(left) > 0 {
		fmt.Fprintln(out, "\nstays there; these delete it:")
		for _, line := range left {
			fmt.Fprintln(out, "  "+line)
		}
	}
	if err == nil {
		fmt.Fprintln(out, "unjoined", v.Name)
	}
	return err
}

// bounded bounds a part of a run with --force.
func (v *unjoinVerb) bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if !v.Force {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}

// predict shows what DNS loses with the member, which is agreed on with the answer.
func (v *unjoinVerb) predict(ctx context.Context, out io.Writer, l *join.Leaving) (*explain.Drain, error) {
	status, err := v.Source.Status(ctx)
	if err != nil && v.Force {
		return nil, nil // said before
	}
	if err != nil {
		return nil, err
	}
	if !l.Ready() {
		v.showDeparted(out, status)
		return nil, nil
	}
	if m, err := memberOf(status, v.Name); err != nil || !m.Object {
		return nil, nil // the syncer has not taken it up
	}
	d, err := predictDrain(ctx, v.Source, admin.Assumption{Member: v.Name, Drained: true})
	if err != nil {
		return nil, err
	}
	display.Drain(out, d, v.display(out))
	for _, f := range d.Federations {
		for _, s := range f.Services {
			if s.Emptied() {
				v.agreed = append(v.agreed, s.Name)
			}
		}
	}
	if v.Force { // not drained, it counts as lost: what the rule holds goes with the confirmation
		v.agreed = append(v.agreed, join.OnlyAt(status, v.Name)...)
	}
	return d, nil
}

// showDeparted shows what waits of a member whose object is gone.
func (v *unjoinVerb) showDeparted(out io.Writer, status *admin.Status) {
	for _, f := range status.Federations {
		list := slices.DeleteFunc(slices.Clone(f.Waiting), func(w admin.Waiting) bool { return w.Member != v.Name })
		if len(list) > 0 {
			display.Waiting(out, list, v.display(out))
		}
		for _, w := range list {
			v.agreed = append(v.agreed, w.Emptied...)
		}
	}
}

// drain takes the shards of the member out of DNS, and waits until nobody has the old answers.
func (v *unjoinVerb) drain(ctx context.Context, out io.Writer, d *explain.Drain) error {
	m, err := live.FetchMember(ctx, v.Host.Config, v.Name)
	if err != nil {
		return unknownError{err}
	}
	if !m.Drained() {
		if err := m.SetDrained(ctx, true, false); err != nil {
			return err
		}
		fmt.Fprintf(out, "\nmembercluster/%s: spec.drain is true\n", v.Name)
	}
	if d == nil {
		return nil
	}
	if err := v.confirmDrained(ctx, d); err != nil {
		return err
	}
	w := drainWatch{out: out, src: v.Source, drain: d, server: v.server, timeout: v.Timeout, now: v.now}
	if err := w.await(ctx); err != nil {
		return err
	}
	return v.forget(ctx, out, d)
}

// confirmDrained confirms what the syncer holds because it is too much at once: it was agreed on.
func (v *unjoinVerb) confirmDrained(ctx context.Context, d *explain.Drain) error {
	ctx, cancel := context.WithTimeout(ctx, v.Timeout)
	defer cancel()
	for {
		status, err := v.Source.Status(ctx)
		if err != nil {
			return err
		}
		if p := d.Progress(status); p.Taken && p.Wait == 0 {
			return nil
		}
		var list []admin.Waiting
		for _, f := range status.Federations {
			for _, w := range f.Waiting {
				if w.Member == "" && slices.Contains(v.agreed, w.Namespace+"/"+w.Service) {
					list = append(list, w)
				}
			}
		}
		if len(list) > 0 {
			if _, err := v.Source.Confirm(ctx, list); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the syncer has not drained %s within %v: see kubectl federation "+
				"services", v.Name, v.Timeout)
		case <-time.After(drainEvery):
		}
	}
}

// forget waits for the TTL of the records: as long as resolvers may answer with the member's addresses.
func (v *unjoinVerb) forget(ctx context.Context, out io.Writer, d *explain.Drain) error {
	status, err := v.Source.Status(ctx)
	if err != nil {
		return err
	}
	var ttl uint32
	for _, f := range d.Federations {
		ttl = max(ttl, f.TTL)
	}
	for _, f := range status.Federations { // it may have been drained by an earlier run
		if m, err := explain.Member(&f, v.Name); err == nil && m.Shards > 0 && !f.NoProvider {
			ttl = max(ttl, f.TTL)
		}
	}
	if ttl == 0 {
		return nil
	}
	fmt.Fprintf(out, "waiting  %d s, for as long as resolvers may keep its addresses\n", ttl)
	select {
	case <-ctx.Done():
		return fmt.Errorf("interrupted: %s is drained, and still a member. The same command goes on", v.Name)
	case <-time.After(time.Duration(ttl) * time.Second):
		return nil
	}
}
