// Demo-shell enters the running demo: it gives a shell, or runs a command, with the view of a pod of one of its
// clusters, or of a client outside.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/federation-dns/federation/test/netns"
	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/world"
)

const usage = `demo-shell enters the running demo (make demo).

  demo-shell                      a shell as a client outside
  demo-shell CLUSTER              a shell as in a pod of that cluster; kubectl is its administrator's
  demo-shell CLUSTER COMMAND...   run a command there
  demo-shell outside COMMAND...   run a command as a client outside
  demo-shell status [FLAGS]       federation-syncer status
  demo-shell federation VERB...   kubectl federation, such as explain NAME --from CLUSTER

Clusters: %s
DEMO_DIR=DIR chooses one of several running demos; else it is the latest.
`

func main() {
	err := run(os.Args[1:])
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo-shell:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	names := clusters()
	view := world.Outside
	if len(args) > 0 {
		view, args = args[0], args[1:]
	}
	switch view {
	case "-h", "--help", "help":
		fmt.Printf(usage, strings.Join(names, " "))
		return nil
	}
	dir, err := world.FindDir(os.Getenv("DEMO_DIR"))
	if err != nil {
		return err
	}
	socket := world.AdminSocket(dir)
	switch view {
	case "status":
		view, args = world.Outside, append([]string{"federation-syncer", "status", "--socket", socket}, args...)
	case "federation":
		view, args = world.Outside, append([]string{"kubectl-federation", "--socket", socket}, args...)
	}
	if view != world.Outside && !slices.Contains(names, view) {
		return fmt.Errorf("no cluster %q in the demo: %s and %s are known", view, strings.Join(names, ", "),
			world.Outside)
	}
	return enter(dir, view, args)
}

// enter runs argv, or a shell, with the view, inside the demo's namespace.
func enter(dir, view string, argv []string) error {
	shell := len(argv) == 0
	if shell {
		argv = []string{"sh", "-i"}
		if bash, err := exec.LookPath("bash"); err == nil {
			argv = []string{bash, "--norc", "-i"}
		}
	}
	v := world.ViewOf(dir, view)
	// A mount namespace of its own, so that only this process has the view's resolv.conf.
	script := `umount /etc/resolv.conf 2>/dev/null; mount --bind "$0" /etc/resolv.conf && exec "$@"`
	inside := append([]string{"unshare", "--mount", "--propagation", "private", "--", "sh", "-c", script, v.Resolv},
		argv...)
	cmd, err := netns.Shell(world.PIDFile(dir), inside...)
	if err != nil {
		return err
	}
	cmd.Env = append(cmd.Env, proc.EnvDir+"="+dir, "KUBECONFIG="+v.Kubeconfig, "KUBECACHEDIR="+filepath.Join(dir,
		"kubectl"),
		"PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"), `PS1=(`+view+`) \w$ `)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if shell {
		fmt.Printf("in the demo, as %s; exit leaves it\n", who(view))
	}
	return cmd.Run()
}

func who(view string) string {
	if view == world.Outside {
		return "a client outside"
	}
	return "a pod of " + view
}

func clusters() []string {
	var names []string
	for _, p := range world.Places {
		names = append(names, p.Name)
	}
	return names
}
