package main

import (
	"fmt"
	"io"

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
