package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/display"
)

const cleanupLong = `Removes all that a federation has at its DNS server: the records, the claims, and
the list of levels. Nothing else is touched.

Take the federation from the configuration of the running syncer first, or stop
the syncer: its records stay as they are then. This command reads a configuration
that still has it. It leaves one TXT record as a mark, which deposes a syncer that
still runs with the federation and keeps any other from starting with it. To use
the names again, start the syncer with --adopt, or remove the mark with --forget.

It shows what goes, and asks.`

func cleanupCommand() *cobra.Command {
	var file, name, domain string
	var yes bool
	var opt claim.CleanupOptions
	cmd := &cobra.Command{
		Use:   "cleanup --config FILE --federation NAME",
		Short: "Remove all records, claims and marks of a federation",
		Long:  cleanupLong,
		Example: `  federation-syncer cleanup --config old.yaml --federation myfederation
  federation-syncer cleanup --config old.yaml --federation myfederation --domain example.com --yes`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" || name == "" {
				return usageError{errors.New(
					"--config FILE and --federation NAME are required (federation-syncer cleanup --help)")}
			}
			c, err := config.Load(file)
			if err != nil {
				return usageError{err}
			}
			f, err := chosen(c.Federations, name, domain)
			if err != nil {
				return usageError{err}
			}
			return cleanUp(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), c, f, yes, opt)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file that has the federation (YAML)")
	cmd.Flags().StringVar(&name, "federation", "", "name of the federation")
	cmd.Flags().StringVar(&domain, "domain", "", "its domain, if several federations have the name")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&opt.Adopt, "adopt", false,
		"also what another owner has claimed and, if there is no claim, all names of the federation's shape")
	cmd.Flags().BoolVar(&opt.Forget, "forget", false,
		"also the mark that keeps a syncer that still runs from writing again")
	return cmd
}

// chosen returns the one federation with the name, and with the domain unless it is "".
func chosen(all []config.Federation, name, domain string) (one config.Federation, err error) {
	var found []config.Federation
	var there []string
	for _, f := range all {
		there = append(there, fmt.Sprintf("%s in %s", f.Name, strings.TrimSuffix(string(f.Domain), ".")))
		if string(f.Name) == name && (domain == "" ||
			strings.TrimSuffix(string(f.Domain), ".") == strings.TrimSuffix(strings.ToLower(domain), ".")) {
			found = append(found, f)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	slices.Sort(there)
	what := "no federation"
	if len(found) > 1 {
		what = "more than one federation"
	}
	return one, fmt.Errorf("%s matches --federation %q --domain %q: the configuration has %s",
		what, name, domain, strings.Join(there, ", "))
}

func cleanUp(ctx context.Context, in io.Reader, out io.Writer, c *config.Config, f config.Federation, yes bool,
	opt claim.CleanupOptions,
) error {
	owner, err := ownerID(ctx, c)
	if err != nil {
		return err
	}
	p, err := f.Provider.Open(nil)
	if err != nil {
		return err
	}
	defer p.Close()
	cl, err := claim.NewCleanup(ctx, p, f.Federation, owner, opt)
	if err != nil {
		return err
	}
	names := 0
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "LEVEL\tNAMES\tWHAT")
	for _, level := range cl.Removed {
		names += level.Names
		fmt.Fprintf(w, "%s\t%d\tremoved, with its claim\n", level.Name, level.Names)
	}
	for level, why := range cl.Foreign {
		fmt.Fprintf(w, "%s\t-\tstays: %v\n", level, why)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if !yes {
		question := fmt.Sprintf("Remove these %d names of federation %s?", names, f.Name)
		if err := display.Ask(in, out, question); err != nil {
			return err
		}
	}
	if err := cl.Run(ctx, func(done, of int) { fmt.Fprintf(out, "removed: %d of %d names\n", done, of) }); err != nil {
		return err
	}
	left := ""
	if !opt.Forget {
		left = fmt.Sprintf(
			" but the mark %s, which keeps a syncer that still has it from writing again (--forget removes it)",
			f.ClaimName(f.Domain))
	}
	fmt.Fprintf(out, "nothing of federation %s is left in %s%s\n", f.Name, f.Domain, left)
	return nil
}
