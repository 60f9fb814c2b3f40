package main

import (
	"fmt"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"
)

func (o *options) dashboard() *cobra.Command {
	var port uint16
	var noBrowser bool
	cmd := &cobra.Command{
		Use: "dashboard", Short: "Open the page that shows the whole federation, live",
		Long: `Makes the syncer's page reachable on this machine, prints its address and opens
it in a browser. The page shows the members, the services, and of each service
who gets what from where and why; it changes nothing.

It forwards a port to the replica that writes, as kubectl port-forward does, until
it is interrupted. With --socket the page is on this machine already. The syncer
serves it if its configuration has page.address.`,
		Example: `  kubectl federation dashboard
  kubectl federation dashboard --port 8080 --no-browser`,
		Args: args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			src, err := o.source()
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return src.Page(ctx, port, func(url string) {
				fmt.Fprintln(cmd.OutOrStdout(), url)
				fmt.Fprintln(cmd.ErrOrStderr(), "until you press Ctrl-C")
				if !noBrowser {
					browse(url)
				}
			})
		},
	}
	cmd.Flags().Uint16Var(&port, "port", 0, "local port; 0 means any that is free")
	cmd.Flags().BoolVar(&noBrowser, "no-browser", false, "only print the address")
	return cmd
}

// browse opens the address in the user's browser. If there is none, the address was printed already.
func browse(url string) {
	command := []string{"xdg-open", url}
	switch runtime.GOOS {
	case "darwin":
		command[0] = "open"
	case "windows":
		command = []string{"rundll32", "url.dll,FileProtocolHandler", url}
	}
	opener := exec.Command(command[0], command[1:]...)
	if opener.Start() == nil {
		go func() { _ = opener.Wait() }() // it may stay for as long as the browser
	}
}
