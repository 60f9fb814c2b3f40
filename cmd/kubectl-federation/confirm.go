package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/display"
)

func (o *options) confirm() *cobra.Command {
	var of string
	var yes bool
	cmd := o.outputFlag(&cobra.Command{
		Use: "confirm", Short: "Show the withdrawals and deletions that wait, and let them happen",
		Long: `Shows the changes that the syncer holds because too much would go at once, or
because a member or a federation is not in the configuration any more, asks, and
lets exactly those happen that it has shown. -o wide lists each name. With -o json
or yaml it only shows them.`,
		Example: `  kubectl federation confirm
  kubectl federation confirm --federation myfederation --yes`,
		Args: args(0, 0, ""), PreRunE: o.checkOutput,
		RunE: func(cmd *cobra.Command, _ []string) error {
			src, err := o.source()
			if err != nil {
				return err
			}
			status, err := fetch(cmd, src)
			if err != nil {
				return err
			}
			list := []admin.Waiting{}
			for _, f := range status.Federations {
				if of == "" || f.Name == of {
					list = append(list, f.Waiting...)
				}
			}
			out, shown := cmd.OutOrStdout(), o.output == "json" || o.output == "yaml"
			err = o.print(cmd, list, func(w io.Writer, d display.Options) {
				if len(list) == 0 {
					fmt.Fprintln(w, "nothing waits")
					return
				}
				display.Waiting(w, list, d)
			})
			if err != nil || shown || len(list) == 0 {
				return err
			}
			if !yes {
				question := fmt.Sprintf("Let these %d happen?", len(list))
				if err := display.Ask(cmd.InOrStdin(), out, question); err != nil {
					return err
				}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), answerTimeout)
			defer cancel()
			n, err := src.Confirm(ctx, list)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "confirmed: %d of %d still waited\n", n, len(list))
			return nil
		},
	})
	cmd.Flags().StringVar(&of, "federation", "", "only what waits in this federation")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}
