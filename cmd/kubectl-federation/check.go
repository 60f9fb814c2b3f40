package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/federation/check/corednscheck"
	"github.com/federation-dns/federation/federation/check/dnscheck"
	"github.com/federation-dns/federation/federation/check/hostcheck"
	"github.com/federation-dns/federation/federation/check/membercheck"
	"github.com/federation-dns/federation/federation/check/servicecheck"
	"github.com/federation-dns/federation/federation/display"
)

// errUntested is the end of check if nothing is wrong as far as could be tested: there is no more to say.
var errUntested = unknownError{errBad}

// checks is the table of all checks (CK1). docs/checks.md is made from it.
func checks() []check.Check {
	return slices.Concat(hostcheck.Checks(), membercheck.Checks(), dnscheck.Checks(), corednscheck.Checks(),
		servicecheck.Checks())
}

const checkLong = `Checks the whole of a federation: the host cluster with the syncer, the members,
their CoreDNS, the DNS servers, and the services. It only reads, and takes at most
five seconds. What could not be tested, as something did not answer, or as you
lack a right, is shown as "?", never as good.

A member's CoreDNS is looked at with your own rights there: by the context that
has the member's name, or that --member-context says.

docs/checks.md has an entry for each check: what it tests, and what to do.

Exit status, with every output: 0 if nothing has failed, 1 if a check has failed,
2 if none has, and some could not be tested. A warning is no failure.`

// checkPatience is after how long a user hears what is waited for: CoreDNS is looked at for two seconds.
const checkPatience = 3 * time.Second

func (o *options) check() *cobra.Command {
	var only, skip, resolvers []string
	var contexts map[string]string
	cmd := &cobra.Command{
		Use: "check", Short: "Check what is wrong, and say what to do",
		Long: checkLong,
		Example: `  kubectl federation check
  kubectl federation check --only members,dns -o wide
  kubectl federation check --skip negative-ttl -o short
  kubectl federation check --member-context gce-asia-east1=gke_asia`,
		Args: args(0, 0, ""), PreRunE: o.checkReportOutput,
		RunE: func(cmd *cobra.Command, _ []string) error {
			chosen, err := check.Select(checks(), only, skip)
			if err != nil {
				return unknownError{err}
			}
			said := time.AfterFunc(checkPatience, func() {
				fmt.Fprintln(cmd.ErrOrStderr(), "checking: some do not answer, 2 more seconds at most ...")
			})
			report := check.Run(cmd.Context(), check.NewEnv(o.checkOptions(contexts, resolvers)), chosen)
			said.Stop()
			if err := o.printReport(cmd, report); err != nil {
				return err
			}
			switch {
			case report.Failed > 0:
				return errBad
			case report.Unknown > 0:
				return errUntested
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&o.output, "output", "o", "",
		"json, yaml, short for a line each of what is not well, or wide for all that was found")
	cmd.Flags().StringSliceVar(&only, "only", nil, "make only these checks, or those of these categories")
	cmd.Flags().StringSliceVar(&skip, "skip", nil, "leave these checks out, or those of these categories")
	cmd.Flags().StringSliceVar(&resolvers, "resolver", nil,
		"recursive DNS servers to ask about the domains (default: those of /etc/resolv.conf)")
	cmd.Flags().StringToStringVar(&contexts, "member-context", nil,
		"your own context of a member, as MEMBER=CONTEXT (default: the context with the member's name)")
	names := cobra.FixedCompletions(checkNames(), cobra.ShellCompDirectiveNoFileComp)
	_ = cmd.RegisterFlagCompletionFunc("only", names)
	_ = cmd.RegisterFlagCompletionFunc("skip", names)
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(reportOutputs,
		cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

var reportOutputs = []string{"json", "yaml", "short", "wide"}

// checkReportOutput refuses an unknown -o before anything is asked.
func (o *options) checkReportOutput(*cobra.Command, []string) error {
	if o.output == "" || slices.Contains(reportOutputs, o.output) {
		return nil
	}
	return unknownError{fmt.Errorf("output %q: json, yaml, short and wide are allowed", o.output)}
}

func (o *options) printReport(cmd *cobra.Command, report *check.Report) error {
	if o.output == "short" {
		report.PrintShort(cmd.OutOrStdout())
		return nil
	}
	return o.print(cmd, report, func(w io.Writer, d display.Options) { report.Print(w, d) })
}

// checkNames are the ids and the categories.
func checkNames() (names []string) {
	for _, c := range check.Categories() {
		names = append(names, string(c))
	}
	for _, c := range checks() {
		names = append(names, c.ID+"\t"+c.Title)
	}
	return names
}

// checkOptions are what the flags say to look at. With --socket, a host cluster is looked at only if one is named.
func (o *options) checkOptions(contexts map[string]string, resolvers []string) check.Options {
	c := check.Options{Namespace: o.namespace, Lease: o.lease, Version: version, Now: o.now,
		Resolvers: resolvers}
	if o.socket == "" || *o.kube.Context != "" || *o.kube.KubeConfig != "" {
		c.Host, c.HostError = o.hostConfig()
	}
	c.Context = func(member string) (*rest.Config, error) { return o.memberContext(contexts, member) }
	if o.socket != "" || c.HostError == nil {
		var err error
		c.Syncer, err = o.source()
		c.HostError = firstError(c.HostError, err)
	}
	return c
}

// errNoKubeconfig is the error if there is nothing that says which cluster to ask.
var errNoKubeconfig = errors.New("there is no kubeconfig: set KUBECONFIG, or name one by --kubeconfig")

// hostConfig is the cluster that the flags name. client-go makes localhost of no kubeconfig at all.
func (o *options) hostConfig() (*rest.Config, error) {
	c, err := o.kube.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	raw, err := o.kube.ToRawKubeConfigLoader().RawConfig()
	if err == nil && len(raw.Contexts) == 0 && c.Host == clientcmd.ClusterDefaults.Server {
		return nil, errNoKubeconfig
	}
	return c, nil
}

// memberContext is the user's own way to a member: the context that contexts has for it, or the one with its name; nil
// if there is none.
func (o *options) memberContext(contexts map[string]string, member string) (*rest.Config, error) {
	raw, err := o.kube.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil, err
	}
	name, given := contexts[member]
	if !given {
		name = member
	}
	if raw.Contexts[name] == nil {
		if given {
			return nil, fmt.Errorf("--member-context %s=%s: your kubeconfig has no such context", member, name)
		}
		return nil, nil
	}
	return clientcmd.NewNonInteractiveClientConfig(raw, name, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
}
