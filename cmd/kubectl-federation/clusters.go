package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/display"
	"github.com/federation-dns/federation/federation/live"
)

func (o *options) clusters() *cobra.Command {
	return o.outputFlag(&cobra.Command{
		Use: "clusters", Aliases: []string{"members"}, Short: "List the members, and what is held because of each",
		Long: `Lists the members of each federation: since when each is present, unreachable,
unwatched, starting or departed, how many of its shards are healthy, and how many
services have something held because of it: published although it is not seen to
be healthy; and how its mirror is: fresh, or why not. -o wide adds the version, the
last contact, when the mirror was renewed, and what is wrong.

Exit status 1 if a member is not present, or if the syncer does not write.`,
		Example: `  kubectl federation clusters
  kubectl federation clusters -o wide`,
		Args: args(0, 0, ""), PreRunE: o.checkOutput,
		RunE: func(cmd *cobra.Command, _ []string) error {
			status, err := o.status(cmd)
			if err != nil {
				return err
			}
			type members struct {
				Federation string               `json:"federation"`
				Domain     string               `json:"domain"`
				State      string               `json:"state"`
				Members    []admin.MemberStatus `json:"members"`
			}
			list, well := []members{}, true
			for _, f := range status.Federations {
				list = append(list, members{f.Name, f.Domain, f.State, f.Members})
				well = well && f.State == "writing"
				for _, m := range f.Members {
					well = well && m.Status == "present"
				}
			}
			err = o.print(cmd, list, func(w io.Writer, d display.Options) { display.Clusters(w, status, d) })
			if err == nil && !well {
				return errBad
			}
			return err
		},
	})
}

// patience is after how long a user hears what is waited for.
const patience = 2 * time.Second

// fetch asks the source for its status, and says so if that takes long.
func fetch(cmd *cobra.Command, src live.Source) (*admin.Status, error) {
	ctx, cancel := context.WithTimeout(cmd.Context(), answerTimeout)
	defer cancel()
	said := time.AfterFunc(patience, func() {
		fmt.Fprintf(cmd.ErrOrStderr(), "waiting for the syncer (%s) ...\n", src)
	})
	defer said.Stop()
	return src.Status(ctx)
}
