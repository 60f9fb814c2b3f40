package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/display"
	"github.com/federation-dns/federation/federation/explain"
	"github.com/federation-dns/federation/federation/live"
)

// drainVerb is one run of drain or uncordon.
type drainVerb struct {
	*options
	admin.Assumption
	yes, dryRun bool
	server      string
	timeout     time.Duration
}

func drainCommand(o *options) *cobra.Command {
	return newDrainVerb(o, true, &cobra.Command{
		Use: "drain MEMBER", Short: "Take a member's shards out of DNS, and watch until they are",
		Long: `Says which services lose a shard, and which have no other, asks, sets spec.drain
of the MemberCluster, and watches until the records at the DNS servers agree. The
levels of the member stay, and lead to the other members. Pods in the member stay
with its own shards.

A service that has no other shard has no address from then on, without the grace
period that a failing shard has. If that would be too many services at once, the
syncer holds them until kubectl federation confirm.

A member of the configuration file is drained there: the line is printed.`,
		Example: `  kubectl federation drain gce-us-central1 --dry-run
  kubectl federation drain gce-us-central1
  kubectl federation drain gce-us-central1 --yes --query ns1.example.com`,
	})
}

func uncordonCommand(o *options) *cobra.Command {
	return newDrainVerb(o, false, &cobra.Command{
		Use: "uncordon MEMBER", Short: "Put a drained member's shards back into DNS, and watch until they are",
		Long: `Says which services get a shard again, asks, clears spec.drain of the
MemberCluster, and watches until the records at the DNS servers agree.`,
		Example: `  kubectl federation uncordon gce-us-central1`,
	})
}

func newDrainVerb(o *options, drained bool, cmd *cobra.Command) *cobra.Command {
	v := drainVerb{options: o}
	cmd.Long += `

With -o json or yaml, and with --dry-run, it only says what would happen. Run
again it goes on where it was interrupted.

Exit status 1 if it was not confirmed, or the records do not agree in time.`
	cmd.Args, cmd.PreRunE, cmd.ValidArgsFunction = args(1, 1, "MEMBER"), o.checkOutput, completeMember(o)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		v.Assumption = admin.Assumption{Member: args[0], Drained: drained}
		return v.run(cmd)
	}
	cmd.Flags().BoolVarP(&v.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&v.dryRun, "dry-run", false, "only say what would happen, and whether you may do it")
	cmd.Flags().StringVar(&v.server, "query", "", "DNS server that has to agree, authoritative or a resolver "+
		"(default: the name servers of the domain)")
	cmd.Flags().DurationVar(&v.timeout, "timeout", 10*time.Minute, "how long to watch")
	return o.outputFlag(cmd)
}

// run predicts, asks, sets and watches.
func (v *drainVerb) run(cmd *cobra.Command) error {
	src, err := v.source()
	if err != nil {
		return err
	}
	status, err := fetch(cmd, src)
	if err != nil {
		return err
	}
	is, err := memberOf(status, v.Member)
	if err != nil {
		return err
	}
	d, err := predictDrain(cmd.Context(), src, v.Assumption)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	err = v.print(cmd, d, func(w io.Writer, opt display.Options) { display.Drain(w, d, opt) })
	if err != nil || v.output == "json" || v.output == "yaml" {
		return err
	}
	switch {
	case !is.Object && is.Drained == v.Drained: // it is as it should be, but perhaps not yet in DNS
	case !is.Object:
		return fileMemberError(status.Config, v.Assumption)
	default:
		if done, err := v.setDrained(cmd); err != nil || done {
			return err
		}
	}
	if v.dryRun {
		return nil
	}
	w := drainWatch{out: out, src: src, drain: d, server: v.server, timeout: v.timeout, now: v.now}
	if err := w.await(cmd.Context()); err != nil {
		return err
	}
	w.end()
	return nil
}

// setDrained sets spec.drain of the MemberCluster after a yes. Done reports that there is nothing to watch.
func (v *drainVerb) setDrained(cmd *cobra.Command) (done bool, err error) {
	ctx, cancel := context.WithTimeout(cmd.Context(), answerTimeout)
	defer cancel()
	config, err := v.host()
	if err != nil {
		return false, err
	}
	m, err := live.FetchMember(ctx, config, v.Member)
	if err != nil {
		return false, unknownError{err}
	}
	out, what := cmd.OutOrStdout(), fmt.Sprintf("membercluster/%s: spec.drain", v.Member)
	if m.Drained() == v.Drained {
		fmt.Fprintf(out, "\n%s is %t already\n", what, v.Drained)
		return false, nil
	}
	if err := m.SetDrained(ctx, v.Drained, true); err != nil { // before anybody is asked
		return false, err
	}
	if v.dryRun {
		fmt.Fprintf(out, "\n%s would be %t (dry run)\n", what, v.Drained)
		return true, nil
	}
	if !v.yes {
		question := "Uncordon %s?"
		if v.Drained {
			question = "Drain %s?"
		}
		if err := display.Ask(cmd.InOrStdin(), out, fmt.Sprintf(question, v.Member)); err != nil {
			return false, err
		}
	}
	ctx, cancel = context.WithTimeout(cmd.Context(), answerTimeout) // anew: a person has answered
	defer cancel()
	if err := m.SetDrained(ctx, v.Drained, false); err != nil {
		return false, err
	}
	fmt.Fprintf(out, "\n%s is %t\n", what, v.Drained)
	return false, nil
}

// host is the cluster that has the MemberClusters. One that is not named is not trusted to be it if the syncer is
// asked elsewhere: it may have a member of the same name.
func (v *drainVerb) host() (*rest.Config, error) {
	if v.socket != "" && *v.kube.Context == "" && *v.kube.KubeConfig == "" {
		return nil, fmt.Errorf("%q is a MemberCluster of the syncer's host cluster: say by --context or --kubeconfig, "+
			"beside --socket, which cluster that is", v.Member)
	}
	config, err := v.hostConfig()
	if err != nil {
		return nil, unknownError{fmt.Errorf("no host cluster to change %q in: %w", v.Member, err)}
	}
	return config, nil
}

// fileMemberError says what to edit.
func fileMemberError(config *admin.ConfigStatus, a admin.Assumption) error {
	file := "the file"
	if config != nil && config.Path != "" {
		file = config.Path
	}
	verb := "remove this line from"
	if a.Drained {
		verb = "add this line to"
	}
	return fmt.Errorf("%q is a member of the syncer's configuration file, which is edited where it comes from: %s the "+
		"entry `- name: %s` under `clusters:` in %s, and the syncer reads it again by itself:\n    drain: true",
		a.Member, verb, a.Member, file)
}

// predictDrain asks the syncer what would happen.
func predictDrain(ctx context.Context, src live.Source, a admin.Assumption) (*explain.Drain, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	status, err := src.StatusIf(ctx, a)
	if err != nil {
		return nil, err
	}
	return explain.PredictDrain(status)
}

// memberOf returns the member, which is the same in each federation.
func memberOf(status *admin.Status, name string) (*admin.MemberStatus, error) {
	if len(status.Federations) == 0 {
		return nil, errors.New("this syncer has no federations")
	}
	return explain.Member(&status.Federations[0], name)
}

// completeMember completes the name of a member as the argument.
func completeMember(o *options) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begin string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return o.completeMembers(cmd, args, begin)
	}
}
