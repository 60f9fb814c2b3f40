package main

import (
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/federation-dns/federation/federation/display"
	"github.com/federation-dns/federation/federation/explain"
)

func (o *options) explain() *cobra.Command {
	var q explain.Question
	cmd := o.outputFlag(&cobra.Command{
		Use: "explain NAME --from MEMBER", Short: "Say what a pod in a member gets for a name, and why",
		Long: `Predicts, step by step, what a pod in the member gets for the name: whether the
local shard answers, and otherwise which level has records, with the reason of
each, and for how long the old answer can still be seen after the next change.
NAME is as a pod writes it: SERVICE.NAMESPACE.FEDERATION, with or without
svc.cluster.local, and also _PORT._PROTO. or ENDPOINT. before it.

It knows what the syncer knows: not a Service that has no label there, nor the
Corefile there (--ttl says its ttl).

Exit status 1 if the pod gets no address.`,
		Example: `  kubectl federation explain nginx.mynamespace.myfederation --from gce-asia-east1
  kubectl federation explain nginx.mynamespace.myfederation --from gce-us-central1 --zone us-central1-b`,
		Args: args(1, 1, "NAME"), PreRunE: o.checkOutput, ValidArgsFunction: o.completeServices,
		RunE: func(cmd *cobra.Command, args []string) error {
			if q.Member == "" {
				return unknownError{errors.New("--from MEMBER is required: the member in which the pod is " +
					"(kubectl federation clusters lists them)")}
			}
			status, err := o.status(cmd)
			if err != nil {
				return err
			}
			q.Name = args[0]
			x, err := explain.Explain(status, q)
			if err != nil {
				return err
			}
			err = o.print(cmd, x, func(w io.Writer, d display.Options) { display.Explanation(w, x, d) })
			if err == nil && !x.Answered() {
				return errBad
			}
			return err
		},
	})
	cmd.Flags().StringVar(&q.Member, "from", "", "the member in which the pod is")
	cmd.Flags().StringVar(&q.Zone, "zone", "", "the topology zone of its node (default: the member's first)")
	cmd.Flags().StringVar(&q.Domain, "domain", "", "domain of the federation, if several have its name")
	cmd.Flags().Uint32Var(&q.TTL, "ttl", explain.DefaultTTL, "ttl in the Corefile of the member, in seconds")
	_ = cmd.RegisterFlagCompletionFunc("from", o.completeMembers)
	return cmd
}

// completeMembers completes the names of members.
func (o *options) completeMembers(cmd *cobra.Command, _ []string, begin string) ([]string, cobra.ShellCompDirective) {
	status, err := o.status(cmd)
	if err != nil || len(status.Federations) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, m := range status.Federations[0].Members { // each is in all federations
		if strings.HasPrefix(m.Name, begin) {
			names = append(names, m.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
