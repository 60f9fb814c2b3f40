package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/display"
	"github.com/federation-dns/federation/federation/explain"
	"github.com/federation-dns/federation/federation/live"
)

// serviceOutput is a service in JSON and YAML.
type serviceOutput struct {
	Federation string `json:"federation"`
	Domain     string `json:"domain"`
	// Published is what the global name has.
	Published []string `json:"published"`
	*admin.ServiceStatus
}

func outputOf(list []explain.Found) []serviceOutput {
	out := []serviceOutput{}
	for _, f := range list {
		out = append(out, serviceOutput{f.Federation.Name, f.Federation.Domain, display.Published(f), f.Service})
	}
	return out
}

func (o *options) services() *cobra.Command {
	var watch bool
	cmd := o.outputFlag(&cobra.Command{
		Use: "services [NAME]", Aliases: []string{"service", "svc"},
		Short: "List the federated services, or show one with what each member has",
		Long: `Lists the federated services, those of the namespace with -n, or shows one: the
addresses at its global name, and each member's shard with the reason why it is
not healthy. NAME is SERVICE, SERVICE.NAMESPACE, NAMESPACE/SERVICE, or the name as
a pod writes it. With --watch, a line for each service that changes.

Exit status 1 if there is no such service, or if it has no address.`,
		Example: `  kubectl federation services
  kubectl federation services nginx -n mynamespace
  kubectl federation services -n mynamespace --watch
  kubectl federation services nginx.mynamespace -o json | jq '.[0].published'`,
		Args: args(0, 1, "NAME"), PreRunE: o.checkOutput, ValidArgsFunction: o.completeServices,
		RunE: func(cmd *cobra.Command, args []string) error {
			src, err := o.source()
			if err != nil {
				return err
			}
			if watch {
				return o.watch(cmd, src, args)
			}
			status, err := fetch(cmd, src)
			if err != nil {
				return err
			}
			found, err := o.chosen(status, args)
			if err != nil {
				return err
			}
			err = o.print(cmd, outputOf(found), func(w io.Writer, d display.Options) {
				if len(args) == 0 {
					display.Services(w, found, d)
					return
				}
				for i, f := range found {
					if i > 0 {
						fmt.Fprintln(w)
					}
					display.Service(w, f, d)
				}
			})
			if err == nil && len(args) > 0 && slices.ContainsFunc(found, func(f explain.Found) bool {
				return len(display.Published(f)) == 0
			}) {
				return errBad
			}
			return err
		},
	})
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "print a line for each service that changes, until interrupted")
	return cmd
}

// chosen are the services that the arguments and -n stand for.
func (o *options) chosen(status *admin.Status, args []string) (found []explain.Found, err error) {
	if len(args) == 1 {
		return explain.FindServices(status, args[0], *o.kube.Namespace)
	}
	for i := range status.Federations {
		f := &status.Federations[i]
		for j := range f.Services {
			if ns := *o.kube.Namespace; ns == "" || f.Services[j].ServiceName().Namespace == ns {
				found = append(found, explain.Found{Federation: f, Service: &f.Services[j]})
			}
		}
	}
	return found, nil
}

// watchEvery is how often a watch asks the syncer.
const watchEvery = time.Second

// watch prints the services, and from then on those that change.
func (o *options) watch(cmd *cobra.Command, src live.Source, args []string) error {
	out := cmd.OutOrStdout()
	if o.output == "json" || o.output == "yaml" {
		return unknownError{fmt.Errorf("--watch prints lines: -o %s is not possible with it", o.output)}
	}
	before := map[string]bool{}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for first := true; ; first = false {
		ctx, cancel := context.WithTimeout(cmd.Context(), answerTimeout)
		status, err := src.Status(ctx)
		cancel()
		if cmd.Context().Err() != nil {
			return nil
		}
		var found []explain.Found
		if err == nil {
			found, err = o.chosen(status, args)
		}
		switch {
		case err != nil && first:
			return err
		case err != nil:
			fmt.Fprintln(cmd.ErrOrStderr(), "warning:", err)
		case first:
			display.Services(out, found, o.display(out))
		}
		now := map[string]bool{}
		for _, line := range display.ServiceLines(found, o.display(out)) {
			now[line] = true
			if !first && !before[line] {
				fmt.Fprintln(out, line)
			}
		}
		if err == nil {
			before = now
		}
		select {
		case <-cmd.Context().Done():
			return nil
		case <-tick.C:
		}
	}
}

// completeServices completes the names of services.
func (o *options) completeServices(cmd *cobra.Command, args []string, begin string) (
	[]string, cobra.ShellCompDirective,
) {
	status, err := o.status(cmd)
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	found, _ := o.chosen(status, nil)
	var names []string
	for _, f := range found {
		s := f.Service.ServiceName()
		if full := s.Name + "." + s.Namespace + "." + f.Federation.Name; strings.HasPrefix(full, begin) {
			names = append(names, full)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
