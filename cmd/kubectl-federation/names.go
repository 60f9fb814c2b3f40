package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/federation-dns/federation/federation/display"
	"github.com/federation-dns/federation/federation/explain"
	"github.com/federation-dns/federation/federation/live"
)

func (o *options) records() *cobra.Command {
	var server string
	cmd := o.outputFlag(&cobra.Command{
		Use: "records NAME", Short: "Show the records of a service, with the reason of each",
		Long: `Shows the RRsets of a service as the DNS server last confirmed them, each with its
reason, and those that are to come. docs/operations.md lists the reasons. NAME is
as for services.

With --query it also asks a DNS server for each of these names, and compares: an
authoritative one, or a resolver, which may answer from its cache for a TTL.

Exit status 1 if there are no such records, or if the server differs, and 2 if it
does not answer.`,
		Example: `  kubectl federation records nginx.mynamespace
  kubectl federation records nginx -n mynamespace --query ns1.example.com`,
		Args: args(1, 1, "NAME"), PreRunE: o.checkOutput, ValidArgsFunction: o.completeServices,
		RunE: func(cmd *cobra.Command, args []string) error {
			status, err := o.status(cmd)
			if err != nil {
				return err
			}
			found, err := o.chosen(status, args)
			if err != nil {
				return err
			}
			return o.showRecords(cmd, found, server)
		},
	})
	cmd.Flags().StringVar(&server, "query", "", "address or name of a DNS server to compare with, port 53 unless given")
	return cmd
}

// showRecords prints the records of each service and, if a server is given, in what that differs.
func (o *options) showRecords(cmd *cobra.Command, found []explain.Found, server string) error {
	type records struct {
		serviceOutput
		Query *explain.Comparison `json:"query,omitempty"`
	}
	var list []records
	verdict := error(nil)
	for i, one := range outputOf(found) {
		r := records{serviceOutput: one}
		if len(one.Records) == 0 {
			verdict = errBad
		}
		if server != "" {
			want, err := explain.Expectations(found[i])
			if err != nil {
				return err
			}
			c := live.Compare(cmd.Context(), server, want)
			r.Query = &c
			verdict = firstError(verdictOf(c), verdict)
		}
		list = append(list, r)
	}
	err := o.print(cmd, list, func(w io.Writer, d display.Options) {
		for i, f := range found {
			if i > 0 {
				fmt.Fprintln(w)
			}
			display.Records(w, f, d)
			if list[i].Query != nil {
				display.Compared(w, *list[i].Query, d)
			}
		}
	})
	return firstError(err, verdict)
}

// verdictOf is the end of a comparison: what differs is bad, and nothing is known of what was not answered.
func verdictOf(c explain.Comparison) (err error) {
	for _, d := range c.Differences {
		if d.Error == "" {
			return errBad
		}
		err = unknownError{fmt.Errorf("DNS server %s: %s", c.Server, d.Error)}
	}
	return err
}

func (o *options) explain() *cobra.Command {
	var q explain.Question
	cmd := o.outputFlag(&cobra.Command{
		Use: "explain NAME --from MEMBER", Short: "Say what a pod in a member gets for a name, and why",
		Long: `Predicts, step by step, what a pod in the member gets for the name: whether the
local shard answers, and otherwise which level has records, with the reason of
each, and for how long the old answer can still be seen after the next change.
NAME is as a pod writes it: SERVICE.NAMESPACE.FEDERATION, with or without
svc.cluster.local, and also _PORT._PROTO. or ENDPOINT. before it.

Where the member has a mirror that is fresh, that answers, and nothing on the way
keeps an old answer; otherwise it says why the mirror does not.

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
