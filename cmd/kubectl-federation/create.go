package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/federation-dns/federation/federation/federate"
	"github.com/federation-dns/federation/federation/live"
)

// createVerb is one run of create.
type createVerb struct {
	*options
	federate.Options
	files  resource.FilenameOptions
	dryRun string
	print  *genericclioptions.PrintFlags
}

func createCommand(o *options) *cobra.Command {
	v := &createVerb{options: o, print: genericclioptions.NewPrintFlags("created")}
	cmd := &cobra.Command{
		Use: "create -f FILE", Short: "Create Services in all members, from the manifests of plain Services",
		Long: `Creates a FederatedService in the host cluster for each Service of the manifests:
the syncer then creates the Service in every member whose MemberCluster allows
that. A file may be a folder, a URL, or - for the standard input, and may have
several documents. FederatedServices among them are created as they are.

What belongs to one cluster, such as clusterIP and nodePort, is left out, and
said. The federation is that of --federation or of the Service's label
federation-dns.io/federation; without them the only one that the syncer keeps.

To change what exists, apply it:
  kubectl federation create -f FILE --dry-run=client -o yaml |
    kubectl apply --server-side -f -

A document that is refused stops no other. Exit status 1 if one is.`,
		Example: `  kubectl federation create -f services/nginx.yaml
  kubectl federation create -f services/ -n mynamespace --federation myfederation
  kubectl federation create -f nginx.yaml --clusters gce-us-central1,gce-asia-east1
  kubectl federation create -f nginx.yaml --dry-run=client -o yaml > federated.yaml
  kubectl get service nginx -o yaml | kubectl federation create -f -`,
		Args: args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return v.run(cmd) },
	}
	cmd.Flags().StringSliceVarP(&v.files.Filenames, "filename", "f", nil,
		"file, folder or URL with Services; - is the standard input")
	cmd.Flags().BoolVarP(&v.files.Recursive, "recursive", "R", false, "take the folders in a folder too")
	cmd.Flags().StringVarP(&v.files.Kustomize, "kustomize", "k", "", "kustomization folder, instead of -f")
	cmd.Flags().StringVar(&v.Federation, "federation", "", "federation of the Services that have no label of one")
	cmd.Flags().StringSliceVar(&v.Clusters, "clusters", nil,
		"members that are to have the Services (default: all that allow it)")
	cmd.Flags().BoolVar(&v.Adopt, "adopt", false,
		"take over Services that exist in a member, unless a tool applies them")
	cmd.Flags().StringVar(&v.dryRun, "dry-run", dryRunNone,
		"none; client, only to make the objects; or server, to have the API server check them too")
	_ = cmd.RegisterFlagCompletionFunc("clusters", o.completeMembers)
	_ = cmd.RegisterFlagCompletionFunc("dry-run", cobra.FixedCompletions(
		[]string{dryRunNone, dryRunClient, dryRunServer}, cobra.ShellCompDirectiveNoFileComp))
	v.print.TemplatePrinterFlags = nil
	cmd.Flags().StringVarP(v.print.OutputFormat, "output", "o", "", "json, yaml or name: print the objects")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml", "name"},
		cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// The values of --dry-run, as those of kubectl.
const (
	dryRunNone   = "none"
	dryRunClient = "client"
	dryRunServer = "server"
)

func (v *createVerb) run(cmd *cobra.Command) error {
	printer, err := v.printer()
	if err != nil {
		return err
	}
	if err := v.files.RequireFilenameOrKustomize(); err != nil {
		return unknownError{fmt.Errorf("a file is missing: say -f FILE, or - for the standard input (%s --help)",
			cmd.CommandPath())}
	}
	if v.Namespace, v.Forced, err = v.kube.ToRawKubeConfigLoader().Namespace(); err != nil {
		return unknownError{err}
	}
	v.Default = sync.OnceValues(func() (string, error) { return v.onlyFederation(cmd) })
	var host *live.Host
	if v.dryRun != dryRunClient {
		config, err := v.kube.ToRESTConfig()
		if err != nil {
			return unknownError{fmt.Errorf("no cluster to create it in: %w", err)}
		}
		if host, err = live.NewHost(config); err != nil {
			return unknownError{err}
		}
	}
	return v.visit(cmd, func(manifest *federate.Object) error {
		f, err := federate.New(manifest, v.Options)
		if err != nil {
			return err
		}
		object := f.Object
		if host != nil {
			ctx, cancel := context.WithTimeout(cmd.Context(), answerTimeout)
			defer cancel()
			if object, err = host.Create(ctx, object, v.dryRun == dryRunServer); err != nil {
				return err
			}
		}
		if len(f.LeftOut) > 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "note: %s: left out what belongs to one cluster: %s\n", called(manifest),
				strings.Join(f.LeftOut, ", "))
		}
		return printer.PrintObj(object, cmd.OutOrStdout())
	})
}

// printer prints what was created, as -o and --dry-run say.
func (v *createVerb) printer() (printers.ResourcePrinter, error) {
	switch v.dryRun {
	case dryRunNone:
	case dryRunClient:
		_ = v.print.Complete("%s (dry run)")
	case dryRunServer:
		_ = v.print.Complete("%s (server dry run)")
	default:
		return nil, unknownError{fmt.Errorf("--dry-run=%s: none, client and server are allowed", v.dryRun)}
	}
	p, err := v.print.ToPrinter()
	if err != nil {
		return nil, unknownError{err}
	}
	return p, nil
}

// visit calls create for each manifest, and prints what went wrong with one. The error tells whether anything did.
func (v *createVerb) visit(cmd *cobra.Command, create func(*federate.Object) error) (result error) {
	fail := func(err error) error {
		fmt.Fprintln(cmd.ErrOrStderr(), "error:", err)
		if exitCode(err) == exitUnknown && result == nil {
			result = unknownError{errBad}
		} else if exitCode(err) == exitBad {
			result = errBad
		}
		return nil
	}
	builder := resource.NewLocalBuilder().Unstructured().ContinueOnError().Flatten()
	files := v.files
	files.Filenames = slices.DeleteFunc(slices.Clone(files.Filenames), func(f string) bool { return f == "-" })
	if len(files.Filenames) < len(v.files.Filenames) {
		builder = builder.Stream(cmd.InOrStdin(), "standard input")
	}
	seen, left, lost := 0, 0, false
	err := builder.FilenameParam(false, &files).Do().Visit(func(info *resource.Info, err error) error {
		if err != nil {
			return fail(err)
		}
		seen++
		if lost || cmd.Context().Err() != nil { // the cluster does not answer: it would not for the others
			left++
			return nil
		}
		manifest := info.Object.(*federate.Object)
		if err := create(manifest); err != nil {
			lost = errors.Is(err, live.ErrUnreachable)
			return fail(fmt.Errorf("%s: %s: %w", info.Source, called(manifest), err))
		}
		return nil
	})
	switch {
	case err != nil:
		_ = fail(err)
	case seen == 0 && result == nil:
		return errors.New("there is no Service in what -f names")
	case left > 0:
		_ = fail(unknownError{fmt.Errorf("%d more were not tried", left)})
	}
	return result
}

// called is how people call an object.
func called(o *federate.Object) string {
	return strings.ToLower(o.GetKind()) + "/" + o.GetName()
}

// onlyFederation returns the federation of the syncer, if it keeps one only.
func (v *createVerb) onlyFederation(cmd *cobra.Command) (string, error) {
	const ask = "it has no label federation-dns.io/federation: say --federation NAME"
	if v.dryRun == dryRunClient {
		return "", errors.New(ask)
	}
	status, err := v.status(cmd)
	if err != nil {
		return "", fmt.Errorf("%s (the syncer, which knows its federations, cannot be asked: %w)", ask, err)
	}
	var names []string
	for _, f := range status.Federations {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) != 1 {
		return "", fmt.Errorf("%s: the syncer keeps %s", ask, strings.Join(names, ", "))
	}
	return names[0], nil
}
