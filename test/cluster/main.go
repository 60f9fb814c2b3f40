// Testcluster is a whole Kubernetes control plane in one process, for demo, tests and benchmarks: etcd, kube-apiserver,
// the controllers of kube-controller-manager, and a simulated scheduler, kubelet and cloud load balancer. The API is
// the real one; only the machines behind it are simulated: a pod is an HTTP server on the pod's address that names its
// cluster.
//
// The same binary is kubectl if it has that name, and kills and starts the backends of pods (testcluster backends).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/pflag"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // every way to log in that kubectl supports
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

const usage = `testcluster runs a Kubernetes control plane with simulated machines.

  testcluster --dir DIR [flags]        run a cluster; the same DIR is the same cluster again
  testcluster kubectl ...              kubectl (also when the program's name is kubectl)
  testcluster backends --dir DIR [list|kill|start] [-n NAMESPACE] [-l SELECTOR]
                                       show, kill or start the HTTP servers of pods

When everything runs, one line is printed:
  ready 2878ms pid=1234 server=https://127.0.0.1:34567 kubeconfig=DIR/kubeconfig
Logs go to DIR/log. SIGTERM and SIGINT end the cluster.

Flags:
`

func main() {
	if filepath.Base(os.Args[0]) == "kubectl" {
		kubectl(os.Args)
		return
	}
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "kubectl":
			kubectl(os.Args[1:])
			return
		case "backends":
			exit(backendsCommand(os.Args[2:], os.Stdout))
		}
	}
	opt, err := parseFlags(os.Args[1:])
	if errors.Is(err, pflag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		exit(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	exit(run(ctx, opt, os.Stdout))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(console, "testcluster:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// kubectl runs kubectl with the arguments, the first of which is its name.
func kubectl(args []string) {
	os.Args = args
	_, _ = logs.GlogSetter(cmd.GetLogVerbosity(args)) // as kubectl's own main does
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}
