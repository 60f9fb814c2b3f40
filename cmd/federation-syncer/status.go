package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/display"
)

func statusCommand() *cobra.Command {
	var socket, output, drained, uncordoned string
	var services bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show members, services and what is held, from a running syncer",
		Example: `  federation-syncer status
  federation-syncer status --services
  federation-syncer status --if-drained gce-us-central1
  federation-syncer status --services -o json | jq '.federations[].services[].held'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return usageError{fmt.Errorf("output %q: json is allowed", output)}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 10*time.Second)
			defer cancel()
			var status *admin.Status
			var err error
			switch {
			case drained != "":
				status, err = admin.FetchStatusIf(ctx, socket, admin.Assumption{Member: drained, Drained: true})
			case uncordoned != "":
				status, err = admin.FetchStatusIf(ctx, socket, admin.Assumption{Member: uncordoned})
			default:
				status, err = admin.FetchStatus(ctx, socket, services)
			}
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
	cmd.Flags().StringVar(&drained, "if-drained", "",
		"show the services as they would be if this member were drained")
	cmd.Flags().StringVar(&uncordoned, "if-uncordoned", "",
		"show the services as they would be if this member were not drained")
	cmd.MarkFlagsMutuallyExclusive("if-drained", "if-uncordoned")
	return cmd
}

func printStatus(out io.Writer, status *admin.Status) error {
	if status.Leader != "" {
		fmt.Fprintf(out, "this replica stands by; replica %s writes\n", status.Leader)
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for i, f := range status.Federations {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "federation %s in %s: %s", f.Name, f.Domain, f.State)
		if f.Error != "" {
			fmt.Fprintf(w, " (%s)", f.Error)
		}
		if f.NoProvider {
			fmt.Fprint(w, "; no DNS provider: the mirrors are the only outlet")
		}
		if f.PanicSince != nil {
			fmt.Fprintf(w, ", holding everything since %s: most members were lost at once",
				f.PanicSince.Format(time.RFC3339))
		}
		fmt.Fprint(w, "\n\nMEMBER\tSTATUS\tVERSION\tREGION\tZONES\tSHARDS\tHEALTHY\tFOR\n")
		for _, m := range f.Members {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", m.Name, m.Status, orDash(m.Version), orDash(m.Region),
				orDash(display.Options{}.Some(m.Zones)), m.Shards, m.Healthy, time.Since(m.Since).Round(time.Second))
		}
		if err := w.Flush(); err != nil { // each table has columns of its own
			return err
		}
		printServices(w, f.Services)
		printRecords(w, f.Services)
		if err := w.Flush(); err != nil {
			return err
		}
		printProblems(out, f)
	}
	return nil
}

func printProblems(out io.Writer, f admin.FederationStatus) {
	var lines []string
	for _, m := range f.Members {
		if m.Error != "" {
			lines = append(lines, m.Error)
		}
	}
	for _, lv := range f.Levels {
		if lv.Foreign != "" {
			lines = append(lines, "level "+lv.Name+" "+lv.Foreign)
		}
	}
	for _, p := range f.Problems {
		of := strings.TrimSpace(p.Member + " " + p.Service)
		lines = append(lines, strings.TrimSuffix(p.Reason+" "+of, " ")+": "+p.Detail)
	}
	if len(lines) > 0 {
		fmt.Fprintf(out, "\nPROBLEMS\n%s\n", strings.Join(lines, "\n"))
	}
}

func printServices(w io.Writer, services []admin.ServiceStatus) {
	if len(services) == 0 {
		return
	}
	fmt.Fprint(w, "\nSERVICE\tMEMBER\tSHARD\tREADY\tADDRESSES\tREASON\n")
	for _, s := range services {
		for _, sh := range s.Shards {
			state := "unhealthy"
			if sh.Healthy {
				state = "healthy"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", s.Name, sh.Member, state, sh.ReadyEndpoints,
				orDash(display.Options{}.Some(sh.Addresses)), orDash(sh.Reason))
		}
		for _, h := range s.Held {
			fmt.Fprintf(w, "%s\t%s\theld\t-\t-\t%s for %s\n",
				s.Name, orDash(h.Member), h.Reason, time.Since(h.Since).Round(time.Second))
		}
	}
}

func printRecords(w io.Writer, services []admin.ServiceStatus) {
	if len(services) == 0 {
		return
	}
	fmt.Fprint(w, "\nNAME\tTYPE\tTTL\tDATA\tREASON\n")
	for _, s := range services {
		for _, r := range s.Records {
			for _, d := range r.Data {
				fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", r.Name, r.Type, r.TTL, d, r.Reason)
			}
		}
		for _, r := range s.Refused {
			fmt.Fprintf(w, "%s\trefused\t\t%s\n", r.Name, r.Error)
		}
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
