package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/federation-dns/federation/federation/display"
)

// versions are those of the parts.
type versions struct {
	Client string `json:"client"`
	Syncer string `json:"syncer,omitempty"`
	// Error is why the syncer's is not known.
	Error string `json:"error,omitempty"`
}

func (o *options) version() *cobra.Command {
	var client bool
	cmd := o.outputFlag(&cobra.Command{
		Use: "version", Short: "Print the versions of this program and of the syncer",
		Long: `Prints the versions of this program and of the syncer that writes. Both work
together if they are at most one minor version apart.

Exit status 1 if they do not fit, and 2 if no syncer answers.`,
		Example: `  kubectl federation version
  kubectl federation version --client`,
		Args: args(0, 0, ""), PreRunE: o.checkOutput,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versions{Client: version}
			var failure error
			if !client {
				v.Syncer, failure = o.syncerVersion(cmd)
				if failure != nil {
					v.Error = failure.Error()
				}
			}
			fit := display.VersionsFit(v.Client, v.Syncer)
			err := o.print(cmd, v, func(w io.Writer, _ display.Options) {
				fmt.Fprintln(w, "client:", v.Client)
				if v.Syncer != "" {
					fmt.Fprintln(w, "syncer:", v.Syncer)
				}
				if !fit {
					fmt.Fprintln(w, "they are more than one minor version apart: upgrade the older one")
				}
			})
			switch {
			case err != nil || failure != nil:
				return firstError(err, failure)
			case !fit:
				return errBad
			}
			return nil
		},
	})
	cmd.Flags().BoolVar(&client, "client", false, "only that of this program")
	return cmd
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *options) syncerVersion(cmd *cobra.Command) (string, error) {
	src, err := o.source()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), answerTimeout)
	defer cancel()
	return src.Version(ctx)
}
