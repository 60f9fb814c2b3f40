package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/federation-dns/federation/federation/syncer"
)

const long = `federation-syncer watches the Services, EndpointSlices and Nodes of all member
clusters, and keeps the records of their federations true at the DNS server: the
addresses of all healthy shards at their topology zone, their region and
globally, and a CNAME one level up where a level has no healthy shard.

A Service is federated by a label:
  kubectl label service nginx federation-dns.io/federation=myfederation

A configuration to start from:

  apiVersion: federation-dns.io/v1alpha1
  kind: SyncerConfiguration
  owner: syncer-eu                    # says in the zone whose the names are
  federations:
  - name: myfederation                # pods ask for service.namespace.myfederation
    domain: example.com
    naming: flat                      # flat or nested, as in the Corefile
    ttl: 180
    provider:
      rfc2136:
        server: 192.0.2.53:53
        zone: example.com
        tsig: {name: syncer., algorithm: hmac-sha256, secretFile: /etc/tsig/secret}
  clusters:
  - name: gce-us-central1
    kubeconfig: {path: /etc/federation/gce-us-central1.kubeconfig}
    # optional: context in kubeconfig, topology {region, zones} (default: from the
    # Nodes), addressCIDRs, hostSuffixes, allowAddressAnnotation, namespaces,
    # maxServices, unreachableAfter
  # optional, with their defaults:
  timers: {unreachableAfter: 45s, startupTimeout: 60s, emptyGrace: 30s, panicHold: 5m, heldMax: 24h, auditInterval: 10m}
  panicThreshold: 50
  metrics: {address: ":9153"}         # /metrics /healthz /readyz
  admin: {socket: /run/federation-syncer/admin.sock}
  log: {level: info, format: text}

The file is read again when it changes; a bad one is reported and the old one stays.`

func rootCommand() *cobra.Command {
	var config string
	var validate, adopt bool
	root := &cobra.Command{
		Use:   "federation-syncer --config FILE",
		Short: "Keep the DNS records of federated Kubernetes Services true",
		Long:  long,
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if config == "" {
				return usageError{errors.New("--config FILE is required (federation-syncer --help shows a configuration to start from)")}
			}
			c, err := syncer.LoadConfig(config)
			if err != nil {
				return usageError{err}
			}
			if validate {
				fmt.Fprintf(cmd.OutOrStdout(), "%s is valid: %d federations, %d members\n", config, len(c.Federations), len(c.Clusters))
				return nil
			}
			return syncer.Run(cmd.Context(), syncer.Options{ConfigPath: config, Adopt: adopt, Logger: logger})
		},
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.Flags().StringVar(&config, "config", "", "configuration file (YAML)")
	root.Flags().BoolVar(&validate, "validate", false, "check the configuration and end")
	root.Flags().BoolVar(&adopt, "adopt", false, "take over names that another owner, or nobody, has claimed")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (%s --help)", err, cmd.CommandPath())}
	})
	root.AddCommand(statusCommand(), versionCommand())
	return root
}

func logger(level, format string) *slog.Logger {
	var l slog.Level
	_ = l.UnmarshalText([]byte(level)) // validated with the configuration
	opt := &slog.HandlerOptions{Level: l}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, opt))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, opt))
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		Run: func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), "federation-syncer", version) },
	}
}

func statusCommand() *cobra.Command {
	var socket, output string
	var services bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show members, services and what is held, from a running syncer",
		Example: `  federation-syncer status
  federation-syncer status --services
  federation-syncer status --services -o json | jq '.federations[].services[].held'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return usageError{fmt.Errorf("output %q: json is allowed", output)}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 10*time.Second)
			defer cancel()
			status, err := syncer.FetchStatus(ctx, socket, services)
			if err != nil {
				return err
			}
			if output == "json" {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(status)
			}
			return printStatus(cmd.OutOrStdout(), status)
		},
	}
	cmd.Flags().StringVar(&socket, "socket", "/run/federation-syncer/admin.sock", "admin socket of the syncer")
	cmd.Flags().StringVarP(&output, "output", "o", "", "json for the whole state")
	cmd.Flags().BoolVar(&services, "services", false, "show the services too")
	return cmd
}

func printStatus(out io.Writer, status *syncer.Status) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for i, f := range status.Federations {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "federation %s in %s: %s", f.Name, f.Domain, f.State)
		if f.Error != "" {
			fmt.Fprintf(w, " (%s)", f.Error)
		}
		if f.PanicSince != nil {
			fmt.Fprintf(w, ", holding everything since %s: most members were lost at once", f.PanicSince.Format(time.RFC3339))
		}
		fmt.Fprint(w, "\n\nMEMBER\tSTATUS\tVERSION\tREGION\tZONES\tSHARDS\tHEALTHY\tFOR\n")
		for _, m := range f.Members {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", m.Name, m.Status, orDash(m.Version), orDash(m.Region),
				orDash(strings.Join(m.Zones, ",")), m.Shards, m.Healthy, time.Since(m.Since).Round(time.Second))
		}
		printServices(w, f.Services)
		for _, m := range f.Members {
			if m.Error != "" {
				fmt.Fprintf(w, "\nmember %s: %s", m.Name, m.Error)
			}
		}
		for _, p := range f.Problems {
			fmt.Fprintf(w, "\n%s: %s%s: %s", p.Reason, prefix(p.Member), p.Service, p.Detail)
		}
		if len(f.Problems) > 0 {
			fmt.Fprintln(w)
		}
	}
	return w.Flush()
}

func printServices(w io.Writer, services []syncer.ServiceStatus) {
	if len(services) == 0 {
		return
	}
	fmt.Fprint(w, "\nSERVICE\tMEMBER\tHEALTHY\tREADY\tADDRESSES\tREASON\n")
	for _, s := range services {
		for _, sh := range s.Shards {
			fmt.Fprintf(w, "%s\t%s\t%t\t%d\t%s\t%s\n", s.Name, sh.Member, sh.Healthy, sh.ReadyEndpoints,
				orDash(strings.Join(sh.Addresses, ",")), orDash(sh.Reason))
		}
		for _, h := range s.Held {
			fmt.Fprintf(w, "%s\t%s\theld\t\t\t%s for %s\n", s.Name, orDash(h.Member), h.Reason, time.Since(h.Since).Round(time.Second))
		}
	}
}

func prefix(member string) string {
	if member == "" {
		return ""
	}
	return member + " "
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
