package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/federation/display"
)

// versions are those of the parts.
type versions struct {
	Client string `json:"client"`
	Syncer string `json:"syncer,omitempty"`
	// Error is why the syncer's is not known.
	Error string `json:"error,omitempty"`
	// Parts is what the checks say of the CRDs in the host cluster, and of the API server and the plugin of each
	// member.
	Parts *check.Report `json:"parts,omitempty"`
}

// versionChecks are those of which versions there are, and whether they fit.
var versionChecks = []string{"crds-installed", "crds-version", "member-version", "plugin-loaded"}

func (o *options) version() *cobra.Command {
	var client bool
	var contexts map[string]string
	cmd := o.outputFlag(&cobra.Command{
		Use: "version", Short: "Print the versions of this program, the syncer, and all that has to fit",
		Long: `Prints the versions of this program and of the syncer that writes, which work
together if they are at most one minor version apart; and says whether the CRDs
have the fields that this program knows, which Kubernetes the members run, and
whether their CoreDNS has the plugin. What you may not read there is shown as
"?", and is no error. -o wide lists each member.

A member's CoreDNS is looked at with your own rights there: by the context that
has the member's name, or that --member-context says.

Exit status 1 if something does not fit, and 2 if no syncer answers.`,
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
				chosen, err := check.Select(checks(), versionChecks, nil)
				if err != nil {
					return err
				}
				v.Parts = check.Run(cmd.Context(), check.NewEnv(o.checkOptions(contexts, nil)), chosen)
			}
			fit := display.VersionsFit(v.Client, v.Syncer)
			err := o.print(cmd, v, func(w io.Writer, d display.Options) {
				fmt.Fprintln(w, "client:", v.Client)
				if v.Syncer != "" {
					fmt.Fprintln(w, "syncer:", v.Syncer)
				}
				if !fit {
					fmt.Fprintln(w, "they are more than one minor version apart: upgrade the older one")
				}
				if v.Parts != nil {
					v.Parts.Print(w, d)
				}
			})
			switch {
			case err != nil || failure != nil:
				return firstError(err, failure)
			case !fit, v.Parts != nil && v.Parts.Failed > 0:
				return errBad
			}
			return nil
		},
	})
	cmd.Flags().BoolVar(&client, "client", false, "only that of this program")
	cmd.Flags().StringToStringVar(&contexts, "member-context", nil,
		"your own context of a member, as MEMBER=CONTEXT (default: the context with the member's name)")
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
