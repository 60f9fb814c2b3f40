package main

import (
	"os"

	_ "k8s.io/client-go/plugin/pkg/client/auth" // all ways to log in that kubectl knows
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

// kubectl runs kubectl with the arguments, the first of which is its name.
func kubectl(args []string) {
	os.Args = args
	_, _ = logs.GlogSetter(cmd.GetLogVerbosity(args)) // as kubectl's own main does
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}
