package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/display"
)

const confirmLong = `Too many services would lose their last address, or too many names would be
deleted, at about the same time (see maxDeletePercent): the syncer holds these
changes, and makes all others. What was seen by watches of members that are
present happens after holdFor; everything else waits for this command.

So does the departure of a member that is not in the configuration any more.
Until then it counts as unreachable, and keeps its levels.

It shows what waits, asks, and confirms exactly what it has shown.`

func confirmCommand() *cobra.Command {
	var socket, of, exactly, output string
	var yes bool
	cmd := &cobra.Command{
		Use:   "confirm",
		Short: "Show the withdrawals and deletions that wait, and let them happen",
		Long:  confirmLong,
		Example: `  federation-syncer confirm
  federation-syncer confirm --federation myfederation --yes`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "" && (output != "json" || exactly == "") {
				return usageError{fmt.Errorf("output %q: json is allowed, with --exactly", output)}
			}
			if exactly != "" {
				return confirmExactly(cmd, socket, exactly, output == "json")
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 10*time.Second)
			list, err := admin.FetchWaiting(ctx, socket)
			cancel()
			if err != nil {
				return err
			}
			if of != "" {
				list = only(list, of)
			}
			out := cmd.OutOrStdout()
			if len(list) == 0 {
				fmt.Fprintln(out, "nothing waits")
				return nil
			}
			if err := printWaiting(out, list); err != nil {
				return err
			}
			if !yes {
				question := fmt.Sprintf("Let these %d happen?", len(list))
				if err := display.Ask(cmd.InOrStdin(), out, question); err != nil {
					return err
				}
			}
			ctx, cancel = context.WithTimeout(cmd.Context(), 10*time.Second)
			defer cancel()
			n, err := admin.Confirm(ctx, socket, list)
			if err == nil {
				fmt.Fprintf(out, "confirmed: %d of %d still waited\n", n, len(list))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&socket, "socket", "/run/federation-syncer/admin.sock", "admin socket of the syncer")
	cmd.Flags().StringVar(&of, "federation", "", "only what waits in this federation")
	cmd.Flags().StringVar(&exactly, "exactly", "",
		"confirm the changes in this JSON file, or - for standard input, as \"waiting\" of status -o json has them")
	cmd.Flags().StringVarP(&output, "output", "o", "", "json for the number that still waited, with --exactly")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// confirmExactly confirms the changes that a file lists: others have shown them, and asked.
func confirmExactly(cmd *cobra.Command, socket, file string, asJSON bool) error {
	in := cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return usageError{err}
		}
		defer f.Close()
		in = f
	}
	var list []admin.Waiting
	if err := json.NewDecoder(in).Decode(&list); err != nil {
		return usageError{fmt.Errorf("--exactly %s: %w", file, err)}
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), 10*time.Second)
	defer cancel()
	n, err := admin.Confirm(ctx, socket, list)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]int{"confirmed": n, "of": len(list)})
	}
	fmt.Fprintf(cmd.OutOrStdout(), "confirmed: %d of %d still waited\n", n, len(list))
	return nil
}

func only(list []admin.Waiting, name string) (of []admin.Waiting) {
	for _, w := range list {
		if w.Federation == name {
			of = append(of, w)
		}
	}
	return of
}

func printWaiting(out io.Writer, list []admin.Waiting) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprint(w, "FEDERATION\tOF\tWHAT\tWAITS FOR\n")
	for _, one := range list {
		of := one.Namespace + "/" + one.Service
		var what []string
		if one.Member != "" {
			of = "member " + one.Member
			what = append(what, "leaves")
		}
		if one.Services > 0 {
			what = append(what, fmt.Sprintf("services that lose their last address: %d", one.Services))
		}
		if one.Empties {
			what = append(what, "loses its last address")
		}
		if one.Names > 0 {
			what = append(what, fmt.Sprintf("names deleted: %d", one.Names))
		}
		waits := "confirm"
		if one.Until != nil {
			waits = "confirm, or " + one.Until.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", one.Federation, of, strings.Join(what, ", "), waits)
	}
	return w.Flush()
}
