package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/federation-dns/federation/federation/config"
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
    # maxServices, unreachableAfter, drain
  # optional: two replicas elect the one that writes with a Lease in this cluster,
  # whose MemberClusters are members beside those above (docs/api.md)
  # host: {kubeconfig: {path: /etc/federation/host.kubeconfig}}   # in a pod: {inCluster: true}
  # optional, with their defaults; in a federation also levels {all, shards},
  # maxAddresses {16} and regionFallback, such as {us-central1: [us-east1]}
  timers: {unreachableAfter: 45s, startupTimeout: 60s, emptyGrace: 30s, panicHold: 5m, holdFor: 5m,
    heldMax: 24h, auditInterval: 10m}
  panicThreshold: 50
  maxDeletePercent: 30
  metrics: {address: ":9153"}         # /metrics /healthz /readyz
  admin: {socket: /run/federation-syncer/admin.sock}
  log: {level: info, format: text}

The file is read again when it or a file that it names changes, and on SIGHUP; a bad
one is reported and tried again, and the old one stays.
Exit status: 0 after a stop by SIGTERM or SIGINT, 1 if it could not run, 2 if the
command line or the configuration is wrong.`

// parseBool is what a flag says of a value that is neither true nor false.
var parseBool = regexp.MustCompile(`strconv\.ParseBool: .*$`)

func rootCommand(stderr *logWriter, reload <-chan os.Signal) *cobra.Command {
	var file string
	var validate, adopt bool
	root := &cobra.Command{
		Use:   "federation-syncer --config FILE",
		Short: "Keep the DNS records of federated Kubernetes Services true",
		Long:  long,
		Example: `  federation-syncer --config /etc/federation/syncer.yaml --validate
  federation-syncer --config /etc/federation/syncer.yaml
  federation-syncer status --services`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usageError{errors.New(
					"--config FILE is required (federation-syncer --help shows a configuration to start from)")}
			}
			c, err := config.Load(file)
			if err != nil {
				return usageError{err}
			}
			if validate {
				for _, err := range c.Warnings() {
					fmt.Fprintln(cmd.ErrOrStderr(), "warning:", err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s is valid: %d federations, %d members\n",
					file, len(c.Federations), len(c.Clusters))
				return nil
			}
			return run(cmd.Context(), file, adopt, stderr, reload)
		},
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.Flags().StringVar(&file, "config", "", "configuration file (YAML)")
	root.Flags().BoolVar(&validate, "validate", false,
		"check the configuration and end; kubeconfigs that cannot be used are warnings")
	root.Flags().BoolVar(&adopt, "adopt", false, "take over names that another owner, or nobody, has claimed")
	root.Version = version
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n") // as the command does
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		text := parseBool.ReplaceAllString(err.Error(), "true or false is allowed")
		return usageError{fmt.Errorf("%s (%s --help)", text, cmd.CommandPath())}
	})
	root.AddCommand(statusCommand(), confirmCommand(), cleanupCommand(), versionCommand())
	return root
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		Run: func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), "federation-syncer", version) },
	}
}
