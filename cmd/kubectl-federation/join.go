package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/join"
)

// joinFlags are those of join alone.
type joinFlags struct {
	join.Options
	member                   memberFlags
	authority                string
	region                   string
	zones, cidrs             []string
	drain, addressAnnotation bool
	propagation, mirror      bool
}

func joinCommand(o *options) *cobra.Command {
	f := &joinFlags{}
	cmd := &cobra.Command{
		Use:   "join NAME --member-context CONTEXT",
		Short: "Make a cluster a member, or renew what a member has",
		Long: `Makes the cluster of --member-context a member with that name: it gives the syncer
an account there that may read, and the host, which is the cluster of --context, a
Secret with its kubeconfig and a MemberCluster. The contexts are those of your
kubeconfig; you need the rights of an admin in the member.

It also makes the namespace federation-mirror there, where the syncer keeps the
addresses that the member's pods may be led to, and lets the member's CoreDNS read
it: so they learn of a failover within a second. --mirror=false leaves that out, and
takes it away again.

Everything is checked before anything is written, and the new account is tried
before the host learns of it. It is done when the syncer says that the member is
ready. What was cut short is continued by running the same again; settings that are
not given stay as an earlier run has made them.

--dry-run prints the checks and the objects, without the token, and writes nothing.

Exit status 1 if a check fails or the member does not become ready, and 2 if a
cluster does not answer.`,
		Example: `  kubectl federation join gce-asia-east1 --member-context gke_asia --context federation-host
  kubectl federation join onprem-fra --member-kubeconfig fra.yaml --region fra --zones fra-a,fra-b
  kubectl federation join kind-2 --member-context kind-2 --server https://172.18.0.4:6443
  kubectl federation join gce-asia-east1 --member-context gke_asia --rotate
  kubectl federation join gce-asia-east1 --member-context gke_asia --dry-run -o yaml > member.yaml`,
		Args: args(1, 1, "NAME"), PreRunE: o.checkOutput,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(o, cmd, args[0]) },
	}
	f.member.add(o, cmd)
	cmd.Flags().StringVar(&f.Server, "server", "", "URL at which the syncer reaches the member, if not as your "+
		"kubeconfig "+
		"does")
	cmd.Flags().StringVar(&f.authority, "certificate-authority", "", "file with the certificates to trust at that URL")
	cmd.Flags().StringVar(&f.region, "region", "", "region of the member (default: what its Nodes say)")
	cmd.Flags().StringSliceVar(&f.zones, "zones", nil, "topology zones of the member (default: what its Nodes say)")
	cmd.Flags().StringSliceVar(&f.cidrs, "address-cidrs", nil, "prefixes in which private addresses may be published")
	cmd.Flags().BoolVar(&f.addressAnnotation, "allow-address-annotation", false,
		"let the annotation federation-dns.io/addresses of its Services count")
	cmd.Flags().BoolVar(&f.drain, "drain", false, "join without traffic: its shards count as unhealthy until uncordon")
	cmd.Flags().BoolVar(&f.propagation, "propagation", false,
		"let FederatedServices reach the member: the syncer may write Services there")
	cmd.Flags().BoolVar(&f.mirror, "mirror", true, "give the syncer and the member's CoreDNS the rights of its "+
		"mirror: failover without resolvers' caches")
	cmd.Flags().StringSliceVar(&f.Mirror.Readers, "coredns-account", nil, "ServiceAccount of the member's CoreDNS, "+
		"which reads the mirror, as NAMESPACE:NAME (default: what is bound already, or kube-system:coredns)")
	cmd.Flags().BoolVar(&f.Rotate, "rotate", false, "give the syncer a new token, and delete the old one once it is "+
		"not used")
	cmd.Flags().BoolVar(&f.ForceConflicts, "force-conflicts", false, "take over fields that belong to other field "+
		"managers")
	cmd.Flags().BoolVar(&f.DryRun, "dry-run", false, "check, print the objects, and write nothing")
	cmd.Flags().DurationVar(&f.Timeout, "timeout", time.Minute, "how long to wait for the member to be ready; 0 does "+
		"not "+
		"wait")
	return o.outputFlag(cmd)
}

// memberFlags say which cluster is the member.
type memberFlags struct{ context, kubeconfig string }

func (m *memberFlags) add(o *options, cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.context, "member-context", "", "context of the member in your kubeconfig")
	cmd.Flags().StringVar(&m.kubeconfig, "member-kubeconfig", "", "kubeconfig file of the member, if it is another one")
	_ = cmd.RegisterFlagCompletionFunc("member-context", func(_ *cobra.Command, _ []string, begin string) (
		names []string, _ cobra.ShellCompDirective,
	) {
		raw, err := m.loader(o).RawConfig()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		for name := range raw.Contexts {
			if strings.HasPrefix(name, begin) {
				names = append(names, name)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
}

// loader reads the kubeconfig of the member: by the same rules as that of the host, unless it has a file of its own.
func (m *memberFlags) loader(o *options) clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = firstText(m.kubeconfig, *o.kube.KubeConfig)
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules,
		&clientcmd.ConfigOverrides{CurrentContext: m.context})
}

func (m *memberFlags) given() bool { return m.context != "" || m.kubeconfig != "" }

// target is the member, with the rights that its kubeconfig gives.
func (m *memberFlags) target(o *options) (join.Target, error) {
	config, err := m.loader(o).ClientConfig()
	if err != nil {
		return join.Target{}, unknownError{fmt.Errorf("the member's kubeconfig: %w (kubectl config get-contexts lists "+
			"the contexts)", err)}
	}
	return join.Target{Config: embedded(config), Context: firstText(m.context, m.kubeconfig)}, nil
}

// hostTarget is the cluster of the syncer.
func hostTarget(o *options) (join.Target, error) {
	config, err := o.kube.ToRESTConfig()
	if err != nil {
		return join.Target{}, unknownError{fmt.Errorf("no host cluster: %w. Choose it by --context", err)}
	}
	name := *o.kube.Context
	if raw, err := o.kube.ToRawKubeConfigLoader().RawConfig(); err == nil && name == "" {
		name = raw.CurrentContext
	}
	return join.Target{Config: config, Context: name}, nil
}

// embedded returns the configuration with the content of the file of its authority, as what is made of it is used
// elsewhere. A file that cannot be read is reported by the first request.
func embedded(c *rest.Config) *rest.Config {
	if data, err := os.ReadFile(c.CAFile); err == nil && len(c.CAData) == 0 {
		c.CAData = data
	}
	return c
}

func firstText(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func (f *joinFlags) run(o *options, cmd *cobra.Command, name string) (err error) {
	opt := f.Options
	opt.Name, opt.Namespace, opt.Lease = name, o.namespace, o.lease
	if !f.member.given() {
		return unknownError{errors.New("--member-context is required: the context of the cluster that is to join " +
			"(kubectl config get-contexts lists them)")}
	}
	if o.output == "wide" {
		return unknownError{errors.New("output \"wide\": json and yaml are allowed")}
	}
	if opt.Host, err = hostTarget(o); err != nil {
		return err
	}
	if opt.Member, err = f.member.target(o); err != nil {
		return err
	}
	if opt.Source, err = o.source(); err != nil {
		return err
	}
	if f.authority != "" {
		if opt.CA, err = os.ReadFile(f.authority); err != nil {
			return unknownError{fmt.Errorf("--certificate-authority: %w", err)}
		}
	}
	opt.Spec = f.spec(cmd)
	if cmd.Flags().Changed("mirror") {
		opt.Mirror.Wanted = &f.mirror
	}
	out, text := cmd.OutOrStdout(), cmd.OutOrStdout()
	if o.output != "" {
		text = cmd.ErrOrStderr() // so that the output can be piped
	}
	opt.Progress = &joinProgress{out: text}
	done, err := join.Join(cmd.Context(), opt)
	switch {
	case errors.Is(err, join.ErrUnknown) || errors.Is(err, context.Canceled):
		return unknownError{err}
	case err != nil:
		return err
	}
	if opt.DryRun || o.output != "" {
		if err := printObjects(out, o.output, opt, done); err != nil {
			return err
		}
	}
	switch {
	case opt.DryRun:
		fmt.Fprintln(text, "dry run: nothing was written")
	case opt.Timeout == 0 && !opt.Rotate:
		fmt.Fprintf(text, "written; see kubectl get membercluster %s\n", name)
	default:
		fmt.Fprintln(text, map[bool]string{true: "rotated", false: "joined"}[opt.Rotate], name)
	}
	return nil
}

// spec are the fields of the MemberCluster that the flags say.
func (f *joinFlags) spec(cmd *cobra.Command) map[string]any {
	spec, topology := map[string]any{}, map[string]any{}
	set := func(flag string, in map[string]any, field string, value any) {
		if cmd.Flags().Changed(flag) {
			in[field] = value
		}
	}
	list := func(values []string) []any {
		out := make([]any, len(values))
		for i, v := range values {
			out[i] = v
		}
		return out
	}
	set("region", topology, "region", f.region)
	set("zones", topology, "zones", list(f.zones))
	if len(topology) > 0 {
		spec["topology"] = topology
	}
	set("address-cidrs", spec, "addressCIDRs", list(f.cidrs))
	set("allow-address-annotation", spec, "allowAddressAnnotation", f.addressAnnotation)
	set("drain", spec, "drain", f.drain)
	set("propagation", spec, "propagation", map[bool]string{
		true: string(v1alpha1.PropagationEnabled), false: string(v1alpha1.PropagationDisabled),
	}[f.propagation])
	return spec
}

// joinProgress prints a line for each step.
type joinProgress struct{ out io.Writer }

// Say implements join.Progress.
func (p *joinProgress) Say(topic, text string) { fmt.Fprintf(p.out, "%-8s %s\n", topic, text) }

// Wrote implements join.Progress.
func (p *joinProgress) Wrote(where, object string, result join.Result, note string) {
	if note != "" {
		note = "   (" + note + ")"
	}
	fmt.Fprintf(p.out, "%-8s %-39s %s%s\n", where, object, result, note)
}

// printObjects prints the objects as YAML or as lists in JSON, for Git: first those of the member, then those of the
// host, without the token.
func printObjects(out io.Writer, output string, opt join.Options, done *join.Objects) error {
	member, host := join.Redacted(done.Member), join.Redacted(done.Host)
	if output == "json" {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(map[string]any{"member": member, "host": host})
	}
	for _, part := range []struct {
		where, context string
		objects        []*join.Object
	}{{"member", opt.Member.Context, member}, {"host", opt.Host.Context, host}} {
		fmt.Fprintf(out, "# In the %s (context %s):\n", part.where, part.context)
		for _, object := range part.objects {
			data, err := yaml.Marshal(object.Object)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "---\n%s\n", bytes.TrimSpace(data))
		}
	}
	return nil
}
