// Kubectl-federation is the plugin of kubectl that shows a federation: its
// members, its services and records, and why a name answers what it answers.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/yaml"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/display"
	"github.com/federation-dns/federation/federation/live"
)

// version is set when the program is built.
var version = "unknown"

// The exit codes of every verb.
const (
	exitGood    = 0
	exitBad     = 1 // what was asked for is not well, or is not there
	exitUnknown = 2 // it could not be found out
)

// errBad is the end of a verb that has shown something that is not well: there is no more to say.
var errBad = errors.New("not well")

// unknownError is an error because of which nothing could be found out; its text is err's.
type unknownError struct{ error }

func (e unknownError) Unwrap() error { return e.error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := rootCommand(programName(os.Args[0]), time.Now).ExecuteContext(ctx)
	stop()
	if err != nil && !errors.Is(err, errBad) {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	os.Exit(exitCode(err))
}

// exitCode is the exit code of a verb that ends with the error.
func exitCode(err error) int {
	var unknown unknownError
	switch {
	case err == nil:
		return exitGood
	case errors.As(err, &unknown), errors.Is(err, live.ErrNoSyncer), errors.Is(err, live.ErrUnreachable):
		return exitUnknown
	}
	return exitBad
}

const rootLong = `Shows a federation as the syncer that keeps its records sees it: the members,
the services with their shards, the records with the reason of each, and what a
pod in a member gets for a name, step by step.

It asks the syncer in the cluster of the current context, by pods/exec in the
replica that writes, or, with --socket, one on this machine.

Exit status: 0 if what was asked for is well, 1 if it is not, or is not there, and
2 if it could not be found out.`

// answerTimeout bounds how long a syncer may take to answer.
const answerTimeout = 30 * time.Second

// options are the flags of all verbs.
type options struct {
	kube      *genericclioptions.ConfigFlags
	socket    string
	output    string
	namespace string // of the syncer
	lease     string
	container string
	now       func() time.Time
}

func rootCommand(name string, now func() time.Time) *cobra.Command {
	o := &options{kube: kubectlFlags(), now: now}
	root := &cobra.Command{
		Use:   "kubectl-federation",
		Short: "Show a federation, and why its names answer what they answer",
		Long:  rootLong,
		Example: `  kubectl federation clusters
  kubectl federation services nginx -n mynamespace
  kubectl federation explain nginx.mynamespace.myfederation --from gce-asia-east1`,
		SilenceUsage: true, SilenceErrors: true,
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: name},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return unknownError{fmt.Errorf("%w (%s --help)", err, cmd.CommandPath())}
	})
	o.kube.AddFlags(root.PersistentFlags())
	root.PersistentFlags().StringVar(&o.socket, "socket", "",
		"admin socket of a syncer on this machine, instead of one in the cluster")
	root.PersistentFlags().StringVar(&o.namespace, "syncer-namespace", "federation-system",
		"namespace of the syncer")
	root.PersistentFlags().StringVar(&o.lease, "syncer-lease", "federation-syncer",
		"name of the Lease that the syncer's replicas share")
	root.PersistentFlags().StringVar(&o.container, "syncer-container", "",
		"container of the syncer, if its pods have several")
	root.AddCommand(joinCommand(o), unjoinCommand(o), o.clusters(), createCommand(o), o.services(), o.records(),
		o.explain(), drainCommand(o), uncordonCommand(o), o.confirm(), o.check(), o.dashboard(), o.version())
	return root
}

// programName is how the user calls it: kubectl runs a plugin as kubectl-NAME.
func programName(path string) string {
	if strings.HasPrefix(filepath.Base(path), "kubectl-") {
		return "kubectl federation"
	}
	return filepath.Base(path)
}

// kubectlFlags are the flags of kubectl that say which cluster, and as whom.
func kubectlFlags() *genericclioptions.ConfigFlags {
	f := genericclioptions.NewConfigFlags(true).WithWarningPrinter(
		genericclioptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr})
	f.CacheDir, f.ClusterName, f.AuthInfoName, f.APIServer, f.TLSServerName = nil, nil, nil, nil, nil
	f.Insecure, f.CertFile, f.KeyFile, f.CAFile, f.BearerToken = nil, nil, nil, nil, nil
	f.Username, f.Password, f.DisableCompression = nil, nil, nil
	return f
}

// source is the syncer that the flags name.
func (o *options) source() (live.Source, error) {
	if o.socket != "" {
		return live.Socket(o.socket), nil
	}
	config, err := o.kube.ToRESTConfig()
	if err != nil {
		return nil, unknownError{fmt.Errorf("no cluster to ask, and no --socket: %w", err)}
	}
	return &live.Pod{Config: config, Namespace: o.namespace, Lease: o.lease, Container: o.container}, nil
}

// status returns the state of the syncer, with a word about it if it takes long.
func (o *options) status(cmd *cobra.Command) (*admin.Status, error) {
	src, err := o.source()
	if err != nil {
		return nil, err
	}
	return fetch(cmd, src)
}

// outputFlag adds -o to a verb that reads.
func (o *options) outputFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "json, yaml, or wide for all columns and lists in full")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml", "wide"},
		cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// print prints the value as -o says: as JSON, as YAML, or by the function.
func (o *options) print(cmd *cobra.Command, value any, text func(io.Writer, display.Options)) error {
	out := cmd.OutOrStdout()
	switch o.output {
	case "json":
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(value)
	case "yaml":
		data, err := yaml.Marshal(value)
		if err != nil {
			return err
		}
		_, err = out.Write(data)
		return err
	case "", "wide":
		text(out, o.display(out))
		return nil
	}
	return unknownError{fmt.Errorf("output %q: json, yaml and wide are allowed", o.output)}
}

// display is how to print on out: with colours on a terminal only, and not if NO_COLOR is set.
func (o *options) display(out io.Writer) display.Options {
	file, ok := out.(*os.File)
	color := ok && term.IsTerminal(int(file.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return display.Options{Color: color, Wide: o.output == "wide", Now: o.now()}
}

// checkOutput refuses an unknown -o before anything is asked.
func (o *options) checkOutput(*cobra.Command, []string) error {
	switch o.output {
	case "", "wide", "json", "yaml":
		return nil
	}
	return unknownError{fmt.Errorf("output %q: json, yaml and wide are allowed", o.output)}
}

// args are the arguments of a verb: from least to most, called names.
func args(least, most int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return unknownError{fmt.Errorf("%s is missing (%s --help)", names, cmd.CommandPath())}
		case len(args) > most:
			return unknownError{fmt.Errorf("unexpected argument %q (%s --help)", args[most], cmd.CommandPath())}
		}
		return nil
	}
}
