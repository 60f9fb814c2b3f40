package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/federation-dns/federation/api/v1alpha1"
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
	// FederatedService is the status of the service's object, if it has one.
	FederatedService *v1alpha1.FederatedServiceStatus `json:"federatedService,omitempty"`
}

func outputOf(list []explain.Found) []serviceOutput {
	out := []serviceOutput{}
	for _, f := range list {
		one := serviceOutput{f.Federation.Name, f.Federation.Domain, display.Published(f), f.Service, nil}
		if f.Object != nil {
			one.FederatedService = &f.Object.Status
		}
		out = append(out, one)
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

Of a FederatedService it also shows the members in which the Service is not, or not
as the template says, and why. Without the right to ask the syncer, the status of
the FederatedServices is all that it shows, which it says.

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
			l := newLooker(o, cmd, src)
			found, err := l.look(cmd.Context(), args)
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

// looker looks at services, once or again and again.
type looker struct {
	*options
	src live.Source
	// host has the FederatedServices; nil if it is not known which cluster that is.
	host *live.Host
	// note prints what the user has to know, once each.
	note func(format string, args ...any)
}

func newLooker(o *options, cmd *cobra.Command, src live.Source) *looker {
	l, said := &looker{options: o, src: src}, map[string]bool{}
	l.note = func(format string, args ...any) {
		if text := fmt.Sprintf(format, args...); !said[text] {
			said[text] = true
			fmt.Fprintln(cmd.ErrOrStderr(), "note:", text)
		}
	}
	if o.socket != "" && *o.kube.Context == "" && *o.kube.KubeConfig == "" {
		return l // the current context may lead anywhere
	}
	config, err := o.kube.ToRESTConfig()
	if err == nil {
		l.host, err = live.NewHost(config)
	}
	if err != nil {
		l.note("FederatedServices are not shown: %v", err)
	}
	return l
}

// look returns the services that the arguments and -n stand for: as the syncer sees them, with their FederatedServices,
// or by the status of these alone.
func (l *looker) look(ctx context.Context, args []string) ([]explain.Found, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	said := time.AfterFunc(patience, func() { l.note("waiting for the syncer (%s) ...", l.src) })
	defer said.Stop()
	status, statusErr := l.src.Status(ctx)
	var objects []v1alpha1.FederatedService
	var listErr error
	if l.host != nil {
		objects, listErr = l.host.List(ctx, *l.kube.Namespace)
	}
	switch {
	case statusErr == nil && listErr != nil && !errors.Is(listErr, live.ErrNoKind):
		l.note("FederatedServices are not shown: %v", listErr)
	case statusErr == nil:
	case listErr != nil:
		return nil, fmt.Errorf("%w; and %w", statusErr, listErr)
	case len(objects) == 0:
		return nil, statusErr
	default:
		l.note("shown is what the status of the FederatedServices says, as the syncer could not be asked: %v",
			statusErr)
		status = &admin.Status{}
	}
	found, err := l.chosen(explain.AddObjects(status, objects), args)
	explain.Attach(found, objects)
	return found, err
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
	l, before := newLooker(o, cmd, src), map[string]bool{}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for first := true; ; first = false {
		found, err := l.look(cmd.Context(), args)
		if cmd.Context().Err() != nil {
			return nil
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
